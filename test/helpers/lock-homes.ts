import { mkdirSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { LockEnvironment } from "../../engine/index/lock.ts";
import type { LockTimes } from "../../engine/index/openers.ts";
import { newFolder } from "./folders.ts";
import { Program } from "./processes.ts";
import { track } from "./stores.ts";

/** A home that has nothing yet, but a folder for its lock. */
export function newLockHome(): string {
  const home = newFolder();
  mkdirSync(join(home, "lock"));
  return home;
}

/** One more handle on the lock of a home, closed by `closeAll`. */
export function lockOf(home: string, times?: Partial<LockTimes>): LockEnvironment {
  return track(new LockEnvironment(home, times));
}

/** A process that has the lease of a home. */
export async function leaseHolder(home: string): Promise<Program> {
  const holder = new Program("../engine/lease-compactor.ts", [home, "{}"]);
  await holder.expect();
  assert.is(await holder.ask("lease"), "taken");
  return holder;
}
