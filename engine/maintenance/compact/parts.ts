import type { CompactReport } from "../../api.ts";
import { VarveError } from "../../errors.ts";
import type { Catalog } from "../../index/catalog.ts";
import type { CompactorLease } from "../../index/lease.ts";
import type { LockEnvironment } from "../../index/lock.ts";
import type { SharedState } from "../../index/shared-state.ts";
import type { FileSystem } from "../../log/file.ts";
import type { LogProblem } from "../../log/scan.ts";
import type { LogIdentity } from "../../log/segment.ts";
import type { PaceOptions } from "../pace.ts";
import type { PackOptions } from "../pack.ts";

export interface CompactCoreOptions extends Omit<PaceOptions, "timeBudget"> {
  /** Only say what would go. */
  dryRun: boolean;
  /** Segments of which a smaller share is dead stay as they are. */
  deadShare: number;
  /** The operation up to which history is forgotten. */
  historyBefore?: number | undefined;
  /** For a dry run: digests, as text, of blobs that would be dead if what needs to be done before were done. */
  alsoDead?: ReadonlySet<string> | undefined;
  /** Keys that were deleted later, and whose history up to that operation is forgotten all the same. */
  forgotten?: readonly Uint8Array[] | undefined;
  /** Old and new files may lie side by side up to so many bytes at a time; default: what the disk has room for. */
  roundBytesMax?: number | undefined;
  /** For so long, in milliseconds, other readers of old files are waited for. */
  readersWaitMax?: number | undefined;
  /** The index is packed where at least this part of its file comes free by it; default: a fifth. */
  indexSparedPart?: number | undefined;
}

export interface CoreCompact extends Omit<CompactReport, "skipped"> {
  /** A place may be told more than once. */
  skipped: LogProblem[];
}

/** What compaction needs of the engine. */
export interface CompactParts {
  files: FileSystem;
  /** Of the home. */
  home: string;
  /** Of the log. */
  folder: string;
  identity: LogIdentity;
  segmentBytesMax: number;
  lockWaitMax: number;
  lock: LockEnvironment;
  catalog(): Catalog;
  /** Learns what others did, and goes over to the index that is in use. */
  follow(): Promise<void>;
  /** Everything that was written so far, by anybody, is on the disk and in the index. */
  settle(): Promise<void>;
  /** Under the lock: the state, with the catalog of its generation, which may be written to. */
  lockedState(): SharedState;
  /** Ends the newest segment, so that nobody writes to it any more. */
  seal(): Promise<void>;
  /** The bytes of a blob once more at the end of the log. */
  writeBlob(bytes: Buffer): Promise<void>;
  /** This process says that it reads with nothing from before the epoch in use, as far as that is so. */
  acknowledge(): Promise<void>;
  /** The index is made smaller, where it takes much more than its rows need. */
  packIndex(options: PackOptions): Promise<void>;
  /** The index is wrong: whoever has the lock next makes it anew. */
  suspectIndex(): Promise<void>;
  /** Something that is no failure of the call went wrong. */
  onTrouble(message: string): void;
  now(): number;
}

export type LeaseUser = Pick<CompactParts, "lock" | "lockWaitMax" | "lockedState">;

/** What the steps of one compaction share. */
export class CompactorLock {
  readonly #parts: LeaseUser;
  readonly #lease: CompactorLease;
  readonly #yields: boolean;

  private constructor(parts: LeaseUser, lease: CompactorLease, yields: boolean) {
    this.#parts = parts;
    this.#lease = lease;
    this.#yields = yields;
  }

  /**
   * @param yields who compacts may take it from this one
   * @throws CONFLICT when somebody else compacts
   */
  static async take(parts: LeaseUser, yields = false): Promise<CompactorLock> {
    const lease = await parts.lock.holdWithin(parts.lockWaitMax, () => parts.lock.takeCompactor(yields));
    return new CompactorLock(parts, lease, yields);
  }

  /** Runs a step under the lock, if nobody has taken the lease since. */
  async hold<T>(action: (state: SharedState) => T): Promise<T> {
    return this.#parts.lock.holdWithin(this.#parts.lockWaitMax, () => {
      if (!this.#lease.isOurs()) throw leaseLost();
      return action(this.#parts.lockedState());
    });
  }

  /** What a failure between steps is to be called: who lost the lease finds its files removed, and the disk is not to blame. */
  async explain(error: unknown): Promise<unknown> {
    if (error instanceof VarveError && error.code !== "IO") return error;
    const look = () => this.#lease.isOurs();
    const isOurs = await this.#parts.lock.holdWithin(this.#parts.lockWaitMax, look).catch(() => true);
    return isOurs ? error : leaseLost(error);
  }

  async release(): Promise<void> {
    const { lock, lockWaitMax } = this.#parts;
    const release = () => this.#lease.release();
    if (!this.#yields) return lock.hold(release).catch(() => {});
    // Who closes waits for this. One that is not given back is in nobody's way.
    await lock.holdWithin(lockWaitMax, release).catch(() => this.#lease.forget());
  }
}

function leaseLost(cause?: unknown): VarveError {
  return new VarveError("CONFLICT", "this process was silent for so long that another one compacts now", {
    cause,
    hint: "nothing is lost by it; compact again once that has ended",
  });
}

const STARTED_OVER = "the log was repaired or the index made anew meanwhile";

/** What was decided is void: it is to be decided again. */
export function startOver(): VarveError {
  return new VarveError("CONFLICT", STARTED_OVER, {
    hint: "nothing is lost by it; compact again",
    details: { startOver: true },
  });
}

export function isStartOver(error: unknown): boolean {
  return error instanceof VarveError && error.details?.startOver === true;
}
