import { copyOf } from "./copy-of.ts";

const NOTHING = new Uint8Array();

/** An entry as LMDB gives it: views that are valid until the next one. */
export class RawEntry {
  keyBytes: Uint8Array = NOTHING;
  keyStart = 0;
  keyEnd = 0;
  /** May go on behind the value. */
  value: Uint8Array = NOTHING;
  valueLength = 0;

  /** Some of the key's bytes as text. @param to counted from the key's end */
  keyText(from: number, to: number): string {
    const { keyBytes, keyStart, keyEnd } = this;
    const bytes = Buffer.isBuffer(keyBytes)
      ? keyBytes
      : Buffer.from(keyBytes.buffer, keyBytes.byteOffset, keyBytes.byteLength);
    return bytes.toString("utf8", keyStart + from, keyEnd - to);
  }

  /** A copy. */
  key(): Buffer {
    return copyOf(this.keyBytes, this.keyStart, this.keyEnd);
  }

  isBefore(end: Uint8Array): boolean {
    const { keyBytes, keyStart, keyEnd } = this;
    const length = Math.min(keyEnd - keyStart, end.length);
    for (let i = 0; i < length; i++) {
      const order = keyBytes[keyStart + i]! - end[i]!;
      if (order !== 0) return order < 0;
    }
    return keyEnd - keyStart < end.length;
  }

  beginsWith(start: Uint8Array): boolean {
    const { keyBytes, keyStart, keyEnd } = this;
    if (keyEnd - keyStart < start.length) return false;
    for (let i = 0; i < start.length; i++) if (keyBytes[keyStart + i] !== start[i]) return false;
    return true;
  }

  isKey(key: Uint8Array): boolean {
    return this.keyEnd - this.keyStart === key.length && this.beginsWith(key);
  }

  copyOfValue(): Buffer {
    return Buffer.from(this.value.subarray(0, this.valueLength));
  }
}

/** The database, but for how its ranges decode: lmdb-js asks the object that it is called on. */
export function rawReader<D extends object>(database: D, visit: (entry: RawEntry) => void): D {
  const entry = new RawEntry();
  return Object.assign(Object.create(database), {
    readKey(bytes: Uint8Array, start: number, end: number) {
      entry.keyBytes = bytes;
      entry.keyStart = start;
      entry.keyEnd = end;
      return NOTHING;
    },
    decoder: {
      decode(bytes: Uint8Array, length: number) {
        entry.value = bytes;
        entry.valueLength = length;
        visit(entry);
      },
    },
    // It is not to copy the value before it decodes it.
    decoderCopies: true,
  });
}
