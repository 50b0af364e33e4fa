import { endianness } from "node:os";
import { readUint32, writeUint32 } from "../log/format.ts";

/**
 * Entries for who puts millions. They lie as lmdb-js writes what its native part is to do, so that this reads them where
 * they are: to have them written by lmdb-js takes half as long as LMDB then takes to put them.
 *
 * At multiples of 8: what lmdb-js is told to do (u32; before that a mark of our own), the database (u32), length of the
 * key (u32), key; then, up to the next multiple of 8 with at least five bytes between, length of the value (u32), its
 * address (f64), value.
 */

const DATABASE_AT = 4;
const KEY_LENGTH_AT = 8;
const KEY_AT = 12;
const ADDRESS_BYTES = 8;
/** More than it takes besides key and value. */
export const PUT_BYTES_MAX = KEY_AT + 16 + ADDRESS_BYTES + 7;

export function putKeyAt(entry: number): number {
  return entry + KEY_AT;
}

export function putValueAt(entry: number, keyLength: number): number {
  return ((entry + KEY_AT + keyLength + 16) & ~7) + ADDRESS_BYTES;
}

/** Key and value are there. Gives where the next entry begins. */
export function endPut(
  into: Uint8Array,
  entry: number,
  mark: number,
  keyLength: number,
  valueEnd: number,
): number {
  const value = putValueAt(entry, keyLength);
  writeUint32(into, mark, entry);
  writeUint32(into, keyLength, entry + KEY_LENGTH_AT);
  writeUint32(into, valueEnd - value, value - ADDRESS_BYTES - 4);
  return (valueEnd + 7) & ~7;
}

export const putMark = (from: Uint8Array, entry: number) => readUint32(from, entry);

export function putKey(from: Buffer, entry: number): Buffer {
  return from.subarray(entry + KEY_AT, entry + KEY_AT + readUint32(from, entry + KEY_LENGTH_AT));
}

export function putValue(from: Buffer, entry: number): Buffer {
  const value = putValueAt(entry, readUint32(from, entry + KEY_LENGTH_AT));
  return from.subarray(value, value + readUint32(from, value - ADDRESS_BYTES - 4));
}

export function putEnd(from: Uint8Array, entry: number): number {
  const value = putValueAt(entry, readUint32(from, entry + KEY_LENGTH_AT));
  return (value + readUint32(from, value - ADDRESS_BYTES - 4) + 7) & ~7;
}

/** What lmdb-js has in a database, and no types for. */
interface Inside {
  readonly db: { readonly dbi: number };
  readonly env: { readonly address: number; readonly writeTxn?: unknown };
}

/** Functions of its native part. */
export interface NativeWriter {
  getAddress?: (memory: ArrayBufferLike) => number;
  /** Does what stands at an address, which is told there too; within a transaction. */
  write?: (environment: number, address: number) => unknown;
}

/** To put, behind all that is there. */
const APPEND = 0x2000f;
/** The key is not behind all others. */
const REFUSED = 0x4000000;

/** Puts entries that stand in `bytes`, within one transaction. */
export class RawPut {
  readonly #words: Uint32Array;
  readonly #doubles: Float64Array;
  readonly #address: number;
  readonly #database: number;
  readonly #environment: number;
  readonly #write: NonNullable<NativeWriter["write"]>;

  private constructor(bytes: Buffer, inside: Inside, { getAddress, write }: Required<NativeWriter>) {
    const { buffer, byteOffset, length } = bytes;
    this.#words = new Uint32Array(buffer, byteOffset, length >> 2);
    this.#doubles = new Float64Array(buffer, byteOffset, length >> 3);
    this.#address = getAddress(buffer) + byteOffset;
    this.#database = inside.db.dbi;
    this.#environment = inside.env.address;
    this.#write = write;
  }

  /** Undefined where lmdb-js doesn't have what that takes. @param bytes begin at a multiple of 8 */
  static into(database: object, bytes: Buffer, { getAddress, write }: NativeWriter): RawPut | undefined {
    const inside = database as Inside;
    if (!getAddress || !write || endianness() !== "LE") return undefined;
    // Without a transaction the native part would end the process.
    if (!inside.env?.writeTxn || !inside.env.address || inside.db?.dbi === undefined) return undefined;
    return new RawPut(bytes, inside, { getAddress, write });
  }

  /** Gives where the next entry begins; -1, and nothing is put, where the key is not behind all others. */
  put(entry: number): number {
    const words = this.#words;
    const at = entry >> 2;
    const value = putValueAt(entry, words[at + (KEY_LENGTH_AT >> 2)]!);
    words[at] = APPEND;
    words[at + (DATABASE_AT >> 2)] = this.#database;
    this.#doubles[(value - ADDRESS_BYTES) >> 3] = this.#address + value;
    this.#write(this.#environment, this.#address + entry);
    if ((words[at]! & REFUSED) !== 0) return -1;
    return (value + words[((value - ADDRESS_BYTES) >> 2) - 1]! + 7) & ~7;
  }
}
