import { Buffer } from "node:buffer";
import { readUint32, writeUint32 } from "../log/format.ts";
import { type RawEntry, rawReader } from "./raw-entry.ts";

/** What lmdb-js has in a database, and no types for. */
interface Inside {
  readonly db: { availableCursor?: { readonly address: number } | null };
  readonly env: { readonly writeTxn?: unknown };
  ensureReadTxn(): void;
  getRange(options: object): Iterable<unknown>;
}

/** Puts a cursor at a key, or behind it, and gives the length of the key there; the rest lies in buffers of lmdb-js. */
export type PositionCursor = (
  cursor: number,
  flags: number,
  skip: number,
  keyBytes: number,
  end: number,
) => number;

/** With the value, and in the read transaction of now. */
const POSITION_FLAGS = 0x100 | 0x2000;
/** Where lmdb-js puts the length of a value, whether it is elsewhere than in its buffer, and the key that was found. */
const LENGTH_AT = 0;
const ELSEWHERE_AT = 4;
const KEY_AT = 32;
/** As lmdb-js has it. */
const KEY_BYTES_MAX = 1978;
/** What stands where a value goes before it is read. Where a value begins like that, it is read in the other way too. */
const NOT_WRITTEN = 0xffff_ffff;

/**
 * The first entry at a key or behind it. An iterator of lmdb-js takes twice the time of that, and makes garbage that costs
 * as much again. So its cursor, which it keeps for the next iterator, is put there by the one call that the iterator would
 * make. Wherever that can't be done, an iterator does it, which also tells what failed.
 */
export class FirstEntry {
  readonly #database: Inside;
  readonly #position: PositionCursor | undefined;
  /** Of any range, from what `start` is when it is gone over. */
  readonly #range: Iterable<unknown>;
  readonly #options: { start: Uint8Array; limit: number } = { start: new Uint8Array(1), limit: 1 };
  #found: RawEntry | undefined;
  /** Known from the first iterator on, as are the buffers of lmdb-js. */
  #entry: RawEntry | undefined;
  #keys: Buffer = Buffer.alloc(0);
  #values: Buffer = Buffer.alloc(0);

  /** @param position absent where lmdb-js doesn't give it */
  constructor(database: object, position: PositionCursor | undefined) {
    this.#database = database as Inside;
    this.#position = position;
    const reader = rawReader(this.#database, (entry) => {
      this.#found = entry;
      this.#learn(entry);
    });
    this.#range = reader.getRange(this.#options);
  }

  /** Views that are valid until the next call of anything that reads. */
  from(start: Uint8Array): RawEntry | undefined {
    const entry = this.#entry;
    const cursor = this.#database.db.availableCursor;
    if (!entry || !cursor || !this.#position || this.#database.env.writeTxn) return this.#iterated(start);
    this.#database.ensureReadTxn();
    const keys = this.#keys;
    const values = this.#values;
    for (let i = 0; i < start.length; i++) keys[i] = start[i]!;
    writeUint32(values, NOT_WRITTEN, 0);
    const keyLength = this.#position(cursor.address, POSITION_FLAGS, 0, start.length, 0);
    if (keyLength === 0) return undefined;
    const isThere = keyLength > 0 && keyLength <= KEY_BYTES_MAX && readUint32(keys, ELSEWHERE_AT) === 0;
    // Another user of lmdb-js may have given it another buffer.
    if (!isThere || readUint32(values, 0) === NOT_WRITTEN) return this.#iterated(start);
    entry.keyBytes = keys;
    entry.keyStart = KEY_AT;
    entry.keyEnd = KEY_AT + keyLength;
    entry.value = values;
    entry.valueLength = readUint32(keys, LENGTH_AT);
    return entry;
  }

  #iterated(start: Uint8Array): RawEntry | undefined {
    this.#options.start = start;
    this.#found = undefined;
    const entries = this.#range[Symbol.iterator]();
    entries.next();
    entries.return?.();
    return this.#found;
  }

  #learn(entry: RawEntry): void {
    const value = entry.value as Uint8Array & { isGlobal?: boolean; maxLength?: number };
    if (!value.isGlobal || (this.#entry && value.buffer === this.#values.buffer)) return;
    this.#keys = viewOf(entry.keyBytes, entry.keyBytes.length);
    this.#values = viewOf(value, value.maxLength!);
    this.#entry = entry;
  }
}

/** Of its own, since lmdb-js sets the length of its buffer. */
const viewOf = ({ buffer, byteOffset }: Uint8Array, length: number) =>
  Buffer.from(buffer, byteOffset, length);
