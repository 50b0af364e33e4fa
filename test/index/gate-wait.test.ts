import { type ChildProcess, spawn } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openWhenFree, whenFree } from "../../engine/index/gate-wait.ts";
import { LockEnvironment, lockFolder } from "../../engine/index/lock.ts";
import { endWithParent } from "../helpers/end-with-parent.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openTestStore, track } from "../helpers/stores.ts";
import { within } from "../helpers/time.ts";

const test = suite("the look at who has the lock");
test.after.each(killPrograms);
test.after.each(closeAll);

/** A living process that may be said to have the store open. */
let other: ChildProcess;
test.before(() => {
  const [first, ...words] = endWithParent(["sleep", "300"]);
  other = spawn(first, words, { stdio: "ignore" });
});
test.after(() => void other.kill());

/** How many locks this process has on a file, as the kernel counts them. */
function locksOn(path: string): number {
  const { ino } = statSync(path);
  const lines = readFileSync("/proc/locks", "latin1").split("\n");
  return lines.filter((line) => line.includes(`:${ino} `) && line.includes(` ${process.pid} `)).length;
}

/** Whether the kernel's list has the locks of this process; in some containers it is empty, or names other inodes. */
async function areListed(): Promise<boolean> {
  const home = newFolder();
  mkdirSync(join(home, "lock"));
  const lock = new LockEnvironment(home);
  try {
    return locksOn(gateOf(home)) > 0;
  } catch {
    return false;
  } finally {
    await lock.close();
    rmSync(home, { recursive: true });
  }
}

const gateOf = (home: string) => join(lockFolder(home), "gate-1", "lock.mdb");

const listed = await areListed();
if (!listed) console.log("the look at who has the lock: skipped: /proc/locks (it does not list our locks)");
const testOfLocks = listed ? test : test.skip;

/** Openers look only where another process has the store open. */
function markOther(parent: string): void {
  writeFileSync(join(parent, `open-${other.pid}-other`), "");
}

testOfLocks("takes no lock away from the process that looks", async () => {
  const home = newFolder();
  await openTestStore(home);
  markOther(lockFolder(home));
  const before = locksOn(gateOf(home));
  await whenFree(lockFolder(home), 1000);
  assert.is(locksOn(gateOf(home)), before);
  await openTestStore(home, { readOnly: true });
  assert.ok(locksOn(gateOf(home)) >= before);
});

/** A thread of `gate-opener.ts`. Threads do not get the loader of TypeScript from the main one. */
function opener(data: object): Worker {
  const loader = import.meta.resolve("tsx/esm/api");
  const program = new URL("gate-opener.ts", import.meta.url).href;
  const code = `import(${JSON.stringify(loader)}).then(({ register }) => {
    register();
    return import(${JSON.stringify(program)});
  })`;
  return new Worker(code, { eval: true, workerData: data });
}

testOfLocks("takes none away when threads of one process look and open at once", async () => {
  const home = newFolder();
  await openTestStore(home);
  await closeStores();
  markOther(lockFolder(home));
  const start = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from({ length: 3 }, () => opener({ home, start }));
  const answers = (what: string) =>
    within(30_000, what, () =>
      Promise.all(
        workers.map(
          (worker) =>
            new Promise((resolve, reject) => {
              worker.once("message", resolve);
              worker.once("error", reject);
            }),
        ),
      ),
    );
  try {
    await answers("the start of threads");
    const opened = answers("opening");
    Atomics.store(start, 0, 1);
    Atomics.notify(start, 0);
    assert.equal(await opened, ["open", "open", "open"]);
    assert.ok(locksOn(gateOf(home)) > 0);
    const closed = answers("closing");
    for (const worker of workers) worker.postMessage("close");
    assert.equal(await closed, ["closed", "closed", "closed"]);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});

/** A file where the look finds a mutex that a thread has, as LMDB and the C library lay it out. */
function fakeGate(): { parent: string; hold(thread: number): void; close(): void } {
  const parent = newFolder();
  const folder = join(parent, "gate-1");
  mkdirSync(folder);
  markOther(parent);
  const file = openSync(join(folder, "lock.mdb"), "w");
  const bytes = Buffer.alloc(12);
  return {
    parent,
    hold(thread) {
      bytes.writeUInt32LE(thread, 0);
      bytes.writeUInt32LE(thread, 8);
      // In one write: who looks must not find a part of it.
      writeSync(file, bytes, 0, bytes.length, 64);
    },
    close: () => closeSync(file),
  };
}

test("waits for who has it, and no longer than it may", async () => {
  const { parent, hold, close } = fakeGate();
  hold(other.pid!);
  const error = await failureWithHint(whenFree(parent, 100), "UNAVAILABLE");
  assert.match(error.message, String(other.pid!));
  const waiting = whenFree(parent, 30_000);
  hold(0);
  await within(20_000, "waiting for nobody", () => waiting);
  close();
});

test("does not wait on when the lock goes from one process to the next", async () => {
  const { parent, hold, close } = fakeGate();
  const holders = [other.pid!, process.pid];
  let turn = 0;
  hold(holders[0]!);
  const timer = setInterval(() => hold(holders[++turn % 2]!), 20);
  try {
    // Two looks in a row find the same one now and then, and a hundred do not.
    await whenFree(parent, 10_000);
  } finally {
    clearInterval(timer);
    close();
  }
});

/** Commands of the children of this process. */
function children(): string[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  const stats = pids.map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/stat`, "latin1");
    } catch {
      return "";
    }
  });
  const own = stats
    .map((stat) => /\((.*)\) \S (\d+)/.exec(stat))
    .filter((of) => Number(of?.[2]) === process.pid);
  return own.map((of) => of![1]!);
}

test("who opens it beside others is made to look again while that takes, and nobody else", async () => {
  const { parent, hold, close } = fakeGate();
  assert.not((await openWhenFree(parent, 10_000, children)).includes("sh"));
  const holders = [other.pid!, process.pid];
  let turn = 0;
  hold(holders[0]!);
  const timer = setInterval(() => hold(holders[++turn % 2]!), 20);
  try {
    assert.ok((await openWhenFree(parent, 10_000, children)).includes("sh"));
  } finally {
    clearInterval(timer);
    close();
  }
});

test("finds who really has it", async () => {
  const home = newFolder();
  await openTestStore(home);
  await closeStores();
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  const error = await failureWithHint(whenFree(lockFolder(home), 100), "UNAVAILABLE");
  assert.match(error.message, String(holder.process.pid));
  holder.tell("go");
  await holder.end();
  await whenFree(lockFolder(home), 100);
  track(new LockEnvironment(home)).holdSync(() => {});
});

test.run();
