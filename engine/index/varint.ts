/** Numbers up to 2⁵³ in as few bytes as each needs: seven bits a byte, the lowest first; a high bit says that more follow. */

export const VARINT_BYTES_MAX = 8;
const MORE = 0x80;
const BITS = 0x7f;
/** From here on bits are not reached by bit arithmetic. */
const NARROW_MAX = 2 ** 28;

/** Gives where the next one goes. */
export function writeVarint(into: Uint8Array, value: number, start: number): number {
  let at = start;
  let rest = value;
  for (; rest >= NARROW_MAX; rest = Math.floor(rest / MORE)) into[at++] = (rest & BITS) | MORE;
  for (; rest > BITS; rest >>>= 7) into[at++] = (rest & BITS) | MORE;
  into[at++] = rest;
  return at;
}

/** Reads numbers one after another. Of bytes that are none it makes some number, and reads at most eight for each. */
export class VarintReader {
  /** Where the next one stands. */
  at = 0;

  next(from: Uint8Array): number {
    let byte = from[this.at++]!;
    if (byte <= BITS) return byte;
    let value = byte & BITS;
    byte = from[this.at++]!;
    value |= (byte & BITS) << 7;
    if (byte <= BITS) return value;
    byte = from[this.at++]!;
    value |= (byte & BITS) << 14;
    if (byte <= BITS) return value;
    byte = from[this.at++]!;
    value |= (byte & BITS) << 21;
    return byte <= BITS ? value : this.#wide(from, value);
  }

  #wide(from: Uint8Array, low: number): number {
    let value = low;
    for (let unit = NARROW_MAX, count = 4; count < VARINT_BYTES_MAX; unit *= MORE, count++) {
      const byte = from[this.at++]!;
      value += (byte & BITS) * unit;
      if (!(byte & MORE)) break;
    }
    return value;
  }
}
