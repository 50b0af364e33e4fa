import { VarveError } from "./errors.ts";
import type { Families, FamilyOf } from "./families.ts";
import type { Catalog } from "./index/catalog.ts";
import type { LockEnvironment, SharedState } from "./index/lock.ts";
import { markUnclean } from "./index/mark.ts";
import type { IndexView } from "./index-view.ts";
import type { FileSystem } from "./log/file.ts";
import type { GroupLayout } from "./log/layout.ts";
import type { LogReader } from "./log/reader.ts";
import type { LogPosition } from "./log/segment.ts";
import { LogWriter } from "./log/writer.ts";
import { catchUp } from "./maintenance/catch-up.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import { logFolder } from "./maintenance/open.ts";

export interface EngineSettings {
  files: FileSystem;
  segmentBytesMax: number;
  lockWaitMax: number;
  minFreeSpace: number;
  familyOf: FamilyOf | undefined;
  now(): number;
}

/** How long the free space of the disk is taken to be what it was. */
const FREE_SPACE_MILLISECONDS = 250;

/** The end of the log as the committer meets it: the lock, the shared state, the segment that is written to. */
export class LogEnd {
  readonly reader: LogReader;
  readonly #folder: string;
  readonly #source: IndexSource;
  readonly #view: IndexView;
  readonly #settings: EngineSettings;
  readonly #writer: LogWriter;
  #freeBytes = Number.POSITIVE_INFINITY;
  #freeBytesAt = Number.NEGATIVE_INFINITY;

  constructor(
    folder: string,
    source: IndexSource,
    view: IndexView,
    reader: LogReader,
    settings: EngineSettings,
  ) {
    this.reader = reader;
    this.#folder = folder;
    this.#source = source;
    this.#view = view;
    this.#settings = settings;
    this.#writer = new LogWriter(settings.files, logFolder(folder), source.state.identity);
  }

  get catalog(): Catalog {
    return this.#view.catalog;
  }

  /** The salt of the segment that is written to. */
  get salt(): bigint {
    return this.#writer.salt;
  }

  get durableSequence(): number {
    return this.#view.durableSequence;
  }

  get lockWaitMax(): number {
    return this.#settings.lockWaitMax;
  }

  now(): number {
    return this.#settings.now();
  }

  /** @throws READ_ONLY when nothing may be written */
  get lock(): LockEnvironment {
    const { lock } = this.#source;
    if (lock) return lock;
    throw new VarveError("READ_ONLY", "the store was opened read-only", {
      hint: "open it without readOnly to change it",
    });
  }

  get families(): Families {
    return this.#view.families;
  }

  // Under the lock

  /** @throws when the store can't be written to now, with the reason */
  stateForWriting(): SharedState {
    const state = this.#source.stateUnderLock();
    this.#view.follow(state.tail.sequence, state.logEpoch);
    if (state.syncFailed) throw afterFailedSync();
    if (!state.indexUnclean) {
      markUnclean(this.#source.indexFolder);
      state.indexUnclean = true;
    }
    return state;
  }

  /** Where the next batch goes. */
  catchUp(state: SharedState): LogPosition {
    const { files, segmentBytesMax } = this.#settings;
    const { reader, catalog } = this;
    const parts = { files, folder: logFolder(this.#folder), reader, writer: this.#writer, catalog };
    const position = this.#noting(state, () => catchUp(parts, state, this.now()));
    // Batches of a process that died before it could tell were adopted: what was cached may be older.
    if (position.sequence !== state.tail.sequence) this.families.clear();
    if (position.offset < segmentBytesMax) return position;
    return this.#noting(state, () => this.#writer.roll(position, this.now()));
  }

  append(layout: GroupLayout): void {
    this.#writer.append(layout.pieces(), layout.start, layout.end);
  }

  /** The log and the index end at `end` now. */
  committed(state: SharedState, end: LogPosition): void {
    const durableSequence = Math.max(state.durableSequence, this.durableSequence);
    this.lock.setState({ ...state, tail: end, durableSequence, cutAtTail: false });
    this.#view.wrote(end.sequence);
  }

  /**
   * The group failed. Gives whether bytes of it may have reached the log.
   * @param foreign the bytes may be another writer's, who was told that they are safe
   */
  abandoned(state: SharedState, start: LogPosition, foreign: boolean): boolean {
    const written = this.#writer.segment === start.segment && this.#writer.size() > start.offset;
    // What was rolled or adopted on the way stays; bytes behind it must not be taken for a batch later.
    this.lock.setState({ ...state, tail: start, cutAtTail: written && !foreign });
    this.families.clear();
    return written && (foreign || !this.#cutAt(state, start));
  }

  /** Whether a new segment says now that the log ends at `start`: then it is certain that nothing of the group counts. */
  #cutAt(state: SharedState, start: LogPosition): boolean {
    try {
      const noted = { ...state, tail: start, cutAtTail: true };
      const tail = this.#noting(noted, () => this.#writer.roll(start, this.now()));
      this.lock.setState({ ...state, tail, cutAtTail: false });
      return true;
    } catch {
      // The disk may be full; the mark in the state is heeded until a segment can be made.
      return false;
    }
  }

  /** Tells everybody when a sync fails under `action`. */
  #noting<T>(state: SharedState, action: () => T): T {
    try {
      return action();
    } catch (error) {
      const syncFailed = error instanceof VarveError && error.outcome === "unknown";
      if (syncFailed) this.lock.setState({ ...state, syncFailed });
      throw error;
    }
  }

  // Not under the lock

  /** @throws also when a sync failed elsewhere: then this one may have found pages that only looked clean */
  async syncLog(): Promise<void> {
    await this.#writer.syncAsync();
    this.lock.refresh();
    if (this.lock.state()?.syncFailed) throw afterFailedSync();
  }

  raiseDurable(sequence: number): void {
    this.#view.raiseDurable(sequence);
    if (!this.lock.isAlone()) this.#source.publishDurable(this.durableSequence);
  }

  syncFailed(): void {
    this.#source.publishSyncFailed();
  }

  close(): void {
    this.#writer.close();
  }

  /** @throws NO_SPACE below `minFreeSpace` */
  checkFreeSpace(): void {
    const now = performance.now();
    if (now - this.#freeBytesAt > FREE_SPACE_MILLISECONDS) {
      this.#freeBytes = this.#settings.files.freeBytes(this.#folder);
      this.#freeBytesAt = now;
    }
    if (this.#freeBytes >= this.#settings.minFreeSpace) return;
    throw new VarveError("NO_SPACE", `only ${this.#freeBytes} bytes are free on the disk of the store`, {
      hint: `free some space: saves stop below ${this.#settings.minFreeSpace} bytes (minFreeSpace), before the disk is full`,
    });
  }
}

export function afterFailedSync(): VarveError {
  const message = "a sync of the log failed in a process that has the store open; nothing may be written now";
  return new VarveError("IO", message, {
    hint: "close all users of the store, check the disk, and open it again",
  });
}
