import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { openWhenFree, patience } from "../index/gate-wait.ts";
import { LockEnvironment, lockFolder } from "../index/lock.ts";
import type { LockTimes } from "../index/openers.ts";
import type { SharedState } from "../index/shared-state.ts";
import { FollowedIndex } from "./followed-index.ts";
import { knownDurable, openGeneration } from "./generation.ts";
import type { Home } from "./home.ts";
import { indexFolder } from "./home.ts";
import { readIdentity } from "./identity.ts";
import type { IndexSource } from "./index-source.ts";
import { PrivateIndex } from "./private-index.ts";

/**
 * The index of a store that nothing is written to: the one in the home where that can be trusted and its locks be
 * taken part in, else one made elsewhere.
 */
export async function openReadOnlyIndex(
  home: Home,
  lockWaitMax: number,
  allowNamespaces: boolean,
  times?: Partial<LockTimes>,
): Promise<IndexSource | undefined> {
  const identity = readIdentity(home);
  if (!identity) return undefined;
  const left = patience(lockWaitMax);
  const lock = await locksOf(home, left(), times);
  if (!lock) return new PrivateIndex(home, identity, knownDurable(home));
  try {
    await enter(home, lock, left());
    const followed = await lock.holdWithin(left(), () => follow(home, lock, lockWaitMax, allowNamespaces));
    if (followed) return followed;
  } catch (error) {
    await leave(lock);
    // Who has the lock may be stopped: that keeps nobody from reading.
    if (!isUnavailable(error)) throw error;
    return new PrivateIndex(home, identity, knownDurable(home));
  }
  // Within a boot all of the log up to its end is there, whether it is on the disk or not.
  const durable = Math.max(knownDurable(home), lock.state()?.tail.sequence ?? 0);
  await leave(lock);
  return new PrivateIndex(home, identity, durable);
}

/**
 * Before the index is looked at: from then on files of the log that it names are kept for this process. Where it can't be
 * entered, as on a full disk, it reads all the same, and may have to begin anew when files are gone.
 */
async function enter(home: Home, lock: LockEnvironment, lockWaitMax: number): Promise<void> {
  const entered = lock.holdWithin(lockWaitMax, () => {
    // Whether processes of other PID namespaces are allowed is looked at behind this.
    if (usedState(home, lock)) lock.register(true, "reader");
  });
  await entered.catch((error: unknown) => {
    if (isUnavailable(error)) throw error;
  });
}

const isUnavailable = (error: unknown) => error instanceof VarveError && error.code === "UNAVAILABLE";

/** Not waited for: the lock may still be somebody else's. */
async function leave(lock: LockEnvironment): Promise<void> {
  if (lock.epoch === undefined) return lock.close();
  void lock
    .hold(() => lock.unregister())
    .catch(() => {})
    .finally(() => lock.close());
}

/** Undefined where its locks can't be taken part in, or not in time, or there are none. */
async function locksOf(
  home: Home,
  lockWaitMax: number,
  times: Partial<LockTimes> | undefined,
): Promise<LockEnvironment | undefined> {
  if (!existsSync(join(home.folder, "lock"))) return undefined;
  const folder = lockFolder(home.folder);
  if (!areWritable(folder)) return undefined;
  try {
    return await openWhenFree(folder, lockWaitMax, () => new LockEnvironment(home.folder, times));
  } catch (error) {
    if (isUnavailable(error)) return undefined;
    throw error;
  }
}

/** Under the lock: undefined when there is nothing that could be followed. */
function follow(
  home: Home,
  lock: LockEnvironment,
  lockWaitMax: number,
  allowNamespaces: boolean,
): FollowedIndex | undefined {
  const state = usedState(home, lock);
  if (!state) return undefined;
  lock.checkNamespaces(allowNamespaces);
  const left = lock.others() === 0 && state.indexUnclean;
  const followed: Home = { ...home, closing: (close) => lock.closing(lockWaitMax, close) };
  const catalog = openGeneration(followed, state.generation, state.identity, left);
  return catalog && new FollowedIndex(followed, lock, lockWaitMax, state, catalog);
}

/** The state, where it names an index that may be followed. */
function usedState(home: Home, lock: LockEnvironment): SharedState | undefined {
  const state = lock.state();
  const isUsed = state && !state.indexSuspect && isWritable(indexFolder(home.folder, state.generation));
  return isUsed ? state : undefined;
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
