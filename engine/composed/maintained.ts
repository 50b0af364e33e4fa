import type {
  BackupOptions,
  BackupReport,
  CallOptions,
  CompactOptions,
  CompactReport,
  PruneOptions,
  PrunePolicy,
  PruneReport,
  RepairOptions,
  RepairReport,
  StatsOptions,
  StoreStats,
  VerifyOptions,
  VerifyReport,
} from "../api.ts";
import { type BackendConfig, NO_BACKEND } from "../backend/config.ts";
import { BackendConnection } from "../backend/connection.ts";
import type { BackendParts } from "../backend/parts.ts";
import type { BackendVersions } from "../backend/versions.ts";
import { CallGuard } from "../call-guard.ts";
import { readOnlyError, VarveError } from "../errors.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import { Commits } from "./commits.ts";
import { type CompactedParts, compactParts, reportOf } from "./compact.ts";
import { pruneBlobs } from "./prune.ts";
import { repairBlobs } from "./repair.ts";
import type { OpenFolder } from "./repair-sources.ts";
import { composedStats } from "./stats.ts";
import { verifyBlobs } from "./verify.ts";

/** Bytes that no version needs are left alone for so long: a save may be under way that will. */
const GRACE_MILLISECONDS = 3_600_000;

export interface MaintenanceSettings {
  metadata: MetadataStore;
  blobs: BlobStore;
  readOnly: boolean;
  clock?: (() => Date) | undefined;
  graceMilliseconds?: number | undefined;
  /** How `repair` opens the folders of other stores, to read. */
  openFolder: OpenFolder;
  /** What keeps models instead of the store. */
  backend?: BackendConfig | undefined;
}

/** What is done to a store as a whole: space, integrity. */
export abstract class MaintainedComposedStore {
  readonly readOnly: boolean;
  readonly metadata: MetadataStore;
  readonly blobs: BlobStore;
  protected readonly calls = new CallGuard("store");
  protected readonly commits: Commits;
  /** Versions that a backend keeps. */
  protected abstract readonly kept: BackendVersions;
  readonly #graceMilliseconds: number;
  readonly #openFolder: OpenFolder;
  readonly #now: () => number;

  constructor(settings: MaintenanceSettings) {
    this.readOnly = settings.readOnly;
    this.metadata = settings.metadata;
    this.blobs = settings.blobs;
    this.#graceMilliseconds = settings.graceMilliseconds ?? GRACE_MILLISECONDS;
    this.#openFolder = settings.openFolder;
    this.#now = () => (settings.clock?.() ?? new Date()).getTime();
    this.commits = new Commits(this.metadata, this.#now, this.#graceMilliseconds);
  }

  /**
   * What `StoreStats` says of the log is said of the place for values, as far as that knows: there are no segments.
   * `indexBytes` is what the database takes.
   */
  stats(options?: StatsOptions): Promise<StoreStats> {
    return this.calls.read(options, () => composedStats(this.metadata, this.blobs, options));
  }

  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return this.calls.read(options, async () =>
      this.kept.verified(await verifyBlobs(this.metadata, this.blobs, options), options),
    );
  }

  /** What `PruneReport` and the policy's `maxSize` say of the log, they say of all blobs together. */
  prune(policy: PrunePolicy, options: PruneOptions = {}): Promise<PruneReport> {
    const { metadata, blobs, commits } = this;
    const parts = { metadata, blobs, commits, now: this.#now };
    return this.#change(options, () =>
      pruneBlobs({ ...parts, compact: async (call) => (await this.#compact(call)).values }, policy, options),
    );
  }

  /** Bytes that were put less than the grace time ago stay, and are among `waitingBytes`. */
  compact(options: CompactOptions = {}): Promise<CompactReport> {
    return this.#change(options, async () => reportOf(await this.#compact(options)));
  }

  repair(options: RepairOptions = {}): Promise<RepairReport> {
    const { metadata, blobs } = this;
    const openFolder = this.#openFolder;
    return this.#maintain(options, async () =>
      this.kept.repaired(await repairBlobs({ metadata, blobs, openFolder }, options), openFolder, options),
    );
  }

  backup(_folder: string, options: BackupOptions = {}): Promise<BackupReport> {
    return this.calls.read(options, async () => {
      throw new VarveError(
        "NOT_SUPPORTED",
        "a backup is one of a store that is in its home folder as a whole",
        {
          hint: `back the database up by its own means first, then copy ${this.blobs.location}`,
        },
      );
    });
  }

  rebuildIndex(options?: CallOptions): Promise<void> {
    return this.calls.run(options, async () => {
      throw new VarveError(
        "NOT_SUPPORTED",
        `there is no index to rebuild: metadata is in ${this.metadata.location}`,
        {
          hint: "`varve verify` says what is damaged, `varve repair` restores values from other stores",
        },
      );
    });
  }

  /** What of a store its versions in a backend need. */
  protected keptParts(config = NO_BACKEND): Omit<BackendParts, "codecs" | "commit" | "environment"> {
    return {
      connection: new BackendConnection(config),
      metadata: () => this.metadata,
      mayHave: () => true,
      calls: this.calls,
      checkWritable: () => this.checkWritable(),
      now: this.#now,
    };
  }

  #compact(options: CompactOptions): Promise<CompactedParts> {
    const { metadata, blobs } = this;
    return compactParts({ metadata, blobs, graceMilliseconds: this.#graceMilliseconds }, options);
  }

  /** A dry run is a call that only reads. */
  #change<T>(options: CallOptions & { dryRun?: boolean }, action: () => Promise<T>): Promise<T> {
    return options.dryRun ? this.calls.read(options, action) : this.#maintain(options, action);
  }

  #maintain<T>(options: CallOptions | undefined, action: () => Promise<T>): Promise<T> {
    return this.calls.run(options, async () => {
      this.checkWritable();
      return action();
    });
  }

  /** @throws READ_ONLY */
  protected checkWritable(): void {
    if (this.readOnly) throw readOnlyError();
  }
}
