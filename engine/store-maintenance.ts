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
} from "./api.ts";
import type { BackendVersions } from "./backend/versions.ts";
import { backupStore } from "./backup.ts";
import { CallGuard } from "./call-guard.ts";
import { compactStore } from "./compact.ts";
import type { OpenFolder } from "./composed/repair-sources.ts";
import type { EngineCore } from "./engine.ts";
import { readOnlyError } from "./errors.ts";
import { pruneStore } from "./prune.ts";
import { repairStore } from "./repair.ts";
import { storeStats } from "./stats.ts";
import { verifyStore } from "./verify.ts";

/** What is done to a store as a whole: space, integrity, copies. */
export abstract class MaintainedStore {
  readonly readOnly: boolean;
  protected readonly core: EngineCore;
  protected readonly durable: boolean;
  protected readonly calls: CallGuard;
  /** Versions that a backend keeps. */
  protected abstract readonly kept: BackendVersions;
  /** How `repair` opens the folders of other stores, where they are asked for such versions. */
  protected abstract readonly openFolder: OpenFolder;

  constructor(core: EngineCore, { readOnly, durable }: { readOnly: boolean; durable: boolean }) {
    this.readOnly = readOnly;
    this.core = core;
    this.durable = durable;
    this.calls = new CallGuard("store", () => core.heal());
  }

  stats(options?: StatsOptions): Promise<StoreStats> {
    return this.calls.read(options, () => storeStats(this.core, options));
  }

  verify(options: VerifyOptions = {}): Promise<VerifyReport> {
    return this.calls.read(options, async () =>
      this.kept.verified(await verifyStore(this.core, options), options),
    );
  }

  prune(policy: PrunePolicy, options: PruneOptions = {}): Promise<PruneReport> {
    return this.#change(options, () => pruneStore(this.core, policy, options, this.durable));
  }

  compact(options: CompactOptions = {}): Promise<CompactReport> {
    return this.#change(options, () => compactStore(this.core, options, this.durable));
  }

  backup(folder: string, options: BackupOptions = {}): Promise<BackupReport> {
    return this.calls.read(options, () => backupStore(this.core, folder, options, this.readOnly));
  }

  repair(options: RepairOptions = {}): Promise<RepairReport> {
    return this.#maintain(options, async () =>
      this.kept.repaired(await repairStore(this.core, options), this.openFolder, options),
    );
  }

  rebuildIndex(options?: CallOptions): Promise<void> {
    return this.#maintain(options, () => this.core.rebuildIndex());
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
