import { accessSync, constants, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import { patience, whenFree } from "../index/gate-wait.ts";
import { LockEnvironment, lockFolder } from "../index/lock.ts";
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
): Promise<IndexSource | undefined> {
  const identity = readIdentity(home);
  if (!identity) return undefined;
  const left = patience(lockWaitMax);
  const lock = await locksOf(home, left());
  if (!lock) return new PrivateIndex(home, identity, knownDurable(home));
  try {
    const followed = await lock.holdWithin(left(), () => follow(home, lock, lockWaitMax, allowNamespaces));
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
