import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Environment } from "../../engine/index/lmdb.ts";
import { lockFolder } from "../../engine/index/lock.ts";
import { placeOf } from "../helpers/indexes.ts";
import { adoptLocks } from "../helpers/locks.ts";
import type { SimulatedDisk } from "./simulated-disk.ts";

/**
 * The store as it is when the process that has it open is killed now: all that it wrote is there in the same boot, and
 * what it did not sync is still not on the disk. To be opened after `forgetOpeners`.
 */
export function killedCopy(disk: SimulatedDisk, home: string): SimulatedDisk {
  mkdirSync(join(home, "lock"));
  const from = lockFolder(disk.home);
  // Not the files of locks: who holds them is gone.
  cpSync(from, lockFolder(home), { recursive: true, filter: (path) => !path.endsWith("lock.mdb") });
  adoptLocks(lockFolder(home));
  for (const name of readdirSync(disk.home)) if (name.startsWith("index-")) copyIndex(disk.home, home, name);
  return disk.copyTo(home);
}

/** The index, and its mark as it would be of this file. */
function copyIndex(from: string, to: string, name: string): void {
  mkdirSync(join(to, name));
  try {
    cpSync(join(from, name, "data.mdb"), join(to, name, "data.mdb"));
    const mark = JSON.parse(readFileSync(join(from, name, "trust.json"), "utf8")) as object;
    writeFileSync(join(to, name, "trust.json"), JSON.stringify({ ...mark, ...placeOf(join(to, name)) }));
  } catch (error) {
    // Killed before there was one.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** The killed process was this one, which the next opener would take for alive. */
export async function forgetOpeners({ home }: SimulatedDisk): Promise<void> {
  for (const name of readdirSync(lockFolder(home))) {
    if (!/^(gate|state)-[^.]+$/.test(name)) continue;
    const environment = new Environment(join(lockFolder(home), name));
    environment.transactSync(() => {
      const openers = environment.entries({ start: Buffer.from("opener/"), end: Buffer.from("opener0") });
      for (const { key } of [...openers]) environment.remove(Buffer.from(key));
    });
    await environment.close();
  }
}
