import { type CursorBuffers, KEY_BYTES_MAX, type NativeCursors } from "./cursor-buffers.ts";
import { RawEntry, rawReader } from "./raw-entry.ts";

export interface WalkRange {
  start: Uint8Array;
  /** Exclusive; in reverse, the range goes from `start` down to it. */
  end?: Uint8Array;
  reverse?: boolean;
  exclusiveStart?: boolean;
  inclusiveEnd?: boolean;
  limit?: number;
  snapshot?: { readonly transaction: object };
}

/** What lmdb-js has in a database, and no types for. */
interface Inside {
  readonly db: unknown;
  readonly env: { readonly address?: number };
  getRange(options: object): Iterable<unknown>;
}

/** The same of a read transaction. */
interface TransactionInside {
  readonly address?: number;
  readonly isDone?: boolean;
  use(): void;
  done(): void;
}

type Visit = (entry: RawEntry) => void;

const WITH_VALUES = 0x100;
const EXCLUSIVE_START = 0x10000;

/**
 * Goes over a range without making an object of each entry: what `visit` is given is overwritten by the next one, and by
 * whatever else is read. For each entry an iterator of lmdb-js makes two objects and takes half as long again as the one
 * call that it makes, so this makes that call. Wherever that can't be done, an iterator does it.
 */
export class RangeWalk {
  readonly #database: Inside;
  readonly #native: Partial<NativeCursors>;
  readonly #buffers: CursorBuffers;

  /** @param native what lmdb-js gives of it */
  constructor(database: object, native: Partial<NativeCursors>, buffers: CursorBuffers) {
    this.#database = database as Inside;
    this.#native = native;
    this.#buffers = buffers;
  }

  /** Gives the last key where the limit ended it, and undefined where the range did. */
  visit(range: WalkRange, visit: Visit): Buffer | undefined {
    const { Cursor, position, iterate, lmdbError } = this.#native;
    const isPlain = !range.reverse && !range.inclusiveEnd && range.limit !== 0;
    const isShort = range.start.length <= KEY_BYTES_MAX;
    const transaction = range.snapshot?.transaction as TransactionInside | undefined;
    const isOpen = this.#database.env.address && transaction?.address && !transaction.isDone;
    if (!isPlain || !isShort || !isOpen || !this.#buffers.areKnown) return this.#iterated(range, visit);
    if (!Cursor || !position || !iterate || !lmdbError) return this.#iterated(range, visit);
    const cursor = new Cursor(this.#database.db, transaction.address);
    transaction.use();
    try {
      return this.#walked({ position, iterate, lmdbError }, cursor.address, range, visit);
    } finally {
      cursor.close();
      transaction.done();
    }
  }

  #walked(
    { position, iterate, lmdbError }: Omit<NativeCursors, "Cursor">,
    cursor: number,
    range: WalkRange,
    visit: Visit,
  ): Buffer | undefined {
    const buffers = this.#buffers;
    const entry = new RawEntry();
    const { start, end, limit = Number.POSITIVE_INFINITY, exclusiveStart } = range;
    buffers.setKey(start);
    buffers.prepare();
    const flags = WITH_VALUES | (exclusiveStart ? EXCLUSIVE_START : 0);
    let keyLength = position(cursor, flags, 0, start.length, 0);
    for (let left = limit; keyLength > 0; left--) {
      if (!buffers.take(keyLength, entry)) {
        const rest = { ...range, start: buffers.keyFound(keyLength), exclusiveStart: false };
        return this.#iterated(limit === Number.POSITIVE_INFINITY ? rest : { ...rest, limit: left }, visit);
      }
      if (end && !entry.isBefore(end)) return undefined;
      const last = left === 1 ? entry.key() : undefined;
      visit(entry);
      if (last) return last;
      buffers.prepare();
      keyLength = iterate(cursor);
    }
    if (keyLength < 0) lmdbError(keyLength);
    return undefined;
  }

  #iterated({ snapshot, exclusiveStart, ...range }: WalkRange, visit: Visit): Buffer | undefined {
    let count = 0;
    let last: Buffer | undefined;
    const reading = rawReader(this.#database, (entry) => {
      this.#buffers.learn(entry);
      // Now, since the cursor goes on by one entry before it heeds the limit.
      if (++count === range.limit) last = entry.key();
      visit(entry);
    });
    const entries = reading.getRange({
      ...range,
      ...(exclusiveStart ? { exclusiveStart: true } : {}),
      ...(snapshot ? { transaction: snapshot.transaction } : {}),
    });
    for (const _ of entries);
    return last;
  }
}
