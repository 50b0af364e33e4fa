import { execFile } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { VarveError } from "../errors.ts";
import { lookingAgain, MUTEX_AT } from "./forgotten-waiters.ts";

/** lmdb-js begins a transaction when it opens an environment, and waits for the mutex of it on the calling thread. */

/** The lock word, a count, and the owner, as glibc has them. */
const MUTEX_BYTES = 12;
/** The other bits of the lock word tell of waiters, and of an owner that died. */
const THREAD_BITS = 0x3fff_ffff;
const MILLISECONDS_BETWEEN_LOOKS = 5;

/** What is left of a time that several waits share. */
export function patience(milliseconds: number): () => number {
  const until = performance.now() + milliseconds;
  return () => Math.max(1, Math.ceil(until - performance.now()));
}

/**
 * Runs what opens the gate below `parent` when that is free. Others that want it too may be many: then this thread may
 * have to wait in their queue.
 * @throws UNAVAILABLE
 */
export async function openWhenFree<T>(parent: string, milliseconds: number, open: () => T): Promise<T> {
  return (await whenFree(parent, milliseconds)) ? lookingAgain(open) : open();
}

/**
 * Waits, without stopping the event loop, until nobody has the gate below `parent`: who has it may be stopped, or be
 * making an index. Only a look: somebody may take it right after. Gives whether anybody had it.
 * @throws UNAVAILABLE
 */
export async function whenFree(parent: string, milliseconds: number): Promise<boolean> {
  const until = performance.now() + milliseconds;
  const first = await holderBelow(parent);
  for (let holder = first; ; holder = await holderBelow(parent)) {
    // Given from hand to hand, it is had by waiting in its queue.
    if (holder === undefined || holder !== first) return first !== undefined;
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
async function holderBelow(parent: string): Promise<number | undefined> {
  try {
    const names = readdirSync(parent);
    if (!names.some(isOfAnother)) return undefined;
    const gates = names.filter((name) => /^gate-\d+$/.test(name));
    const alive = gates.find((name) => !existsSync(join(parent, `${name}.dead`)));
    return alive === undefined ? undefined : await holderOf(join(parent, alive, "lock.mdb"));
  } catch {
    return undefined;
  }
}

/** Each process that may have the gate for long has a file beside it, so that nobody looks where there is no other. */
const MARK = /^open-(\d+)-/;

function isOfAnother(name: string): boolean {
  const pid = Number(MARK.exec(name)?.[1] ?? process.pid);
  return pid !== process.pid && existsSync(`/proc/${pid}`);
}

/** Says that this process uses what the gate below `parent` protects, and removes what those left that are gone. */
export function markOpen(parent: string, id: string): void {
  writeFileSync(join(parent, `open-${process.pid}-${id}`), "", { mode: 0o600 });
  for (const name of readdirSync(parent)) {
    const pid = MARK.exec(name)?.[1];
    if (pid !== undefined && Number(pid) !== process.pid && !isOfAnother(name))
      rmSync(join(parent, name), { force: true });
  }
}

/** Processes that have said so, and are there: this one too. */
export function usersBelow(parent: string): number[] {
  const pids = readdirSync(parent).flatMap((name) => MARK.exec(name)?.[1] ?? []);
  return pids.map(Number).filter((pid) => existsSync(`/proc/${pid}`));
}

export function unmarkOpen(parent: string, id: string): void {
  rmSync(join(parent, `open-${process.pid}-${id}`), { force: true });
}

async function holderOf(lockFile: string): Promise<number | undefined> {
  // Not from here: to close a file drops every lock that this process has on it, those of its other threads too.
  const { stdout } = await promisify(execFile)("od", [
    "-An",
    "-tu4",
    `-j${MUTEX_AT}`,
    `-N${MUTEX_BYTES}`,
    lockFile,
  ]);
  const [word = 0, , owner = 0] = stdout.trim().split(/\s+/).map(Number);
  const thread = (word & THREAD_BITS) >>> 0;
  // Where the C library has another order of parts, these do not agree, and nothing is known.
  return thread !== 0 && owner === thread ? processOf(thread) : undefined;
}

/** Undefined for a thread that is gone. */
function processOf(thread: number): number | undefined {
  const status = existsSync(`/proc/${thread}`) ? readFileSync(`/proc/${thread}/status`, "latin1") : "";
  const found = /^Tgid:\s*(\d+)$/m.exec(status);
  return found ? Number(found[1]) : undefined;
}
