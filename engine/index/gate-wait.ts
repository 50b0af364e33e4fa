import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { VarveError } from "../errors.ts";

/** lmdb-js begins a transaction when it opens an environment, and waits for the mutex of it on the calling thread. */

/** Where the write mutex lies in lock.mdb, and its parts as glibc has them. */
const MUTEX_AT = 64;
const MUTEX_BYTES = 12;
const OWNER_AT = 8;
/** The other bits of the lock word tell of waiters, and of an owner that died. */
const THREAD_BITS = 0x3fff_ffff;
const MILLISECONDS_BETWEEN_LOOKS = 5;

/**
 * Waits, without stopping the event loop, until nobody has the gate below `parent`: who has it may be stopped, or be
 * making an index. Only a look: somebody may take it right after.
 * @throws UNAVAILABLE
 */
export async function whenFree(parent: string, milliseconds: number): Promise<void> {
  const until = performance.now() + milliseconds;
  for (let holder = holderBelow(parent); holder !== undefined; holder = holderBelow(parent)) {
    if (performance.now() >= until) throw waitedTooLong(milliseconds, holder);
    await new Promise((resolve) => setTimeout(resolve, MILLISECONDS_BETWEEN_LOOKS));
  }
}

function waitedTooLong(milliseconds: number, holder: number): VarveError {
  return new VarveError(
    "UNAVAILABLE",
    `waited ${milliseconds} ms for the lock of the store, held by process ${holder}`,
    { hint: "nothing was written; try again, or end that process" },
  );
}

/** The process that has a gate; undefined where there is none, or that can't be told. */
function holderBelow(parent: string): number | undefined {
  try {
    const gates = readdirSync(parent).filter((name) => /^gate-\d+$/.test(name));
    const alive = gates.find((name) => !existsSync(join(parent, `${name}.dead`)));
    return alive === undefined ? undefined : holderOf(join(parent, alive, "lock.mdb"));
  } catch {
    return undefined;
  }
}

function holderOf(lockFile: string): number | undefined {
  if (isMappedHere(lockFile)) return undefined;
  const fd = openSync(lockFile, "r");
  try {
    const mutex = Buffer.alloc(MUTEX_BYTES);
    if (readSync(fd, mutex, 0, MUTEX_BYTES, MUTEX_AT) < MUTEX_BYTES) return undefined;
    const thread = mutex.readUInt32LE(0) & THREAD_BITS;
    // Where the C library has another order of parts, these do not agree, and nothing is known.
    return thread !== 0 && mutex.readUInt32LE(OWNER_AT) === thread ? processOf(thread) : undefined;
  } finally {
    closeSync(fd);
  }
}

/** Undefined for a thread that is gone. */
function processOf(thread: number): number | undefined {
  const status = existsSync(`/proc/${thread}`) ? readFileSync(`/proc/${thread}/status`, "latin1") : "";
  const found = /^Tgid:\s*(\d+)$/m.exec(status);
  return found ? Number(found[1]) : undefined;
}

/** To close a file drops every lock that this process has on it, those of its other threads too. */
function isMappedHere(lockFile: string): boolean {
  const { ino } = statSync(lockFile);
  return new RegExp(` ${ino} +/`).test(readFileSync("/proc/self/maps", "latin1"));
}
