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

  /** With an index of its own it waits for nobody, and nobody for it. */
  get registered(): LockEnvironment | undefined {
    return this.#own ? undefined : this.#lock;
  }

  get state(): SharedState {
    return this.#own?.state ?? this.#state;
  }

  get catalog(): Catalog {
    return this.#own?.catalog ?? this.#catalog;
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

  async goOver(): Promise<void> {
    const moved = this.#own ? undefined : await this.#inUseNow();
    if (moved) this.#goTo(moved);
  }

  /** What is in the home may not be replaced from here: where another one is not in use, this goes on with one of its own. */
  async heal(): Promise<boolean> {
    if (this.#own) return this.#own.heal();
    const moved = await this.#inUseNow();
    if (moved) this.#goTo(moved);
    else await this.#goPrivate();
    return true;
  }

  #goTo({ catalog, state }: { catalog: Catalog; state: SharedState }): void {
    void this.#catalog.release();
    this.#catalog = catalog;
    this.#state = state;
  }

  async #goPrivate(): Promise<void> {
    this.#own = new PrivateIndex(this.#home, this.#state.identity, this.#state.durableSequence);
    this.#catalog.abandon();
    void this.#catalog.release();
    await this.#unregister();
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

  /** Who has the lock may be stopped: then this one is taken for gone when it was silent for long. */
  async #unregister(): Promise<void> {
    if (this.#lock.epoch === undefined) return;
    await this.#lock.holdWithin(this.#lockWaitMax, () => this.#lock.unregister()).catch(() => {});
  }

  async close(): Promise<void> {
    if (this.#own) await this.#own.close();
    else await this.#catalog.release();
    await this.#unregister();
    await this.#lock.close();
  }
}
