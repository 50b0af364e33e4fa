import type { Catalog } from "../index/catalog.ts";
import type { LockEnvironment, SharedState } from "../index/lock.ts";

/** Where the index comes from and how it keeps up with other processes. */
export interface IndexSource {
  /** Absent for a store that nothing may be written to. */
  readonly lock: LockEnvironment | undefined;
  readonly state: SharedState;
  readonly catalog: Catalog;
  readonly indexFolder: string;
  /** Learns what other processes did. */
  refresh(): SharedState;
  /** Under the lock: the state, and the catalog switched to its generation. */
  stateUnderLock(): SharedState;
  /** Under the lock. */
  rebuild(): void;
  publishDurable(sequence: number): void;
  publishSyncFailed(): void;
  /** @param durableSequence what is known to be on the disk */
  close(durableSequence: number): Promise<void>;
}
