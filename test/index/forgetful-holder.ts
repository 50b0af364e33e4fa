/**
 * Holds the lock, stopping its own event loop, until another process waits for it; then makes the mutex forget that, as a
 * waiter does that is killed at the wrong moment, and lets go.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { MUTEX_AT } from "../../engine/index/forgotten-waiters.ts";
import { LockEnvironment, lockFolder } from "../../engine/index/lock.ts";

const home = process.argv[2]!;
const lock = new LockEnvironment(home);
const file = join(lockFolder(home), "gate-1", "lock.mdb");
/** Where the bit lies that tells of waiters; above the number of any thread. */
const byte = MUTEX_AT + 3;

// By others: this process must not close the file.
const run = (command: string, ...args: string[]) => spawnSync(command, args, { encoding: "latin1" }).stdout;
const hasWaiters = () => run("od", "-An", "-tu1", `-j${byte}`, "-N1", file).trim() !== "0";

lock.holdSync(() => {
  console.log(JSON.stringify({ held: true }));
  const end = performance.now() + 60_000;
  while (!hasWaiters()) if (performance.now() > end) throw new Error("nobody waits for it");
  // It has noted that it waits, and is about to sleep.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
  run("dd", "if=/dev/zero", `of=${file}`, "bs=1", `seek=${byte}`, "count=1", "conv=notrunc");
});
console.log(JSON.stringify({ forgotten: true }));
await new Promise((resolve) => process.stdin.once("data", resolve));
await lock.close();
process.stdin.destroy();
