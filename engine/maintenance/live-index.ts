import { existsSync } from "node:fs";
import type { Catalog } from "../index/catalog.ts";
import { indexReplaced } from "../index/damage.ts";
import type { LockEnvironment } from "../index/lock.ts";
import type { SharedState } from "../index/shared-state.ts";
import type { LogPosition } from "../log/segment.ts";
import {
  copyIndex,
  dropGeneration,
  hasRoomFor,
  isCheckpointDue,
  isGrown,
  reserveGeneration,
} from "./checkpoint.ts";
import { markGeneration, openGeneration } from "./generation.ts";
import type { Home } from "./home.ts";
import { indexFolder, removeGenerationsBut } from "./home.ts";
import type { IndexSource } from "./index-source.ts";
import type { OpenedIndex } from "./open.ts";
import { openIndex, rebuild, shrink } from "./open.ts";
import type { PackOptions } from "./pack.ts";
import { packIndex } from "./pack.ts";

/** Commits between two looks at the size of the index. */
const COMMITS_BETWEEN_LOOKS = 1024;

/** The index inside the home, shared with all processes. */
export class LiveIndex implements IndexSource {
  readonly lock: LockEnvironment;
  readonly #home: Home;
  readonly #lockWaitMax: number;
  #catalog: Catalog;
  #state: SharedState;
  #commits = 0;
  #checkpoint: Promise<void> | undefined;

  /** Under the lock. */
  constructor(home: Home, lock: LockEnvironment, lockWaitMax: number) {
    this.#home = home;
    this.lock = lock;
    this.#lockWaitMax = lockWaitMax;
    const { catalog, state } = openIndex(home, lock);
    this.#catalog = catalog;
    this.#state = state;
  }

  get registered(): LockEnvironment {
    return this.lock;
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

  /** @throws what `heal` deals with, when another generation is in use, which can't be opened at once */
  refresh(): SharedState {
    const state = this.sharedState();
    if (state.generation !== this.#state.generation) throw indexReplaced();
    this.#state = state;
    return { ...state };
  }

  sharedState(): SharedState {
    this.lock.refresh();
    return this.lock.state() ?? this.#state;
  }

  stateForWriting(): SharedState {
    const known = this.stateUnderLock();
    const state = known.indexSuspect ? this.#makeAnew(known) : known;
    this.#commits++;
    if (this.#commits % COMMITS_BETWEEN_LOOKS === 0 && this.#looksGrown())
      return this.#goTo(shrink(this.#home, state, this.#catalog));
    if (this.#checkpoint || !isCheckpointDue(this.#home, state)) return state;
    // A copy of rows of which some are moved already would be of no epoch.
    if (this.lock.isCompacted) return state;
    if (hasRoomFor(this.#home, this.#catalog)) this.#beginCheckpoint();
    // At once: who asked may store nothing, and another process would take one too.
    const noted = { ...state, checkpointSequence: state.tail.sequence };
    this.lock.setState(noted);
    return noted;
  }

  #looksGrown(): boolean {
    this.#catalog.clearDeadReaders();
    return isGrown(this.#catalog);
  }

  async pack(options: PackOptions): Promise<void> {
    const catalog = () => this.#catalog;
    const goTo = (opened: OpenedIndex) => void this.#goTo(opened);
    await packIndex({ ...options, home: this.#home, catalog, goTo });
  }

  rebuild(): void {
    this.#makeAnew(this.stateUnderLock());
  }

  followNow(): void {
    if (!this.lock.isWanted) this.lock.holdSync(() => this.stateUnderLock());
  }

  async goOver(): Promise<void> {
    await this.lock.holdWithin(this.#lockWaitMax, () => this.stateUnderLock());
  }

  async heal(): Promise<boolean> {
    const { generation } = this.#state;
    await this.lock.holdWithin(this.#lockWaitMax, () => {
      const state = this.stateUnderLock();
      // Somebody else may have met the damage too, and been faster.
      if (state.generation === generation) this.#makeAnew({ ...state, indexSuspect: true });
    });
    return true;
  }

  publishDurable(sequence: number): void {
    const { losses } = this.lock.state() ?? this.#state;
    const told = this.lock.hold(() => {
      const state = this.stateUnderLock();
      // Numbers of batches that were lost in the meantime are given again: of those this says nothing.
      if (state.losses === losses && sequence > state.durableSequence)
        this.lock.setState({ ...state, durableSequence: sequence });
    });
    told.catch((error) => this.#home.onTrouble("other processes could not be told", error));
  }

  async close(durableSequence: number): Promise<void> {
    await this.#checkpoint;
    await this.lock
      .holdWithin(this.#lockWaitMax, () => this.#leave(durableSequence))
      .catch((error) => this.#home.onTrouble("the store was not left in order", error));
    await this.#catalog.release();
    await this.lock.close();
  }

  stateUnderLock(): SharedState {
    const state = this.lock.state() ?? this.#state;
    if (state.generation === this.#state.generation) {
      this.#state = state;
      return { ...state };
    }
    const catalog = openGeneration(this.#home, state.generation, state.identity, false);
    if (!catalog) return this.#makeAnew(state);
    this.#switch(catalog);
    this.#state = state;
    return { ...state };
  }

  #makeAnew(known: SharedState): SharedState {
    // It may be damaged, and this may be why.
    if (known.indexSuspect) this.#catalog.abandon();
    return this.#goTo(rebuild(this.#home, known));
  }

  #goTo({ catalog, state }: OpenedIndex): SharedState {
    this.lock.setState(state);
    this.#switch(catalog);
    this.#state = state;
    return { ...state };
  }

  /** Under the lock: the number of the copy is given out; all else is done later. */
  #beginCheckpoint(): void {
    const { generation, logEpoch, identity } = this.#state;
    const catalog = this.#catalog;
    try {
      const copy = reserveGeneration(this.#home);
      catalog.retain();
      this.#checkpoint = copyIndex(this.#home, catalog, copy, identity)
        .then((applied) =>
          this.lock.holdWithin(this.#lockWaitMax, () =>
            this.#finishCheckpoint(copy, applied, { generation, logEpoch }),
          ),
        )
        .catch((error) => {
          // Who compacts the log removes copies from before.
          const isVoid = !existsSync(indexFolder(this.#home.folder, copy));
          if (!isVoid) this.#home.onTrouble("no checkpoint of the index could be taken", error);
          dropGeneration(this.#home, copy);
        })
        .finally(() => {
          this.#checkpoint = undefined;
          return catalog.release();
        });
    } catch (error) {
      this.#home.onTrouble("no checkpoint of the index could be taken", error);
    }
  }

  #finishCheckpoint(
    copy: number,
    applied: LogPosition,
    origin: Pick<SharedState, "generation" | "logEpoch">,
  ): void {
    const state = this.stateUnderLock();
    // Made from an index that was replaced since, or from places that were moved: it may be wrong.
    const isVoid =
      state.generation !== origin.generation ||
      state.logEpoch !== origin.logEpoch ||
      this.lock.isCompacted ||
      state.syncFailed ||
      state.indexSuspect;
    if (isVoid) dropGeneration(this.#home, copy);
    else {
      markGeneration(this.#home, copy, applied, state.identity);
      removeGenerationsBut(this.#home.folder, [state.generation, copy]);
    }
  }

  /** The last one to leave puts the index on the disk, so that the next boot need not make it again. */
  #leave(durableSequence: number): void {
    const state = this.stateUnderLock();
    this.lock.removeGone();
    this.lock.unregister();
    if (this.lock.others() > 0) return;
    const settled =
      durableSequence >= state.tail.sequence && this.#catalog.applied()?.sequence === state.tail.sequence;
    if (state.indexUnclean && settled && !state.indexSuspect) {
      markGeneration(this.#home, state.generation, state.tail, state.identity);
      this.lock.setState({ ...state, durableSequence, indexUnclean: false });
    }
  }

  #switch(catalog: Catalog): void {
    void this.#catalog.release();
    this.#catalog = catalog;
  }
}
