import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lineOf } from "../../engine/index/gate.ts";

/** As LMDB makes it for the readers that Varve allows. */
const LOCK_FILE_BYTES = 131_280;

/**
 * Makes copied lock environments those of the folder that they lie in now: the rows are found by the gate that protects
 * them. For copies of stores that this boot is to know.
 */
export function adoptLocks(locks: string): void {
  makeLockFile(join(locks, "gate-1"));
  const rows = `state-${lineOf(locks)}-1`;
  for (const name of readdirSync(locks)) {
    if (!/^state-[0-9a-f-]+$/.test(name)) continue;
    if (name !== rows) renameSync(join(locks, name), join(locks, rows));
    makeLockFile(join(locks, rows));
  }
}

function makeLockFile(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "lock.mdb"), Buffer.alloc(LOCK_FILE_BYTES));
}
