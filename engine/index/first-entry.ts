import type { CursorBuffers, PositionCursor } from "./cursor-buffers.ts";
import { RawEntry, rawReader } from "./raw-entry.ts";

/** What lmdb-js has in a database, and no types for. */
interface Inside {
  readonly db: { availableCursor?: { readonly address: number } | null };
  readonly env: { readonly writeTxn?: unknown };
  ensureReadTxn(): void;
  getRange(options: object): Iterable<unknown>;
}

/** With the value, and in the read transaction of now. */
const POSITION_FLAGS = 0x100 | 0x2000;

/**
 * The first entry at a key or behind it. An iterator of lmdb-js takes twice the time of that, and makes garbage that costs
 * as much again. So its cursor, which it keeps for the next iterator, is put there by the one call that the iterator would
 * make. Wherever that can't be done, an iterator does it, which also tells what failed.
 */
export class FirstEntry {
  readonly #database: Inside;
  readonly #position: PositionCursor | undefined;
  readonly #buffers: CursorBuffers;
  readonly #range: Iterable<unknown>;
  readonly #options: { start: Uint8Array; limit: number } = { start: new Uint8Array(1), limit: 1 };
  readonly #entry = new RawEntry();
  #iteratedEntry: RawEntry | undefined;

  /** @param position absent where lmdb-js doesn't give it */
  constructor(database: object, position: PositionCursor | undefined, buffers: CursorBuffers) {
    this.#database = database as Inside;
    this.#position = position;
    this.#buffers = buffers;
    const reader = rawReader(this.#database, (entry) => {
      this.#iteratedEntry = entry;
      buffers.learn(entry);
    });
    this.#range = reader.getRange(this.#options);
  }

  /** Views that are valid until the next call of anything that reads. */
  from(start: Uint8Array): RawEntry | undefined {
    const buffers = this.#buffers;
    const cursor = this.#database.db.availableCursor;
    if (!buffers.areKnown || !cursor || !this.#position || this.#database.env.writeTxn)
      return this.#iterated(start);
    this.#database.ensureReadTxn();
    buffers.setKey(start);
    buffers.prepare();
    const keyLength = this.#position(cursor.address, POSITION_FLAGS, 0, start.length, 0);
    if (keyLength === 0) return undefined;
    return buffers.take(keyLength, this.#entry) ? this.#entry : this.#iterated(start);
  }

  #iterated(start: Uint8Array): RawEntry | undefined {
    this.#options.start = start;
    this.#iteratedEntry = undefined;
    const entries = this.#range[Symbol.iterator]();
    entries.next();
    entries.return?.();
    return this.#iteratedEntry;
  }
}
