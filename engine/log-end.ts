import type { EngineSettings } from "./engine-settings.ts";
import { readOnlyError, VarveError } from "./errors.ts";
import type { BatchMark, Fate } from "./failed-sync.ts";
import { FailedSync } from "./failed-sync.ts";
import type { Families } from "./families.ts";
import { FreeSpace } from "./free-space.ts";
import type { Catalog } from "./index/catalog.ts";
import type { LockEnvironment } from "./index/lock.ts";
import { markUnclean } from "./index/mark.ts";
import type { SharedState } from "./index/shared-state.ts";
import type { IndexView } from "./index-view.ts";
import { SEGMENT_HEADER_BYTES } from "./log/format.ts";
import type { GroupLayout } from "./log/layout.ts";
import type { LogReader, OpenSegment } from "./log/reader.ts";
import { isRetired } from "./log/reader.ts";
import type { LogPosition } from "./log/segment.ts";
import { segmentGeneration, syncFailure } from "./log/segment.ts";
import { LogWriter } from "./log/writer.ts";
import { catchUp } from "./maintenance/catch-up.ts";
import { logFolder } from "./maintenance/home.ts";
import type { IndexSource } from "./maintenance/index-source.ts";

/** Where a group begins. */
export interface GroupStart {
  state: SharedState;
  position: LogPosition;
}

/** What became of the bytes of a group that failed: "gone" for sure, or maybe not, or not known while they are synced. */
export type Abandoned = "gone" | "open" | "syncing";

/** The end of the log as the committer meets it: the lock, the shared state, the segment that is written to. */
export class LogEnd {
  readonly reader: LogReader;
  readonly space: FreeSpace;
  /** The last batch of this process; 0: it has written nothing. */
  written = 0;
  readonly #folder: string;
  readonly #source: IndexSource;
  readonly #view: IndexView;
  readonly #settings: EngineSettings;
  readonly #writer: LogWriter;
  readonly #failedSync: FailedSync;

  constructor(
    folder: string,
    source: IndexSource,
    view: IndexView,
    reader: LogReader,
    settings: EngineSettings,
  ) {
    this.reader = reader;
    this.space = new FreeSpace(folder, settings);
    this.#folder = folder;
    this.#source = source;
    this.#view = view;
    this.#settings = settings;
    this.#writer = new LogWriter(settings.files, logFolder(folder), source.state.identity);
    this.#failedSync = new FailedSync(folder, source, view, reader, settings);
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
    throw readOnlyError();
  }

  get families(): Families {
    return this.#view.families;
  }

  // Under the lock

  /**
   * Where the next batch goes; or what to wait for before: what a failed sync left in doubt is to be written again, or
   * a sync of the segment that has to be ended is under way.
   */
  prepare(): GroupStart | "in doubt" | "syncing" {
    const state = this.#source.stateForWriting();
    this.#view.follow(state.tail.sequence, state.logEpoch);
    if (state.syncFailed) return "in doubt";
    if (this.#writer.isUnsettled && this.#mustRoll(state)) return "syncing";
    if (!state.indexUnclean) {
      markUnclean(this.#source.indexFolder);
      state.indexUnclean = true;
    }
    const position = this.#noting(state, () => this.#catchUp(state));
    return position ? { state, position } : "in doubt";
  }

  /** Damage was met in the index: whoever commits next makes it anew. */
  suspectIndex(): void {
    const state = this.lock.state();
    if (state) this.lock.setState({ ...state, indexSuspect: true });
    this.families.clear();
  }

  #mustRoll({ tail, cutAtTail }: SharedState): boolean {
    return (
      tail.segment === this.#writer.segment && (cutAtTail || tail.offset >= this.#settings.segmentBytesMax)
    );
  }

  #catchUp(state: SharedState): LogPosition {
    const { files, segmentBytesMax } = this.#settings;
    const { reader, catalog } = this;
    const parts = { files, folder: logFolder(this.#folder), reader, writer: this.#writer, catalog };
    const position = catchUp(parts, state, this.now());
    // Batches of a process that died before it could tell were adopted: what was cached may be older.
    if (position.sequence !== state.tail.sequence) this.families.clear();
    return position.offset < segmentBytesMax ? position : this.#writer.roll(position, this.now());
  }

  /** Ends the newest segment, unless it is empty: nobody writes to it any more. Else what to wait for before. */
  seal(): "sealed" | "in doubt" | "syncing" {
    const prepared = this.prepare();
    if (typeof prepared === "string") return prepared;
    const { state, position } = prepared;
    // What was adopted on the way must not be lost to the next one, whatever comes now.
    this.committed(state, position);
    if (position.offset === SEGMENT_HEADER_BYTES) return "sealed";
    if (this.#writer.isUnsettled) return "syncing";
    const noted = { ...state, tail: position, cutAtTail: false };
    const tail = this.#noting(noted, () => this.#writer.roll(position, this.now()));
    if (!tail) return "in doubt";
    // An index that names the segment as its position would keep it from being rewritten.
    this.catalog.transact(() => this.catalog.setApplied(tail));
    this.committed(noted, tail);
    return "sealed";
  }

  append(layout: GroupLayout): void {
    this.#writer.append(layout.pieces(), layout.start, layout.end);
  }

  /** The log and the index end at `end` now. */
  committed(state: SharedState, end: LogPosition): void {
    const durableSequence = Math.max(state.durableSequence, this.durableSequence);
    this.lock.setState({ ...state, tail: end, durableSequence, cutAtTail: false });
    this.#view.wrote(end.sequence);
    this.written = end.sequence;
  }

  /**
   * The group failed. Gives whether bytes of it may count, which can't be told while they are synced.
   * @param foreign the bytes may be another writer's, who was told that they are safe
   */
  abandoned(state: SharedState, start: LogPosition, foreign: boolean): Abandoned {
    const written = this.#writer.segment === start.segment && this.#writer.size() > start.offset;
    // What was rolled or adopted on the way stays; bytes behind it must not be taken for a batch later.
    this.lock.setState({ ...state, tail: start, cutAtTail: written && !foreign });
    this.families.clear();
    if (!written) return "gone";
    if (foreign) return "open";
    if (this.#writer.isUnsettled) return "syncing";
    return this.#cutAt(state, start) ? "gone" : "open";
  }

  /** As `abandoned`, once the sync has ended: the log goes on where the group began, for all who have gone on since. */
  cut(): Abandoned | "in doubt" {
    try {
      const prepared = this.prepare();
      if (typeof prepared === "string") return prepared;
      this.committed(prepared.state, prepared.position);
      return "gone";
    } catch {
      // The disk may be full; the mark in the state is heeded until a segment can be made.
      return "open";
    }
  }

  /** Whether a new segment says now that the log ends at `start`: then it is certain that nothing of the group counts. */
  #cutAt(state: SharedState, start: LogPosition): boolean {
    const noted = { ...state, tail: start, cutAtTail: true };
    try {
      const tail = this.#noting(noted, () => this.#writer.roll(start, this.now()));
      if (tail) this.lock.setState({ ...state, tail, cutAtTail: false });
      return tail !== undefined;
    } catch {
      // The disk may be full; the mark in the state is heeded until a segment can be made.
      return false;
    }
  }

  /** Undefined when a sync failed under `action`; that everybody is told. */
  #noting<T>(state: SharedState, action: () => T): T | undefined {
    try {
      return action();
    } catch (error) {
      if (!(error instanceof VarveError && error.outcome === "unknown")) throw error;
      this.lock.setState({ ...state, syncFailed: true });
      return undefined;
    }
  }

  // Not under the lock

  /** Set once this process can write nothing more. */
  get failure(): VarveError | undefined {
    return this.#failedSync.failure;
  }

  get losses(): number {
    return this.#failedSync.losses;
  }

  fateOf(batch: BatchMark): Fate {
    return this.#failedSync.fateOf(batch);
  }

  /** Writes again what a failed sync left in doubt. @throws as `FailedSync.recover` */
  recover(): Promise<void> {
    return this.#failedSync.recover();
  }

  /**
   * Makes the log durable up to `batch`, which this process wrote, and which may be set back meanwhile.
   * @throws with the outcome unknown
   */
  syncLog(batch: BatchMark): Promise<void> {
    return this.#confirm(batch, this.#writer.segment, () => this.#writer.syncAsync());
  }

  /** Makes the log durable up to `batch`, which lies in `segment`: earlier ones were synced before that got its name. */
  async syncSegment(batch: BatchMark, id: number): Promise<void> {
    const segment = this.#segmentToSync(id);
    if (!segment) return this.#confirm(batch, id, async () => {});
    segment.busy++;
    try {
      await this.#confirm(batch, id, () => segment.file.syncAsync());
    } finally {
      segment.busy--;
    }
  }

  /** Undefined for one that was rewritten, now or since: that was on the disk before it got its name. */
  #segmentToSync(id: number): OpenSegment | undefined {
    if (segmentGeneration(id) > 0) return undefined;
    try {
      return this.reader.segment(id);
    } catch (error) {
      if (isRetired(error)) return undefined;
      throw error;
    }
  }

  /** A sync proves nothing when another one failed, here or elsewhere: it may have found pages that only looked clean. */
  async #confirm(batch: BatchMark, segment: number, sync: () => Promise<void>): Promise<void> {
    if (this.failure) throw this.failure;
    try {
      await sync();
    } catch (error) {
      // Others learn of it by the mark, which a store that was opened read-only can't make.
      if (!this.#source.lock) throw syncFailure(error);
      return this.#failedSync.recover({ ...batch, segment });
    }
    const state = this.#source.sharedState();
    if (state.syncFailed) return this.#failedSync.recover();
    if (batch.losses === state.losses) this.raiseDurable(batch.sequence);
  }

  raiseDurable(sequence: number): void {
    this.#view.raiseDurable(sequence);
    if (this.#source.lock?.isAlone() === false) this.#source.publishDurable(this.durableSequence);
  }

  close(): void {
    this.#writer.close();
  }
}
