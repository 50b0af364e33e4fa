import { spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from "node:fs";
import { basename } from "node:path";

/**
 * A robust mutex of several processes can forget who waits for it. Who lets go wakes one waiter and clears the bit that
 * tells of waiters; the woken one sets it again when it has to wait on. If it is killed before that, and somebody else has
 * taken the mutex meanwhile, nobody knows of the others: they sleep on, though the mutex is free, until two more want it
 * at once. (The kernel, which wakes the next one for a waiter that died, does so only while nobody has the mutex.)
 *
 * A signal makes a sleeping thread look again, if there is a handler for it. It is SIGCHLD, sent by a child: as long as
 * that runs Node.js has a handler, which does nothing where no child has ended.
 */

/** Where the write mutex lies in lock.mdb, and begins with the lock word: see `gate-wait.ts`. */
export const MUTEX_AT = 64;
/** In the lock word: who lets go has somebody to wake. */
const WAITERS_BIT = 0x8000_0000;

/** Makes threads of this process look again that wait for the mutex in a lock file, where nobody will wake them. */
export function wakeForgotten(lockFileInode: number): void {
  try {
    const mutexes = mappedAt(lockFileInode).map((start) => start + MUTEX_AT);
    const forgetful = mutexes.filter((mutex) => !isNoted(mutex));
    const threads = forgetful.flatMap(sleepingAt);
    if (threads.length === 0) return;
    const child = spawn("sh", ["-c", 'kill -s CHLD "$@"', "sh", ...threads], { stdio: "ignore" });
    child.on("error", () => {});
    child.unref();
  } catch {
    // Nothing is known where there is no /proc.
  }
}

/** Runs what may wait for a mutex on this thread, which looks again every second meanwhile. */
export function lookingAgain<T>(action: () => T): T {
  const watch = watchThisThread();
  try {
    return action();
  } finally {
    watch?.kill();
  }
}

function watchThisThread() {
  try {
    const thread = basename(readlinkSync("/proc/thread-self"));
    const nudge = `while sleep 1; do kill -s CHLD ${thread} || exit; done`;
    const child = spawn("sh", ["-c", nudge], { stdio: "ignore" });
    child.on("error", () => {});
    child.unref();
    return child;
  } catch {
    return undefined;
  }
}

/** Where a file is mapped from its first byte. */
function mappedAt(inode: number): number[] {
  const lines = readFileSync("/proc/self/maps", "latin1").split("\n");
  return lines.flatMap((line) => {
    const [range, , offset, , found] = line.split(/\s+/);
    return found === String(inode) && Number(offset) === 0 ? Number.parseInt(range!, 16) : [];
  });
}

/** Whether who lets go of a mutex will wake somebody. Not read from the file: see `gate-wait.ts`. */
function isNoted(mutex: number): boolean {
  const memory = openSync("/proc/self/mem", "r");
  try {
    const word = Buffer.alloc(4);
    readSync(memory, word, 0, word.length, mutex);
    return (word.readUInt32LE() & WAITERS_BIT) !== 0;
  } finally {
    closeSync(memory);
  }
}

/** Threads of this process within a system call whose first argument is this address. */
function sleepingAt(address: number): string[] {
  const argument = `0x${address.toString(16)}`;
  return readdirSync("/proc/self/task").filter((thread) => {
    const call = readFileSync(`/proc/self/task/${thread}/syscall`, "latin1");
    return call.split(" ")[1] === argument;
  });
}
