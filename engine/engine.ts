import { contentDigest } from "./blob/digest.ts";
import type { Work } from "./commit.ts";
import { Committer } from "./commit.ts";
import type { CommitHost } from "./commit-host.ts";
import { VarveError } from "./errors.ts";
import type { Catalog } from "./index/catalog.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import type { LockEnvironment, SharedState } from "./index/lock.ts";
import { markUnclean } from "./index/mark.ts";
import type { Row } from "./index/rows.ts";
import { checksum } from "./log/checksum.ts";
import type { FileSystem } from "./log/file.ts";
import { DIGEST_BYTES, RecordKind } from "./log/format.ts";
import type { GroupLayout } from "./log/layout.ts";
import type { RecordPlace } from "./log/reader.ts";
import { LogReader } from "./log/reader.ts";
import type { LogPosition } from "./log/segment.ts";
import { LogWriter } from "./log/writer.ts";
import { catchUp } from "./maintenance/catch-up.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import { logFolder } from "./maintenance/open.ts";
import type { SpaceStats } from "./maintenance/space.ts";
import { spaceStats } from "./maintenance/space.ts";
import type { CoreReport, VerifyCoreOptions } from "./maintenance/verify.ts";
import { verifyLog } from "./maintenance/verify.ts";
import { EngineSnapshot } from "./snapshot.ts";
import type { PreparedBlob, PreparedPayload } from "./transaction.ts";
import { preparePayload } from "./transaction.ts";

export interface EngineSettings {
  files: FileSystem;
  segmentBytesMax: number;
  lockWaitMax: number;
  minFreeSpace: number;
  now(): number;
}

/** Within one burst of reads that never gives the event loop a turn, others' commits are seen after this long. */
const FRESH_MILLISECONDS = 10;
/** How long the free space of the disk is taken to be what it was. */
const FREE_SPACE_MILLISECONDS = 250;

/**
 * The ordered key-value core on log and index. Keys are bytes, of which the first is at least `APPLICATION_SPACE`;
 * values are a content and references to blobs. It knows nothing of artifacts.
 */
export class EngineCore implements CommitHost {
  readonly folder: string;
  readonly reader: LogReader;
  readonly identity: SharedState["identity"];
  readonly #settings: EngineSettings;
  readonly #source: IndexSource;
  readonly #writer: LogWriter | undefined;
  readonly #committer: Committer;
  #catalog: Catalog;
  #durableSequence: number;
  #tailSequence = 0;
  #freshInTurn = false;
  #freshAt = 0;
  #freeBytes = Number.POSITIVE_INFINITY;
  #freeBytesAt = Number.NEGATIVE_INFINITY;

  constructor(folder: string, source: IndexSource, settings: EngineSettings) {
    this.folder = folder;
    this.identity = source.state.identity;
    this.#source = source;
    this.#settings = settings;
    this.#catalog = source.catalog;
    this.#durableSequence = source.state.durableSequence;
    this.reader = new LogReader(settings.files, logFolder(folder), this.identity);
    this.#writer = source.lock && new LogWriter(settings.files, logFolder(folder), this.identity);
    this.#committer = new Committer(this);
  }

  // Reading

  /** The row under `key`, as fresh as the rules of `api.md` promise. */
  row(key: Uint8Array): Row | undefined {
    this.#freshen();
    const row = this.#catalog.row(key);
    if (row) return row;
    this.refresh();
    return this.#catalog.row(key);
  }

  /** The first row of a range. */
  first(range: EnvironmentRange): { key: Buffer; row: Row } | undefined {
    this.#freshen();
    const found = this.#firstNow(range);
    if (found) return found;
    this.refresh();
    return this.#firstNow(range);
  }

  /** A small range at once. */
  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    this.#freshen();
    return [...this.#catalog.rows(range)];
  }

  /** A state of all rows at one sequence, to be closed. */
  snapshot(): EngineSnapshot {
    this.refresh();
    return new EngineSnapshot(this.#catalog);
  }

  /**
   * Nothing that a power cut could take back is given out: undefined when `row` is on the disk, else a promise that
   * resolves when it is.
   */
  settle(row: { sequence: number; place: RecordPlace }): Promise<void> | undefined {
    if (row.sequence <= this.#durableSequence) return undefined;
    return this.#settleSlow(row);
  }

  /** The content of a row, behind its references. */
  content(key: Uint8Array, row: Row): Buffer | Promise<Buffer> {
    if (row.inline) return row.inline;
    const skip = row.references.length * DIGEST_BYTES;
    const payload = this.reader.read(row.place, RecordKind.put, key);
    return payload instanceof Promise
      ? payload.then((bytes) => bytes.subarray(skip))
      : payload.subarray(skip);
  }

  /** The bytes of the first blob that a row refers to. */
  blob(row: Row): Buffer | Promise<Buffer> {
    return this.reader.read(row.blob!, RecordKind.blob, row.references[0]!);
  }

  /** @throws CORRUPTION when there is no such blob. */
  blobByDigest(digest: Buffer): Buffer | Promise<Buffer> {
    const known = this.#catalog.blob(digest);
    if (known) return this.reader.read(known.place, RecordKind.blob, digest);
    throw new VarveError(
      "CORRUPTION",
      `the blob sha256:${digest.toString("hex")} is missing from the index`,
      {
        hint: "rebuild the index from the log: `varve rebuild`",
      },
    );
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    this.#catalog.refresh();
    const state = this.#source.refresh();
    this.#durableSequence = Math.max(this.#durableSequence, state.durableSequence);
    this.#tailSequence = state.tail.sequence;
    if (this.#source.catalog !== this.#catalog) this.#catalog = this.#source.catalog;
    this.#freshAt = performance.now();
    if (this.#freshInTurn) return;
    this.#freshInTurn = true;
    setImmediate(() => {
      this.#freshInTurn = false;
    });
  }

  /** The newest operation that this process knows of. */
  get sequence(): number {
    return this.#tailSequence;
  }

  // Writing

  /** Makes bytes ready to be put as a blob: takes their digest and checksum now. */
  prepareBlob(bytes: Uint8Array): PreparedBlob {
    return { digest: contentDigest(bytes), bytes, salt: this.salt, checksum: checksum(bytes, this.salt) };
  }

  preparePayload(references: Buffer[], content: Uint8Array): PreparedPayload {
    return preparePayload(references, content, this.salt);
  }

  /** Runs `work` as one batch, and resolves with its result when that is as durable as the work asks. */
  commit<T>(work: Work<T>): Promise<T> {
    return this.#committer.submit(work);
  }

  /** Blobs in the index, and what log and index take on the disk. */
  async spaceStats(): Promise<SpaceStats> {
    return spaceStats(this.#settings.files, this.folder, this.#source);
  }

  /** Reads the whole log and compares it with the index. */
  async verify(options: VerifyCoreOptions): Promise<CoreReport> {
    await this.#committer.idle();
    const parts = {
      files: this.#settings.files,
      folder: logFolder(this.folder),
      reader: this.reader,
      catalog: this.#catalog,
    };
    return verifyLog(parts, options);
  }

  /** Makes the index anew from the log and switches to it. */
  async rebuildIndex(): Promise<void> {
    await this.#committer.idle();
    await this.hold(() => this.#source.rebuild());
    this.refresh();
  }

  /** Waits for running commits and lets go of everything. */
  async close(): Promise<void> {
    try {
      await this.#committer.idle();
    } finally {
      await this.#source.close(this.#durableSequence);
      this.#writer?.close();
      this.reader.close();
    }
  }

  // What the committer needs

  get salt(): bigint {
    return this.#writer?.salt ?? 0n;
  }

  get durableSequence(): number {
    return this.#durableSequence;
  }

  get lockWaitMax(): number {
    return this.#settings.lockWaitMax;
  }

  now(): number {
    return this.#settings.now();
  }

  isAlone(): boolean {
    return this.#lock.others() === 0;
  }

  holdSync<T>(action: () => T): T {
    return this.#lock.holdSync(action);
  }

  hold<T>(action: () => T): Promise<T> {
    return this.#lock.hold(action);
  }

  holder(): string {
    return this.#lock.holder();
  }

  stateForWriting(): SharedState {
    this.#checkFreeSpace();
    const state = this.#source.stateUnderLock();
    this.#catalog = this.#source.catalog;
    if (state.syncFailed) {
      throw new VarveError(
        "IO",
        "a sync of the log failed in a process that has the store open; nothing may be written now",
        {
          hint: "close all users of the store, check the disk, and open it again",
        },
      );
    }
    if (!state.indexUnclean) {
      markUnclean(this.#source.indexFolder);
      state.indexUnclean = true;
    }
    return state;
  }

  catchUp(state: SharedState): LogPosition {
    const writer = this.#writer!;
    const parts = {
      files: this.#settings.files,
      folder: logFolder(this.folder),
      reader: this.reader,
      writer,
      catalog: this.#catalog,
    };
    const position = catchUp(parts, state, this.now());
    if (position.offset < this.#settings.segmentBytesMax) return position;
    return writer.roll(position, this.now());
  }

  append(layout: GroupLayout): void {
    this.#writer!.append(layout.pieces(), layout.start, layout.end);
  }

  committed(state: SharedState, end: LogPosition): void {
    const durableSequence = Math.max(state.durableSequence, this.#durableSequence);
    this.#lock.setState({ ...state, tail: end, durableSequence, cutAtTail: false });
    this.#tailSequence = end.sequence;
  }

  abandoned(state: SharedState, start: LogPosition): boolean {
    const written = this.#writer!.segment === start.segment && this.#writer!.size() > start.offset;
    // What was rolled or adopted on the way stays; bytes behind it must not be taken for a batch later.
    this.#lock.setState({ ...state, tail: start, cutAtTail: written });
    return written;
  }

  syncLog(): Promise<void> {
    return this.#writer!.syncAsync();
  }

  raiseDurable(sequence: number): void {
    this.#durableSequence = Math.max(this.#durableSequence, sequence);
    if (this.#lock.others() > 0) this.#source.publishDurable(this.#durableSequence);
  }

  syncFailed(): void {
    this.#source.publishSyncFailed();
  }

  get #lock(): LockEnvironment {
    const { lock } = this.#source;
    if (lock) return lock;
    throw new VarveError("READ_ONLY", "the store was opened read-only", {
      hint: "open it without readOnly to change it",
    });
  }

  #firstNow(range: EnvironmentRange): { key: Buffer; row: Row } | undefined {
    for (const found of this.#catalog.rows({ ...range, limit: 1 })) return found;
    return undefined;
  }

  #freshen(): void {
    if (!this.#freshInTurn || performance.now() - this.#freshAt > FRESH_MILLISECONDS) this.refresh();
  }

  async #settleSlow(row: { sequence: number; place: RecordPlace }): Promise<void> {
    this.refresh();
    if (row.sequence <= this.#durableSequence) return;
    const own = this.#committer.durable(row.sequence);
    if (own) return own;
    // Every older segment was synced before this one got its name, so this covers all earlier batches too.
    await this.reader.segment(row.place.segment).file.syncAsync();
    this.#durableSequence = Math.max(this.#durableSequence, row.sequence);
  }

  #checkFreeSpace(): void {
    const now = performance.now();
    if (now - this.#freeBytesAt > FREE_SPACE_MILLISECONDS) {
      this.#freeBytes = this.#settings.files.freeBytes(this.folder);
      this.#freeBytesAt = now;
    }
    if (this.#freeBytes >= this.#settings.minFreeSpace) return;
    throw new VarveError("NO_SPACE", `only ${this.#freeBytes} bytes are free on the disk of the store`, {
      hint: `free some space: saves stop below ${this.#settings.minFreeSpace} bytes (minFreeSpace), before the disk is full`,
    });
  }
}
