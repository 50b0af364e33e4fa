import { isUtf8 } from "node:buffer";
import { VarveError } from "../errors.ts";

/**
 * Bytes of manifests, written and read one item after another. There is one way to write each item, and no other is read:
 * they may come from anyone, and digests are made of them. The numbers of the index (`index/varint.ts`) look alike, but may
 * change with the next index, and are read in a hurry, by who wrote them.
 */

const BITS = 0x7f;
const MORE = 0x80;
const VARINT_BYTES_MAX = 8;

export function damaged(what: string): VarveError {
  return new VarveError("CORRUPTION", `the manifest of a directory is damaged: ${what}`, {
    hint: "`varve verify` says what is damaged, `varve repair` takes sound copies from elsewhere",
  });
}

export class ByteWriter {
  #bytes = Buffer.allocUnsafe(4_096);
  length = 0;

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.length++] = value;
  }

  /** A whole number up to 2⁵³ − 1: seven bits a byte, the lowest first; a high bit says that more follow. */
  number(value: number): void {
    this.#reserve(VARINT_BYTES_MAX);
    let rest = value;
    for (; rest > BITS; rest = Math.floor(rest / MORE)) this.#bytes[this.length++] = (rest % MORE) | MORE;
    this.#bytes[this.length++] = rest;
  }

  /** Those from `start` on: mostly a few, for which a view would cost more than the copying. */
  bytes(value: Uint8Array, start = 0): void {
    this.#reserve(value.length - start);
    for (let at = start; at < value.length; at++) this.#bytes[this.length++] = value[at]!;
  }

  /** All so far, in memory of its own. */
  taken(): Buffer {
    return Buffer.from(this.#bytes.subarray(0, this.length));
  }

  #reserve(more: number): void {
    if (this.length + more <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.length + more));
    larger.set(this.#bytes.subarray(0, this.length));
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  byte(): number {
    if (this.#at === this.#bytes.length) throw damaged("it ends too early");
    return this.#bytes[this.#at++]!;
  }

  number(max = Number.MAX_SAFE_INTEGER): number {
    let value = 0;
    let unit = 1;
    for (let count = 0; count < VARINT_BYTES_MAX; count++, unit *= MORE) {
      const byte = this.byte();
      value += (byte & BITS) * unit;
      if (byte & MORE) continue;
      if (byte === 0 && count > 0) throw damaged("a number is longer than it need be");
      if (value > max) throw damaged(`${value} is more than ${max}`);
      return value;
    }
    throw damaged("a number is too long");
  }

  /** A view. */
  bytes(length: number): Buffer {
    if (length > this.#bytes.length - this.#at) throw damaged("it ends too early");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** All that is left, as a view. */
  rest(): Buffer {
    return this.bytes(this.#bytes.length - this.#at);
  }

  end(): void {
    if (this.#at < this.#bytes.length) throw damaged("something follows its end");
  }
}

export function textOf(bytes: Uint8Array): string {
  if (!isUtf8(bytes)) throw damaged("a name is not UTF-8");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
