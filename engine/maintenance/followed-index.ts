import { VarveError } from "../errors.ts";
import type { Catalog } from "../index/catalog.ts";
import { indexReplaced } from "../index/damage.ts";
import type { LockEnvironment } from "../index/lock.ts";
import type { SharedState } from "../index/shared-state.ts";
import { openGeneration } from "./generation.ts";
import type { Home } from "./home.ts";
import { indexFolder } from "./home.ts";
import { PrivateIndex } from "./private-index.ts";
import { ReadOnlySource } from "./read-only-source.ts";

/** The index inside the home, followed but never written, and without a word to those who write. */
export class FollowedIndex extends ReadOnlySource {
  readonly #home: Home;
  readonly #lock: LockEnvironment;
  readonly #lockWaitMax: number;
  #catalog: Catalog;
  #state: SharedState;
  /** Once the one in the home was found damaged. */
  #own: PrivateIndex | undefined;

  constructor(home: Home, lock: LockEnvironment, lockWaitMax: number, state: SharedState, catalog: Catalog) {
    super();
    this.#home = home;
    this.#lock = lock;
    this.#lockWaitMax = lockWaitMax;
    this.#state = state;
    this.#catalog = catalog;
  }

  get state(): SharedState {
    return this.#state;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  get indexFolder(): string {
    return this.#own?.indexFolder ?? indexFolder(this.#home.folder, this.#state.generation);
  }

  refresh(): SharedState {
    if (this.#own) return this.#own.refresh();
    const state = this.sharedState();
    if (state.generation !== this.#state.generation) throw indexReplaced();
    this.#state = state;
    return state;
  }

  sharedState(): SharedState {
    if (this.#own) return this.#own.sharedState();
    this.#lock.refresh();
    return this.#lock.state() ?? this.#state;
  }

  /** What is in the home may not be replaced from here: where another one is not in use, this goes on with one of its own. */
  async heal(): Promise<boolean> {
    if (this.#own) return false;
    const moved = await this.#inUseNow();
    if (moved) {
      void this.#catalog.release();
      ({ catalog: this.#catalog, state: this.#state } = moved);
      return true;
    }
    this.#own = new PrivateIndex(this.#home, this.#state.identity, this.#state.durableSequence);
    this.#own.catalog.retain();
    this.#catalog.abandon();
    void this.#catalog.release();
    this.#catalog = this.#own.catalog;
    return true;
  }

  /** Another generation, if there is one. Who has the lock may be stopped: then none can be had, which keeps nobody from reading. */
  async #inUseNow(): Promise<{ catalog: Catalog; state: SharedState } | undefined> {
    const { generation } = this.#state;
    const found = this.#lock.holdWithin(this.#lockWaitMax, () => {
      const state = this.#lock.state();
      if (!state || state.generation === generation) return undefined;
      const catalog = openGeneration(this.#home, state.generation, state.identity, false);
      return catalog && { catalog, state };
    });
    return found.catch((error: unknown) => {
      if (error instanceof VarveError && error.code === "UNAVAILABLE") return undefined;
      throw error;
    });
  }

  async close(): Promise<void> {
    await this.#own?.close();
    await this.#catalog.release();
    await this.#lock.close();
  }
}
