import { accessSync, constants, existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { Catalog } from "../index/catalog.ts";
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
import { cleanPositions } from "./open.ts";
import { replay } from "./replay.ts";

/**
 * The index of a store that nothing is written to: the one in the home where that can be trusted and its locks be
 * taken part in, else one made elsewhere.
 */
export async function openReadOnlyIndex(
  home: Home,
  allowNamespaces: boolean,
): Promise<IndexSource | undefined> {
  const identity = readIdentity(home);
  if (!identity) return undefined;
  const environment = locksOf(home);
  try {
    const state = environment?.state();
    const followed = environment && state && follow(home, environment, state, allowNamespaces);
    if (followed) return followed;
    const index = new PrivateIndex(home, identity, Math.max(knownDurable(home), state?.durableSequence ?? 0));
    await environment?.close();
    return index;
  } catch (error) {
    await environment?.close();
    throw error;
  }
}

/** Undefined where its locks can't be taken part in, or there are none. */
function locksOf(home: Home): LockEnvironment | undefined {
  const hasLocks = existsSync(join(home.folder, "lock"));
  return hasLocks && isWritable(lockFolder(home.folder)) ? new LockEnvironment(home.folder) : undefined;
}

function follow(
  home: Home,
  environment: LockEnvironment,
  state: SharedState,
  allowNamespaces: boolean,
): FollowedIndex | undefined {
  if (state.indexSuspect || !isWritable(indexFolder(home.folder, state.generation))) return undefined;
  environment.checkNamespaces(allowNamespaces);
  const left = environment.others() === 0 && state.indexUnclean;
  const catalog = openGeneration(home, state.generation, state.identity, left);
  return catalog && new FollowedIndex(home, environment, state, catalog);
}

/** What is known to have been on the disk from elsewhere than the log. */
function knownDurable(home: Home): number {
  return Math.max(0, ...cleanPositions(home).map(({ position }) => position.sequence));
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
  readonly #environment: LockEnvironment;
  #catalog: Catalog;
  #state: SharedState;
  /** Once the one in the home was found damaged. */
  #own: PrivateIndex | undefined;

  constructor(home: Home, environment: LockEnvironment, state: SharedState, catalog: Catalog) {
    this.#home = home;
    this.#environment = environment;
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
    this.#environment.refresh();
    const state = this.#environment.state() ?? this.#state;
    if (state.generation === this.#state.generation) {
      this.#state = state;
      return state;
    }
    const catalog = openGeneration(this.#home, state.generation, state.identity, false);
    if (catalog) {
      void this.#catalog.release();
      this.#catalog = catalog;
      this.#state = state;
    }
    return state;
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
    this.#own = new PrivateIndex(this.#home, this.#state.identity, this.#state.durableSequence);
    this.#own.catalog.retain();
    this.#catalog.abandon();
    void this.#catalog.release();
    this.#catalog = this.#own.catalog;
    return true;
  }

  publishDurable(): void {}

  publishSyncFailed(): void {}

  async close(): Promise<void> {
    await this.#own?.close();
    await this.#catalog.release();
    await this.#environment.close();
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
    for (const problem of problems) this.#home.onProblem(problem);
    this.#logEnd = end;
    this.#settle(position.segment);
    this.#state = {
      ...this.#state,
      tail: position,
      durableSequence: Math.max(durableSequence, position.sequence),
    };
    return this.#state;
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

  publishDurable(): void {}

  publishSyncFailed(): void {}

  async close(): Promise<void> {
    this.#reader.close();
    await this.catalog.release();
    rmSync(this.indexFolder, { recursive: true, force: true });
  }
}
