import { readOnlyError } from "../errors.ts";
import type { Catalog } from "../index/catalog.ts";
import type { LockEnvironment } from "../index/lock.ts";
import type { SharedState } from "../index/shared-state.ts";
import type { IndexSource } from "./index-source.ts";

/** What is the same for every index of a store that nothing may be written to. */
export abstract class ReadOnlySource implements IndexSource {
  readonly lock = undefined;

  abstract get registered(): LockEnvironment | undefined;
  abstract get state(): SharedState;
  abstract get catalog(): Catalog;
  abstract get indexFolder(): string;
  abstract refresh(): SharedState;
  abstract sharedState(): SharedState;
  abstract goOver(): Promise<void>;
  abstract heal(): Promise<boolean>;
  abstract close(): Promise<void>;

  stateUnderLock(): SharedState {
    throw readOnlyError();
  }

  stateForWriting(): SharedState {
    throw readOnlyError();
  }

  rebuild(): void {
    throw readOnlyError();
  }

  async pack(): Promise<void> {}

  followNow(): void {}

  publishDurable(): void {}
}
