import { readUint32, writeUint32 } from "../log/format.ts";
import type { RawEntry } from "./raw-entry.ts";

/** Puts a cursor at a key, or behind it, and gives the length of the key there; the rest lies in buffers of lmdb-js. */
export type PositionCursor = (
  cursor: number,
  flags: number,
  skip: number,
  keyBytes: number,
  end: number,
) => number;

/** What lmdb-js calls itself, and has no types for. */
export interface NativeCursors {
  readonly position: PositionCursor;
  /** Puts it at the next entry, as `position`. */
  readonly iterate: (cursor: number) => number;
  readonly Cursor: new (
    database: unknown,
    transaction: number,
  ) => { readonly address: number; close(): void };
  /** Throws what a number that is below zero says. */
  readonly lmdbError: (code: number) => void;
}

/** Where lmdb-js puts the length of a value, whether it is elsewhere than in its buffer, and the key that was found. */
const LENGTH_AT = 0;
const ELSEWHERE_AT = 4;
const KEY_AT = 32;
/** As lmdb-js has it. */
export const KEY_BYTES_MAX = 1978;
/** What stands where a value goes before it is read. Where a value begins like that, it is read in the other way too. */
const NOT_WRITTEN = 0xffff_ffff;

/** The buffers into which cursors of lmdb-js read: known from the first entry on that an iterator of it has given. */
export class CursorBuffers {
  areKnown = false;
  #keys: Buffer = Buffer.alloc(0);
  #values: Buffer = Buffer.alloc(0);

  learn(entry: RawEntry): void {
    const value = entry.value as Uint8Array & { isGlobal?: boolean; maxLength?: number };
    if (!value.isGlobal || (this.areKnown && value.buffer === this.#values.buffer)) return;
    this.#keys = viewOf(entry.keyBytes, entry.keyBytes.length);
    this.#values = viewOf(value, value.maxLength!);
    this.areKnown = true;
  }

  /** Before a cursor is put at it. */
  setKey(key: Uint8Array): void {
    const keys = this.#keys;
    for (let i = 0; i < key.length; i++) keys[i] = key[i]!;
  }

  /** Before a cursor reads. */
  prepare(): void {
    writeUint32(this.#values, NOT_WRITTEN, 0);
  }

  /** Whether what a cursor has read is here: then it is in `entry`. Another user of lmdb-js may have given it another buffer. */
  take(keyLength: number, entry: RawEntry): boolean {
    const keys = this.#keys;
    const isHere = keyLength > 0 && keyLength <= KEY_BYTES_MAX && readUint32(keys, ELSEWHERE_AT) === 0;
    if (!isHere || readUint32(this.#values, 0) === NOT_WRITTEN) return false;
    entry.keyBytes = keys;
    entry.keyStart = KEY_AT;
    entry.keyEnd = KEY_AT + keyLength;
    entry.value = this.#values;
    entry.valueLength = readUint32(keys, LENGTH_AT);
    return true;
  }

  /** A copy of the key of what a cursor has read, wherever the value is. */
  keyFound(keyLength: number): Buffer {
    return Buffer.from(this.#keys.subarray(KEY_AT, KEY_AT + keyLength));
  }
}

/** Of its own, since lmdb-js sets the length of its buffer. */
const viewOf = ({ buffer, byteOffset }: Uint8Array, length: number) =>
  Buffer.from(buffer, byteOffset, length);
