import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { Catalog } from "../index/catalog.ts";
import { indexReplaced } from "../index/damage.ts";
import { whenFree } from "../index/gate-wait.ts";
import { LockEnvironment, lockFolder } from "../index/lock.ts";
import type { SharedState } from "../index/shared-state.ts";
import { NOTHING_NOTED } from "../index/shared-state.ts";
import { LogReader } from "../log/reader.ts";
import { LOG_START, listSegments, segmentPath } from "../log/segment.ts";
import { openGeneration } from "./generation.ts";
import type { Home } from "./home.ts";
import { indexFolder, logFolder } from "./home.ts";
import { readIdentity } from "./identity.ts";
import type { IndexSource } from "./index-source.ts";
import { endAfterLoss } from "./missing-end.ts";
import { cleanPositions } from "./open.ts";
import { replay } from "./replay.ts";

/**
 * The index of a store that nothing is written to: the one in the home where that can be trusted and its locks be
 * taken part in, else one made elsewhere.
 */
export async function openReadOnlyIndex(
  home: Home,
  lockWaitMax: number,
  allowNamespaces: boolean,
): Promise<IndexSource | undefined> {
  const identity = readIdentity(home);
  if (!identity) return undefined;
  const lock = await locksOf(home, lockWaitMax);
  if (!lock) return new PrivateIndex(home, identity, knownDurable(home));
  try {
    const followed = await lock.holdWithin(lockWaitMax, () =>
      follow(home, lock, lockWaitMax, allowNamespaces),
    );
    if (followed) return followed;
  } catch (error) {
    await lock.close();
    // Who has the lock may be stopped: that keeps nobody from reading.
    if (!(error instanceof VarveError) || error.code !== "UNAVAILABLE") throw error;
    return new PrivateIndex(home, identity, knownDurable(home));
  }
  // Within a boot all of the log up to its end is there, whether it is on the disk or not.
  const durable = Math.max(knownDurable(home), lock.state()?.tail.sequence ?? 0);
  await lock.close();
  return new PrivateIndex(home, identity, durable);
}

/** Undefined where its locks can't be taken part in, or not in time, or there are none. */
async function locksOf(home: Home, lockWaitMax: number): Promise<LockEnvironment | undefined> {
  if (!existsSync(join(home.folder, "lock"))) return undefined;
  const folder = lockFolder(home.folder);
  if (!areWritable(folder)) return undefined;
  try {
    await whenFree(folder, lockWaitMax);
  } catch {
    return undefined;
  }
  return new LockEnvironment(home.folder);
}

/** Under the lock: undefined when there is nothing that could be followed. */
function follow(
  home: Home,
  lock: LockEnvironment,
  lockWaitMax: number,
  allowNamespaces: boolean,
): FollowedIndex | undefined {
  const state = lock.state();
  if (!state || state.indexSuspect || !isWritable(indexFolder(home.folder, state.generation)))
    return undefined;
  lock.checkNamespaces(allowNamespaces);
  const left = lock.others() === 0 && state.indexUnclean;
  const followed: Home = { ...home, closing: (close) => lock.closing(lockWaitMax, close) };
  const catalog = openGeneration(followed, state.generation, state.identity, left);
  return catalog && new FollowedIndex(followed, lock, lockWaitMax, state, catalog);
}

/** What is known to have been on the disk from elsewhere than the log. */
function knownDurable(home: Home): number {
  return Math.max(0, ...cleanPositions(home).map(({ position }) => position.sequence));
}

function areWritable(locks: string): boolean {
  if (!existsSync(locks)) return false;
  const folders = readdirSync(locks).filter((name) => /^(gate|state)-[0-9a-f-]+$/.test(name));
  return folders.length > 0 && folders.every((name) => isWritable(join(locks, name)));
}

/** A reader of LMDB enters itself in the lock file; without that its pages could be reused under it. */
function isWritable(environmentFolder: string): boolean {
  try {
    accessSync(join(environmentFolder, "lock.mdb"), constants.W_OK);
    accessSync(join(environmentFolder, "data.mdb"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readOnly(): VarveError {
  return new VarveError("READ_ONLY", "the store was opened read-only", {
    hint: "open it without readOnly to change it",
  });
}

/** The index inside the home, followed but never written, and without a word to those who write. */
export class FollowedIndex implements IndexSource {
  readonly lock = undefined;
  readonly #home: Home;
  readonly #lock: LockEnvironment;
  readonly #lockWaitMax: number;
  #catalog: Catalog;
  #state: SharedState;
  /** Once the one in the home was found damaged. */
  #own: PrivateIndex | undefined;

  constructor(home: Home, lock: LockEnvironment, lockWaitMax: number, state: SharedState, catalog: Catalog) {
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
    this.#lock.refresh();
    const state = this.#lock.state() ?? this.#state;
    if (state.generation !== this.#state.generation) throw indexReplaced();
    this.#state = state;
    return state;
  }

  stateUnderLock(): SharedState {
    throw readOnly();
  }

  stateForWriting(): SharedState {
    throw readOnly();
  }

  rebuild(): void {
    throw readOnly();
  }

  /** What is in the home may not be replaced from here, so this goes on with an index of its own. */
  async heal(): Promise<boolean> {
    if (this.#own) return false;
    const { generation } = this.#state;
    const moved = await this.#lock.holdWithin(this.#lockWaitMax, () => {
      const state = this.#lock.state();
      if (!state || state.generation === generation) return undefined;
      const catalog = openGeneration(this.#home, state.generation, state.identity, false);
      return catalog && { catalog, state };
    });
    if (moved) this.#state = moved.state;
    else this.#own = new PrivateIndex(this.#home, this.#state.identity, this.#state.durableSequence);
    this.#own?.catalog.retain();
    if (this.#own) this.#catalog.abandon();
    void this.#catalog.release();
    this.#catalog = this.#own?.catalog ?? moved!.catalog;
    return true;
  }

  followNow(): void {}

  publishDurable(): void {}

  async close(): Promise<void> {
    await this.#own?.close();
    await this.#catalog.release();
    await this.#lock.close();
  }
}

/**
 * An index of a read-only store's own, in a temporary folder: for a disk that can't be written to, and where the index
 * in the home is missing or not to be trusted.
 */
export class PrivateIndex implements IndexSource {
  readonly lock = undefined;
  readonly indexFolder: string;
  readonly catalog: Catalog;
  readonly #home: Home;
  readonly #reader: LogReader;
  #state: SharedState;
  #logEnd = "";

  /** @param durableSequence what is known to have been on the disk from elsewhere than the log */
  constructor(home: Home, identity: SharedState["identity"], durableSequence: number) {
    this.#home = home;
    this.indexFolder = mkdtempSync(join(tmpdir(), "varve-index-"));
    this.catalog = new Catalog(this.indexFolder);
    this.catalog.begin(identity.storeId);
    this.#reader = new LogReader(home.files, logFolder(home.folder), identity);
    this.#state = {
      identity,
      tail: LOG_START,
      durableSequence,
      generation: 0,
      indexUnclean: true,
      ...NOTHING_NOTED,
    };
    try {
      this.refresh();
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  get state(): SharedState {
    return this.#state;
  }

  refresh(): SharedState {
    const folder = logFolder(this.#home.folder);
    const numbers = listSegments(this.#home.files, folder);
    const end = this.#endOf(numbers);
    if (end === this.#logEnd) return this.#state;
    const { tail, durableSequence } = this.#state;
    const { position, problems } = replay(this.#reader, numbers, this.catalog, tail, { durableSequence });
    for (const problem of problems) if (problem.kind !== "missing") this.#home.onProblem(problem);
    endAfterLoss(this.#home, this.catalog, position, durableSequence);
    this.#logEnd = end;
    this.#settle(position.segment);
    this.#state = {
      ...this.#state,
      tail: position,
      durableSequence: Math.max(durableSequence, position.sequence),
    };
    return this.#state;
  }

  stateUnderLock(): SharedState {
    throw readOnly();
  }

  stateForWriting(): SharedState {
    throw readOnly();
  }

  /** Changes whenever the log has grown. */
  #endOf(numbers: readonly number[]): string {
    const newest = numbers.at(-1) ?? 0;
    return `${newest} ${this.#home.files.sizeOf(segmentPath(logFolder(this.#home.folder), newest))}`;
  }

  /** What is read must be on the disk; on one that can't be written to it is. */
  #settle(segment: number): void {
    try {
      if (segment > 0) this.#reader.segment(segment).file.sync();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "EROFS" && code !== "EINVAL" && !(error instanceof VarveError)) throw error;
    }
  }

  rebuild(): void {
    throw readOnly();
  }

  async heal(): Promise<boolean> {
    return false;
  }

  followNow(): void {}

  publishDurable(): void {}

  async close(): Promise<void> {
    this.#reader.close();
    await this.catalog.release();
    rmSync(this.indexFolder, { recursive: true, force: true });
  }
}
