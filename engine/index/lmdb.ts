import type { RootDatabase, Transaction } from "lmdb";
import { ABORT, allDbs, nativeAddon, open as openLmdb } from "lmdb";
import { CursorBuffers, type NativeCursors } from "./cursor-buffers.ts";
import { FirstEntry } from "./first-entry.ts";
import { isNew, makePrivate, prepareFiles } from "./lmdb-files.ts";
import { RangeWalk, type WalkRange } from "./range-walk.ts";
import { RawEntry } from "./raw-entry.ts";
import type { NativeWriter } from "./raw-put.ts";
import { RawPut } from "./raw-put.ts";

/** The only importer of lmdb. Keys and values are bytes. Nothing here is ever synced: see the README on trust in the index. */

declare module "lmdb" {
  /** By the last part of its path, the database opened last; lmdb-js itself never looks into it. */
  const allDbs: Map<string, unknown>;
  /** What lmdb-js itself calls. */
  const nativeAddon: Partial<NativeCursors> & NativeWriter;
}

/** Parallel read transactions of all processes; the first opener decides. */
const READERS_MAX = 2048;

export interface EnvironmentRange extends WalkRange {
  snapshot?: EnvironmentSnapshot;
}

/** A range of which the first row is wanted. */
export interface FirstOf {
  start: Uint8Array;
  /** Exclusive; without it the range is the keys that begin with `start`. */
  end?: Uint8Array;
  exclusiveStart?: boolean;
}

/** A state of the environment that stays readable until `done`. Held long, it makes the file grow. */
export interface EnvironmentSnapshot {
  readonly transaction: Transaction;
  done(): void;
}

export interface EnvironmentSize {
  fileBytes: number;
  usedBytes: number;
  pageBytes: number;
  entries: number;
}

interface TreeStats {
  pageSize: number;
  entryCount: number;
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

const ZERO = Buffer.alloc(1);
const APPEND = { append: true };
const NEW = { noOverwrite: true };
export interface Entry {
  key: Buffer;
  value: Buffer;
}

function openDatabase(path: string, addresses: number | undefined): RootDatabase<Buffer, Uint8Array> {
  prepareFiles(path, READERS_MAX);
  const isMade = isNew(path);
  const database = openLmdb<Buffer, Uint8Array>({
    path,
    encoding: "binary",
    keyEncoding: "binary",
    noSync: true,
    overlappingSync: false,
    maxReaders: READERS_MAX,
    ...(addresses !== undefined && { mapSize: addresses }),
    cache: false,
    // A folder of our own, also where its name has a dot.
    noSubdir: false,
  });
  if (isMade) makePrivate(path);
  return database;
}

export class Environment {
  readonly #database: RootDatabase<Buffer, Uint8Array>;
  readonly #first: FirstEntry;
  readonly #walk: RangeWalk;
  /** What `look` gives, and the buffer of lmdb-js that it shows. */
  readonly #entry = new RawEntry();
  #looked: Buffer | undefined;
  readonly #translate: (error: unknown) => unknown;

  /**
   * @param translate what becomes of LMDB's own errors
   * @param addresses set aside for the file, for one that may become large
   */
  constructor(path: string, translate: (error: unknown) => unknown = (error) => error, addresses?: number) {
    this.#translate = translate;
    this.#database = this.#tried(() => openDatabase(path, addresses));
    const buffers = new CursorBuffers();
    this.#first = new FirstEntry(this.#database, nativeAddon.position, buffers);
    this.#walk = new RangeWalk(this.#database, nativeAddon, buffers);
  }

  #tried<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** A view that is valid until the next call: decode it at once. */
  getFast(key: Uint8Array): Buffer | undefined {
    const entry = this.look(key);
    return entry && Buffer.from(entry.value.buffer, entry.value.byteOffset, entry.valueLength);
  }

  /** A value, without its key; it is overwritten by the next call: decode it at once. */
  look(key: Uint8Array): RawEntry | undefined {
    let reused: (Buffer & { isGlobal?: boolean; maxLength?: number }) | undefined;
    try {
      reused = this.#database.getBinaryFast(key);
    } catch (error) {
      throw this.#translate(error);
    }
    if (!reused) return undefined;
    // lmdb-js gives a longer buffer whose `length` it sets; methods of Buffer do not heed that on every Node version.
    // What it uses again is seen through one view of all of it, for as long as it uses that.
    if (reused !== this.#looked) {
      this.#looked = reused.isGlobal ? reused : undefined;
      const length = reused.isGlobal ? reused.maxLength! : reused.length;
      this.#entry.value = Buffer.from(reused.buffer, reused.byteOffset, length);
    }
    this.#entry.valueLength = reused.length;
    return this.#entry;
  }

  get(key: Uint8Array, snapshot?: EnvironmentSnapshot): Buffer | undefined {
    return this.#tried(() =>
      snapshot
        ? this.#database.get(key, { transaction: snapshot.transaction })
        : this.#database.getBinary(key),
    );
  }

  /** Only within a transaction. */
  put(key: Uint8Array, value: Buffer): void {
    this.#database.putSync(key, value);
  }

  /** Only within a transaction: puts `key` behind all others. False, and nothing is done, when it is not behind them. */
  append(key: Uint8Array, value: Buffer): boolean {
    // lmdb-js gives whether it was put, though its types say nothing.
    return (this.#database.putSync(key, value, APPEND) as unknown as boolean) === true;
  }

  /** Only within a transaction, and valid as long: `append` for entries that stand in `bytes`. */
  rawPut(bytes: Buffer): RawPut | undefined {
    return RawPut.into(this.#database, bytes, nativeAddon);
  }

  /** Only within a transaction. False, and nothing is done, when there is something under `key`. */
  putNew(key: Uint8Array, value: Buffer): boolean {
    return (this.#database.putSync(key, value, NEW) as unknown as boolean) === true;
  }

  /** Removes everything. */
  clear(): void {
    this.#database.clearSync();
  }

  /** Only within a transaction. */
  remove(key: Uint8Array): void {
    this.#database.removeSync(key);
  }

  *entries(range: EnvironmentRange): Generator<Entry> {
    const { snapshot, exclusiveStart, ...rest } = range;
    try {
      yield* this.#database.getRange({
        ...rest,
        ...(exclusiveStart ? { exclusiveStart: true } : {}),
        ...(snapshot ? { transaction: snapshot.transaction } : {}),
      } as never) as Iterable<{ key: never; value: Buffer }> as Iterable<Entry>;
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** See `RangeWalk`: gives the last key where the limit ended it, and undefined where the range did. */
  visit(range: EnvironmentRange, visit: (entry: RawEntry) => void): Buffer | undefined {
    return this.#tried(() => this.#walk.visit(range, visit));
  }

  /** The first entry of a range: views that are valid until the next call. */
  first({ start, end, exclusiveStart }: FirstOf): RawEntry | undefined {
    let entry: RawEntry | undefined;
    try {
      entry = this.#first.from(exclusiveStart ? Buffer.concat([start, ZERO]) : start);
    } catch (error) {
      throw this.#translate(error);
    }
    return entry && (end ? entry.isBefore(end) : entry.beginsWith(start)) ? entry : undefined;
  }

  snapshot(): EnvironmentSnapshot {
    const transaction = this.#database.useReadTransaction();
    return { transaction, done: () => transaction.done() };
  }

  /**
   * Writes the newest state into a folder, which must exist, on another thread. With its free pages: a copy without
   * them, as lmdb-js 3.5.6 makes it, ends the process that writes to it.
   */
  async copyTo(folder: string): Promise<void> {
    await this.#database.backup(folder, false);
    makePrivate(folder);
  }

  /** Bytes of the file, of the pages that hold rows, and of one page, and how many entries there are. */
  size(): EnvironmentSize {
    const stats = this.#database.getStats() as TreeStats & { lastPageNumber: number; root: TreeStats };
    const { treeBranchPageCount, treeLeafPageCount, overflowPages, pageSize, entryCount } = stats;
    return {
      fileBytes: (stats.lastPageNumber + 1) * pageSize,
      usedBytes: (treeBranchPageCount + treeLeafPageCount + overflowPages) * pageSize,
      pageBytes: pageSize,
      entries: entryCount,
    };
  }

  /** Lets go of states that processes held which are gone. */
  clearDeadReaders(): void {
    this.#database.readerCheck();
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    this.#database.resetReadTxn();
  }

  /** Runs `action` holding the write lock; waiting for it stops the event loop. A throw takes its writes back. */
  transactSync<T>(action: () => T): T {
    let failure: { error: unknown } | undefined;
    const result = this.#tried(() =>
      this.#database.transactionSync((): T => {
        try {
          return action();
        } catch (error) {
          failure = { error };
          return ABORT as T;
        }
      }),
    );
    if (failure) throw this.#translate(failure.error);
    return result;
  }

  /**
   * Runs `action` holding the write lock, waiting for it on another thread; `action` itself runs on this one.
   * lmdb-js can't take the writes of an asynchronous transaction back: put nothing before what may fail.
   */
  async transact<T>(action: () => T): Promise<T> {
    let failure: { error: unknown } | undefined;
    const committed = this.#database.transaction((): T => {
      try {
        return action();
      } catch (error) {
        failure = { error };
        return undefined as T;
      }
    });
    const result = await committed.catch((error) => {
      throw this.#translate(error);
    });
    if (failure) throw this.#translate(failure.error);
    return result;
  }

  close(): Promise<void> {
    const closed = this.#database.close();
    // lmdb-js would keep it, with its buffers, for as long as no other file of this name is opened.
    for (const [name, database] of allDbs) if (database === this.#database) allDbs.delete(name);
    return closed;
  }
}
