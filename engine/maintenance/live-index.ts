import type { Catalog } from "../index/catalog.ts";
import type { LockEnvironment, SharedState } from "../index/lock.ts";
import { markClean } from "../index/mark.ts";
import type { IndexSource } from "./index-source.ts";
import type { Home } from "./open.ts";
import { indexFolder, openGeneration, openIndex, rebuild } from "./open.ts";

/** The index inside the home, shared with all processes. */
export class LiveIndex implements IndexSource {
  readonly lock: LockEnvironment;
  readonly #home: Home;
  #catalog: Catalog;
  #state: SharedState;

  /** Under the lock. */
  constructor(home: Home, lock: LockEnvironment) {
    this.#home = home;
    this.lock = lock;
    const { catalog, state } = openIndex(home, lock);
    this.#catalog = catalog;
    this.#state = state;
  }

  get state(): SharedState {
    return this.#state;
  }

  get catalog(): Catalog {
    return this.#catalog;
  }

  get indexFolder(): string {
    return indexFolder(this.#home.folder, this.#state.generation);
  }

  refresh(): SharedState {
    this.lock.refresh();
    return this.stateUnderLock();
  }

  stateUnderLock(): SharedState {
    const state = this.lock.state() ?? this.#state;
    if (state.generation === this.#state.generation) {
      this.#state = state;
      return { ...state };
    }
    const catalog = openGeneration(this.#home, state.generation);
    if (catalog) {
      this.#switch(catalog);
      this.#state = state;
    }
    return { ...state };
  }

  rebuild(): void {
    const { catalog, state } = rebuild(this.#home, this.stateUnderLock());
    this.lock.setState(state);
    this.#switch(catalog);
    this.#state = state;
  }

  publishDurable(sequence: number): void {
    this.#publish((state) => ({ ...state, durableSequence: Math.max(sequence, state.durableSequence) }));
  }

  publishSyncFailed(): void {
    this.#publish((state) => ({ ...state, syncFailed: true }));
  }

  async close(durableSequence: number): Promise<void> {
    await this.lock
      .hold(() => this.#leave(durableSequence))
      .catch((error) => this.#home.onCloseFailure(error));
    await this.#catalog.release();
    await this.lock.close();
  }

  /** The last one to leave puts the index on the disk, so that the next boot need not make it again. */
  #leave(durableSequence: number): void {
    const state = this.stateUnderLock();
    this.lock.removeGone();
    this.lock.unregister();
    if (this.lock.others() > 0) return;
    const settled =
      durableSequence >= state.tail.sequence && this.#catalog.applied()?.sequence === state.tail.sequence;
    if (state.indexUnclean && settled) {
      markClean(this.indexFolder, state.tail);
      this.lock.setState({ ...state, durableSequence, indexUnclean: false });
    }
  }

  #switch(catalog: Catalog): void {
    void this.#catalog.release();
    this.#catalog = catalog;
  }

  #publish(change: (state: SharedState) => SharedState): void {
    const told = this.lock.hold(() => this.lock.setState(change(this.stateUnderLock())));
    told.catch((error) => this.#home.onCloseFailure(error));
  }
}
