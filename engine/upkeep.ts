import type { Committer } from "./commit.ts";
import type { Durability } from "./durability.ts";
import type { EngineSettings } from "./engine-settings.ts";
import type { EpochWatch } from "./epoch-watch.ts";
import { fromSystemError } from "./errors.ts";
import { IdlePacking } from "./idle-packing.ts";
import type { Catalog } from "./index/catalog.ts";
import { markUnclean } from "./index/mark.ts";
import type { SharedState } from "./index/shared-state.ts";
import type { LogReader } from "./log/reader.ts";
import type { LogIdentity } from "./log/segment.ts";
import type { LogEnd } from "./log-end.ts";
import { compactLog } from "./maintenance/compact/compact-log.ts";
import type { CompactCoreOptions, CompactParts, CoreCompact } from "./maintenance/compact/parts.ts";
import { sequenceAt } from "./maintenance/compact/sequence.ts";
import { logFolder } from "./maintenance/home.ts";
import type { IndexSource } from "./maintenance/index-source.ts";
import type { CoreReport } from "./maintenance/verify/report.ts";
import type { VerifyCoreOptions } from "./maintenance/verify/verify-log.ts";
import { verifyLog } from "./maintenance/verify/verify-log.ts";
import type { CoreRepair, RepairCoreOptions } from "./repair-core.ts";
import { repairCore } from "./repair-core.ts";
import type { PreparedBlob } from "./transaction.ts";
import type { Work } from "./work.ts";

/** What it needs of the engine that it is a part of. */
export interface UpkeptCore {
  readonly folder: string;
  readonly reader: LogReader;
  readonly identity: LogIdentity;
  readonly catalog: Catalog;
  refresh(): void;
  holdEpoch(): () => void;
  prepareBlob(bytes: Uint8Array): PreparedBlob;
  commit<T>(work: Work<T>): Promise<T>;
}

export interface UpkeepParts {
  core: UpkeptCore;
  source: IndexSource;
  settings: EngineSettings;
  end: LogEnd;
  durability: Durability;
  committer: Committer;
  epochs: EpochWatch;
  /** As `refresh`, and over to another generation of the index where that is in use. */
  follow(): Promise<void>;
}

/** A batch without anything in it: everything before it is dealt with. */
const NOTHING = { run: () => undefined, bytes: 0, durable: true, reserve: true };

/** What changes log and index as a whole, while they are in use. */
export class Upkeep {
  readonly #parts: UpkeepParts;
  readonly #idlePacking: IdlePacking;

  constructor(parts: UpkeepParts) {
    this.#parts = parts;
    const { settings, source, end, durability, follow } = parts;
    this.#idlePacking = new IdlePacking({
      ...{ settings, source, end, follow },
      isSyncing: () => durability.isSyncing,
      lockedState: () => this.#lockedState(),
    });
  }

  /** Ends what goes on by itself. */
  stop(): Promise<void> {
    return this.#idlePacking.stop();
  }

  /** Reads the whole log and compares it with the index. */
  async verify(options: VerifyCoreOptions): Promise<CoreReport> {
    const { core, settings, follow } = this.#parts;
    await follow();
    const { identity, reader, catalog } = core;
    catalog.retain();
    const release = core.holdEpoch();
    try {
      const { files } = settings;
      return await verifyLog({ files, folder: logFolder(core.folder), identity, reader, catalog }, options);
    } catch (error) {
      throw fromSystemError(error, "reading the log");
    } finally {
      release();
      await catalog.release();
    }
  }

  /** Restores what is damaged from other copies. */
  async repair(options: RepairCoreOptions): Promise<CoreRepair> {
    const { core, source, settings, end, committer } = this.#parts;
    await this.#parts.follow();
    // What a failed sync has left in doubt is dealt with first, as before any commit.
    if (source.refresh().syncFailed) await core.commit(NOTHING);
    await committer.idle();
    const { reader, identity, folder } = core;
    const { files, lockWaitMax } = settings;
    const { lock } = end;
    return repairCore(
      {
        ...{ files, folder, identity, reader, lock, lockWaitMax },
        catalog: () => core.catalog,
        refresh: () => core.refresh(),
        now: () => end.now(),
        verify: (how) => this.verify(how),
        prepareBlob: (bytes) => core.prepareBlob(bytes),
        commit: (work) => core.commit(work),
        stateForWriting: () => source.stateForWriting(),
        indexFolder: () => source.indexFolder,
        rebuild: () => source.rebuild(),
      },
      options,
    );
  }

  /** Makes the index anew from the log and switches to it. */
  async rebuildIndex(): Promise<void> {
    const { source, settings, end, committer } = this.#parts;
    await committer.idle();
    await end.lock
      .holdWithin(settings.lockWaitMax, () => source.rebuild())
      .catch((error: unknown) => {
        throw fromSystemError(error, "making the index anew");
      });
    await this.#parts.follow();
  }

  /** Gives the space of what nothing needs any more back. */
  async compact(options: CompactCoreOptions): Promise<CoreCompact> {
    try {
      if (!options.dryRun) await this.#idlePacking.giveWay();
      return await compactLog(this.#compactParts(), options);
    } catch (error) {
      throw fromSystemError(error, "compacting the log", {
        hint: "nothing is lost by it; compact again once the cause is gone",
      });
    }
  }

  /** The last operation up to a moment, in milliseconds since 1970. */
  async sequenceAt(time: number, signal: AbortSignal | undefined): Promise<number> {
    const { core, settings } = this.#parts;
    const release = core.holdEpoch();
    try {
      const { identity, folder } = core;
      return await sequenceAt(settings.files, logFolder(folder), identity, time, signal);
    } catch (error) {
      throw fromSystemError(error, "reading the log");
    } finally {
      release();
    }
  }

  #compactParts(): CompactParts {
    const { core, source, settings, end, epochs } = this.#parts;
    const { files, segmentBytesMax, lockWaitMax, onTrouble } = settings;
    const { identity, folder: home } = core;
    return {
      ...{ files, home, folder: logFolder(home), identity, segmentBytesMax, lockWaitMax, onTrouble },
      // Not asked for before something is to be changed.
      get lock() {
        return end.lock;
      },
      catalog: () => source.catalog,
      follow: () => this.#parts.follow(),
      settle: () => core.commit(NOTHING),
      lockedState: () => this.#lockedState(),
      seal: () => this.#seal(),
      writeBlob: async (bytes) => {
        const blob = core.prepareBlob(bytes);
        const run = { bytes: bytes.length, durable: true, reserve: true };
        await core.commit({ ...run, run: (transaction) => transaction.writeBlob(blob) });
      },
      acknowledge: () => epochs.look(),
      packIndex: (how) => source.pack(how),
      suspectIndex: () => end.lock.holdWithin(lockWaitMax, () => end.suspectIndex()),
      now: () => end.now(),
    };
  }

  /** Under the lock, before rows of the index are changed. */
  #lockedState(): SharedState {
    const { source, end } = this.#parts;
    const known = source.stateUnderLock();
    const state = known.indexSuspect ? source.stateForWriting() : known;
    if (state.indexUnclean) return state;
    markUnclean(source.indexFolder);
    end.lock.setState({ ...state, indexUnclean: true });
    return { ...state, indexUnclean: true };
  }

  /** Ends the newest segment. */
  async #seal(): Promise<void> {
    const { settings, end, durability } = this.#parts;
    for (;;) {
      const sealed = await end.lock.holdWithin(settings.lockWaitMax, () => end.seal());
      if (sealed === "in doubt") await end.recover();
      else if (sealed === "syncing") await durability.quiet();
      else return;
    }
  }
}
