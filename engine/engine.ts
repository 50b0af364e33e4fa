import { contentDigest } from "./blob/digest.ts";
import { BlobReader } from "./blob-reader.ts";
import { Committer } from "./commit.ts";
import { ContentReader } from "./content-reader.ts";
import { Durability } from "./durability.ts";
import type { EngineSettings } from "./engine-settings.ts";
import { EpochWatch } from "./epoch-watch.ts";
import { fromSystemError } from "./errors.ts";
import type { Catalog } from "./index/catalog.ts";
import { isIndexReplaced } from "./index/damage.ts";
import type { EnvironmentRange, FirstOf } from "./index/lmdb.ts";
import type { LockEnvironment } from "./index/lock.ts";
import type { BlobRow, Row } from "./index/rows.ts";
import type { SharedState } from "./index/shared-state.ts";
import { IndexView } from "./index-view.ts";
import { checksum } from "./log/checksum.ts";
import type { RecordPlace } from "./log/reader.ts";
import { isRetired, LogReader } from "./log/reader.ts";
import { LogEnd } from "./log-end.ts";
import type { CompactCoreOptions, CoreCompact } from "./maintenance/compact/parts.ts";
import { logFolder } from "./maintenance/home.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import type { FileSpace } from "./maintenance/space.ts";
import { fileSpace } from "./maintenance/space.ts";
import type { CoreReport } from "./maintenance/verify/report.ts";
import type { VerifyCoreOptions } from "./maintenance/verify/verify-log.ts";
import type { Use } from "./read-cache.ts";
import type { CoreRepair, RepairCoreOptions } from "./repair-core.ts";
import type { EngineSnapshot } from "./snapshot.ts";
import type { PreparedBlob, PreparedPayload } from "./transaction.ts";
import { preparePayload } from "./transaction.ts";
import { Upkeep } from "./upkeep.ts";
import type { Work } from "./work.ts";

/** Others may make one index after the other. */
const FOLLOWS_MAX = 100;

/**
 * The ordered key-value core on log and index. Keys are bytes, of which the first is at least `APPLICATION_SPACE`;
 * values are a content and references to blobs. It knows nothing of artifacts.
 */
export class EngineCore {
  readonly folder: string;
  readonly reader: LogReader;
  readonly identity: SharedState["identity"];
  readonly settings: EngineSettings;
  readonly #source: IndexSource;
  readonly #view: IndexView;
  readonly #contents: ContentReader;
  readonly #blobs: BlobReader;
  readonly #epochs: EpochWatch;
  readonly #end: LogEnd;
  readonly #durability: Durability;
  readonly #committer: Committer;
  readonly #upkeep: Upkeep;

  constructor(folder: string, source: IndexSource, settings: EngineSettings) {
    this.folder = folder;
    this.identity = source.state.identity;
    this.#source = source;
    this.settings = settings;
    this.reader = new LogReader(settings.files, logFolder(folder), this.identity);
    this.#view = new IndexView(source, this.reader, settings.familyOf);
    this.#contents = new ContentReader(this.reader, this.#view, settings.cache);
    this.#blobs = new BlobReader(this.reader, this.#view, settings.cache);
    this.#epochs = new EpochWatch(source, this.#view);
    this.#end = new LogEnd(folder, source, this.#view, this.reader, settings);
    this.#durability = new Durability(this.#end);
    this.#committer = new Committer(this.#end, this.#durability);
    this.#upkeep = new Upkeep({
      ...{ core: this, source, settings, end: this.#end, durability: this.#durability },
      ...{ committer: this.#committer, epochs: this.#epochs, follow: () => this.#follow() },
    });
  }

  // Reading

  /** The row under `key`, as fresh as the rules of `api.md` promise. */
  row(key: Uint8Array): Row | undefined {
    return this.#view.row(key);
  }

  /** The first row of a range. */
  first(range: FirstOf): { key: Buffer; row: Row } | undefined {
    return this.#view.first(range);
  }

  /** The first row of a family of keys; a family asked for lately is not looked up again. */
  firstOf(family: string, range: () => FirstOf): { key: Buffer; row: Row } | undefined {
    return this.#view.firstOf(family, range);
  }

  /** The same only where it was asked for lately. */
  knownFirst(family: string): { key: Buffer; row: Row } | undefined {
    return this.#view.knownFirst(family);
  }

  /** The row of a family of one key, which is made only where it was not asked for lately. */
  rowOf(family: string, keyOf: (family: string) => Buffer): { key: Buffer; row: Row } | undefined {
    return this.#view.rowOf(family, keyOf);
  }

  /** A small range at once. */
  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    return this.#view.rows(range);
  }

  /** A state of all rows at one sequence, to be closed. */
  snapshot(): EngineSnapshot {
    return this.#view.snapshot();
  }

  /** Later reads see what other processes have committed. */
  refresh(): void {
    this.#view.refresh();
  }

  /** All files of the log that are in effect stay where they are until the release, which is to be called once. */
  holdEpoch(): () => void {
    return this.#view.holdEpoch();
  }

  /**
   * Nothing that a power cut could take back is given out: undefined when `row` is on the disk, else a promise that
   * resolves when it is.
   */
  settle(row: { sequence: number; place: RecordPlace }): Promise<void> | undefined {
    return row.sequence <= this.#view.durableSequence ? undefined : this.#settleSlow(row);
  }

  /** The content of a row, behind its references. */
  content(key: Uint8Array, row: Row): Buffer | Promise<Buffer> {
    return this.#contents.of(key, row);
  }

  /**
   * What `decode` makes of the content of a row without references that a power cut can't take back; it is to keep no
   * view of it.
   */
  decodedContent<T>(key: Uint8Array, row: Row, decode: Use<T>): T | Promise<T> {
    return this.#contents.decoded(key, row, decode);
  }

  /** The bytes of the first blob that a row refers to. */
  blob(row: Row): Buffer | Promise<Buffer> {
    return this.#blobs.of(row);
  }

  /** What `decode` makes of the same; it is to keep no view of it. */
  decodedBlob<T>(row: Row, decode: Use<T>): T | Promise<T> {
    return this.#blobs.decoded(row, decode);
  }

  /** @throws CORRUPTION when there is no such blob; see `BlobReader` */
  blobByDigest(digest: Buffer, before?: RecordPlace): Buffer | Promise<Buffer> {
    return this.#blobs.byDigest(digest, before);
  }

  /** A blob of the log that nobody is about to drop. */
  blobRow(digest: Buffer): BlobRow | undefined {
    return this.catalog.blob(digest);
  }

  /** How many rows need a blob, whether the log has it or not. */
  referencesTo(digest: Buffer): number {
    return this.catalog.blobRows.known(digest)?.referenceCount ?? 0;
  }

  /** Who else has the store open; absent for a store that nothing may be written to. */
  get lock(): LockEnvironment | undefined {
    return this.#source.lock;
  }

  get catalog(): Catalog {
    return this.#view.catalog;
  }

  /** What processes tell each other now. */
  sharedState(): SharedState {
    return this.#source.sharedState();
  }

  // Writing

  get salt(): bigint {
    return this.#end.salt;
  }

  /** Makes bytes ready to be put as a blob: takes their digest and checksum now. */
  prepareBlob(bytes: Uint8Array): PreparedBlob {
    return { digest: contentDigest(bytes), bytes, salt: this.salt, checksum: checksum(bytes, this.salt) };
  }

  preparePayload(references: Buffer[], content: Uint8Array): PreparedPayload {
    return preparePayload(references, content, this.salt);
  }

  /** Runs `work` as one batch, and resolves with what it tells of its result when that is as durable as the work asks. */
  commit<T, R = T>(work: Work<T, R>): Promise<R> {
    return this.#committer.submit(work);
  }

  // Maintenance

  /** Milliseconds since 1970. */
  now(): number {
    return this.settings.now();
  }

  /** What log and index take on the disk. */
  fileSpace(): FileSpace {
    try {
      return fileSpace(this.settings.files, this.folder, this.identity, this.#source.indexFolder);
    } catch (error) {
      throw fromSystemError(error, "looking at the files of the store");
    }
  }

  /** Reads the whole log and compares it with the index. */
  verify(options: VerifyCoreOptions): Promise<CoreReport> {
    return this.#upkeep.verify(options);
  }

  /** Restores what is damaged from other copies. */
  repair(options: RepairCoreOptions): Promise<CoreRepair> {
    return this.#upkeep.repair(options);
  }

  /** Gives the space of what nothing needs any more back. */
  compact(options: CompactCoreOptions): Promise<CoreCompact> {
    return this.#upkeep.compact(options);
  }

  /** The last operation up to a moment, in milliseconds since 1970. */
  sequenceAt(time: number, signal?: AbortSignal): Promise<number> {
    return this.#upkeep.sequenceAt(time, signal);
  }

  /** Makes the index anew from the log and switches to it. */
  rebuildIndex(): Promise<void> {
    return this.#upkeep.rebuildIndex();
  }

  /** As `refresh`, and over to another generation of the index where that is in use. */
  #follow(): Promise<void> {
    return this.reading(() => this.refresh());
  }

  /** Runs what only reads, again where another process has put a new index in the place of the one that is read. */
  async reading<T>(action: () => T | Promise<T>): Promise<T> {
    for (let tries = 0; ; tries++) {
      try {
        return await action();
      } catch (error) {
        if (!isIndexReplaced(error) || tries === FOLLOWS_MAX) throw error;
        await this.#source.heal();
      }
    }
  }

  /** After damage was met in the index: goes over to a sound one. False where none can be had. */
  async heal(): Promise<boolean> {
    if (!(await this.#source.heal())) return false;
    try {
      this.refresh();
    } catch (error) {
      // Again: who asked for this tries again, and will meet it.
      if (!isIndexReplaced(error)) throw error;
    }
    return true;
  }

  /** Waits for running commits and lets go of everything. */
  async close(): Promise<void> {
    this.#epochs.stop();
    await this.#upkeep.stop();
    try {
      await this.#committer.idle();
    } finally {
      await this.#view.close();
      await this.#source.close(this.#view.durableSequence);
      this.#end.close();
      this.reader.close();
    }
  }

  #settleSlow({ sequence, place }: { sequence: number; place: RecordPlace }): Promise<void> | undefined {
    // Read before what is durable: a row that was lost in the meantime must not pass for the next one of its number.
    const batch = { sequence, losses: this.#end.losses };
    // Not by a refresh: a listing goes on in the index that it began with, whatever index is in use by now.
    this.#view.raiseDurable(this.#source.sharedState().durableSequence);
    if (this.#end.fateOf(batch) === "durable") return undefined;
    return this.#durability.settle(batch, place.segment).catch((error: unknown) => {
      // What was moved is on the disk: only then it got its name.
      if (!isRetired(error)) throw error;
    });
  }
}
