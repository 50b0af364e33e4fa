/** Numbers as the bytes of the log and of the index have them: little-endian. */

// Byte by byte: Buffer's own methods check their arguments each time, which a rebuild does some fifty times an artifact.

export function writeUint32(into: Uint8Array, value: number, at: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}

export function readUint32(from: Uint8Array, at: number): number {
  return (from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24)) >>> 0;
}

export function writeUint53(into: Uint8Array, value: number, at: number): void {
  writeUint32(into, value >>> 0, at);
  writeUint32(into, Math.floor(value / 0x1_0000_0000), at + 4);
}

export function readUint53(from: Uint8Array, at: number): number {
  return readUint32(from, at) + readUint32(from, at + 4) * 0x1_0000_0000;
}

// Typed arrays over the same eight bytes: Buffer's own methods for 64-bit numbers do their work in BigInt steps.
const wide = new BigUint64Array(1);
const halves = new Uint32Array(wide.buffer);
const [LOW, HIGH] = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? [0, 1] : [1, 0];

export function writeUint64(into: Uint8Array, value: bigint, at: number): void {
  wide[0] = value;
  writeUint32(into, halves[LOW]!, at);
  writeUint32(into, halves[HIGH]!, at + 4);
}

export function readUint64(from: Uint8Array, at: number): bigint {
  halves[LOW] = readUint32(from, at);
  halves[HIGH] = readUint32(from, at + 4);
  return wide[0]!;
}

/** Whether `value` stands at `at`: no second bigint is made for it. */
export function isUint64At(from: Uint8Array, value: bigint, at: number): boolean {
  wide[0] = value;
  return readUint32(from, at) === halves[LOW] && readUint32(from, at + 4) === halves[HIGH];
}
