import type { Catalog } from "./index/catalog.ts";
import type { SharedState } from "./index/lock.ts";
import type { GroupLayout } from "./log/layout.ts";
import type { LogReader } from "./log/reader.ts";
import type { LogPosition } from "./log/segment.ts";

/** What the committer needs of the engine. */
export interface CommitHost {
  readonly catalog: Catalog;
  readonly reader: LogReader;
  /** The salt of the segment that is written to. */
  readonly salt: bigint;
  /** Every batch up to this one is known to be on the disk. */
  readonly durableSequence: number;
  readonly lockWaitMax: number;
  now(): number;
  /** Whether no other process has the store open, so that waiting for the lock can't take long. */
  isAlone(): boolean;
  holdSync<T>(action: () => T): T;
  hold<T>(action: () => T): Promise<T>;
  /** Names whoever may have the lock. */
  holder(): string;

  // Under the lock:
  /** @throws when the store can't be written to now, with the reason. */
  stateForWriting(): SharedState;
  catchUp(state: SharedState): LogPosition;
  append(layout: GroupLayout): void;
  /** The log and the index end at `end` now. */
  committed(state: SharedState, end: LogPosition): void;
  /** The group failed. Gives whether bytes of it may have reached the log. */
  abandoned(state: SharedState, start: LogPosition): boolean;

  // Not under the lock:
  syncLog(): Promise<void>;
  raiseDurable(sequence: number): void;
  syncFailed(): void;
}
