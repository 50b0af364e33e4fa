import type { Catalog } from "../index/catalog.ts";
import type { LockEnvironment } from "../index/lock.ts";
import type { SharedState } from "../index/shared-state.ts";
import type { PackOptions } from "./pack.ts";

/** Where the index comes from and how it keeps up with other processes. */
export interface IndexSource {
  /** Absent for a store that nothing may be written to. */
  readonly lock: LockEnvironment | undefined;
  /** Where this one is among the openers, which are waited for before files of the log go. */
  readonly registered: LockEnvironment | undefined;
  readonly state: SharedState;
  readonly catalog: Catalog;
  readonly indexFolder: string;
  /** Learns what other processes did. @throws damage of the index when another generation is in use now: see `heal` */
  refresh(): SharedState;
  /** What processes tell each other now, whatever index is in use. */
  sharedState(): SharedState;
  /** Under the lock: as `refresh`, and the catalog is that of the generation in use. */
  stateUnderLock(): SharedState;
  /** Under the lock, before a commit: the state, which the commit stores changed, with the catalog of its generation. */
  stateForWriting(): SharedState;
  /** Under the lock. */
  rebuild(): void;
  /** The index takes less room, where it has much more than its rows need: see `pack.ts`. */
  pack(options: PackOptions): Promise<void>;
  /** Goes over to the generation in use, waiting on this thread. Where that can't be, later calls tell. */
  followNow(): void;
  /** The same, waiting on another thread. */
  goOver(): Promise<void>;
  /** After damage was met in the index: goes over to a sound one. False where none can be had. */
  heal(): Promise<boolean>;
  /** Tells others what is on the disk. */
  publishDurable(sequence: number): void;
  /** @param durableSequence what is known to be on the disk */
  close(durableSequence: number): Promise<void>;
}
