import { mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { currentBootId } from "../../engine/index/boot.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { LockEnvironment, lockFolder } from "../../engine/index/lock.ts";
import { signBytes, signOf } from "../../engine/index/openers.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { lockOf, newLockHome } from "../helpers/lock-homes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, track } from "../helpers/stores.ts";

const test = suite("lock environment");
test.after.each(killPrograms);
test.after.each(closeAll);

const state = {
  identity: { storeId: "0123456789abcdef0123456789abcdef", application: "artifact" },
  tail: { segment: 3, offset: 2 ** 40, sequence: 2 ** 50, time: 1_700_000_000_000, chain: 2n ** 63n + 1n },
  durableSequence: 2 ** 50 - 1,
  generation: 9,
  indexUnclean: true,
  cutAtTail: false,
  syncFailed: true,
  indexSuspect: false,
  checkpointSequence: 2 ** 49,
  logEpoch: 7,
  losses: 3,
};

test("the shared state comes back as it was, and is absent before the first", () => {
  const lock = lockOf(newLockHome());
  assert.is(lock.state(), undefined);
  for (const flags of [{}, { indexUnclean: false, cutAtTail: true, syncFailed: false, indexSuspect: true }]) {
    lock.holdSync(() => lock.setState({ ...state, ...flags }));
    assert.equal(lock.state(), { ...state, ...flags });
  }
});

test("its folder is named after the boot and the inode of the folder above", () => {
  const home = newLockHome();
  lockOf(home);
  const { dev, ino, birthtimeNs } = statSync(join(home, "lock"), { bigint: true });
  const place = `${dev.toString(16)}-${ino.toString(16)}-${birthtimeNs.toString(16)}`;
  assert.equal(readdirSync(join(home, "lock")), [`${currentBootId()}-${place}`]);
});

test("a copied home gets a lock of its own, and a moved one keeps its", async () => {
  const home = newLockHome();
  const lock = lockOf(home);
  lock.holdSync(() => lock.setState(state));
  const copy = copyHome(home);
  assert.is(lockOf(copy).state(), undefined);
  await lock.close();
  const moved = join(newFolder(), "moved");
  renameSync(home, moved);
  assert.equal(lockOf(moved).state(), state);
  assert.is.not(lockFolder(moved), lockFolder(copy));
});

test("environments of earlier boots are removed, nothing else", () => {
  const home = newLockHome();
  const lock = lockOf(home);
  const folder = join(home, "lock");
  const own = readdirSync(folder)[0]!;
  const otherInode = `${currentBootId()}-1-2-3`;
  for (const name of ["0123456789abcdef-1-2", otherInode, "notes"]) mkdirSync(join(folder, name));
  lock.removeOthers(home);
  assert.equal(readdirSync(folder).sort(), [own, otherInode, "notes"].sort());
});

test("those that have it open are counted, and let go when they leave", () => {
  const home = newLockHome();
  const first = lockOf(home);
  first.holdSync(() => first.register(false));
  assert.is(first.others(), 0);
  const second = lockOf(home);
  second.holdSync(() => second.register(false));
  first.refresh();
  assert.equal([first.others(), second.others()], [1, 1]);
  assert.equal([first.isAlone(), second.isAlone()], [false, false]);
  first.holdSync(() => first.unregister());
  second.refresh();
  assert.is(second.others(), 0);
  assert.ok(second.isAlone());
});

test("rows of processes that are gone, or whose number another one has now, are removed at the next registration", async () => {
  const home = newLockHome();
  const environment = await rowsOf(home);
  const own = { start: "1", namespace: statSync("/proc/self/ns/pid").ino, heartbeat: Date.now() };
  const rows = [
    { ...own, pid: 2 ** 22 - 1 },
    { ...own, pid: process.pid },
    { ...own, namespace: 7, pid: 1, heartbeat: Date.now() - 60_000 },
  ];
  environment.transactSync(() => {
    for (const [i, row] of rows.entries()) environment.put(Buffer.from(`opener/${i}`), signBytes(row));
  });
  const lock = lockOf(home);
  assert.is(lock.others(), 3);
  lock.holdSync(() => lock.register(false));
  assert.is(lock.others(), 0);
});

/** The rows of a lock that nobody has open. */
async function rowsOf(home: string): Promise<Environment> {
  const lock = new LockEnvironment(home);
  lock.holdSync(() => {});
  await lock.close();
  const name = readdirSync(lockFolder(home)).find((each) => each.startsWith("state-"))!;
  return track(new Environment(join(lockFolder(home), name)));
}

test("a living process of another PID namespace is refused, and named", async () => {
  const home = newLockHome();
  const environment = await rowsOf(home);
  const row = { pid: 42, start: "1", namespace: 7, heartbeat: Date.now() };
  environment.transactSync(() => environment.put(Buffer.from("opener/x"), signBytes(row)));
  const lock = lockOf(home);
  const error = await failureWithHint(() => lock.holdSync(() => lock.register(false)), "NOT_SUPPORTED");
  assert.match(error.message, "42");
  lock.holdSync(() => lock.register(true));
  assert.is(lock.others(), 1);
});

test("a sign with any bit flipped is nobody's, so that it refuses nobody", async () => {
  const sound = signBytes({ pid: 42, start: "1", namespace: 7, heartbeat: Date.now() });
  assert.is(signOf(sound).pid, 42);
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const flipped = Buffer.from(sound);
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.is(signOf(flipped).pid, 0, `bit ${bit}`);
  }
  for (let length = 0; length < sound.length; length++)
    assert.is(signOf(sound.subarray(0, length)).pid, 0, `${length} bytes`);
});

test("a lock that was removed or replaced locks nobody out, so whoever holds it stops", async () => {
  for (const replaced of [false, true]) {
    const home = newLockHome();
    const lock = lockOf(home);
    lock.holdSync(() => lock.setState(state));
    const folder = lockFolder(home);
    renameSync(folder, `${folder}-gone`);
    if (replaced) lockOf(home);
    let ran = false;
    const action = () => {
      ran = true;
    };
    await failureWithHint(() => lock.holdSync(action), "IO");
    await failureWithHint(lock.hold(action), "IO");
    assert.is(ran, false);
  }
});

test("nothing that a failing action put is kept when it holds the lock at once", () => {
  const lock = lockOf(newLockHome());
  assert.throws(() =>
    lock.holdSync(() => {
      lock.setState(state);
      throw new Error("mine");
    }),
  );
  assert.is(lock.state(), undefined);
});

test("two processes never hold it together", async () => {
  assert.is(await countedBy(["hold", 300], ["holdSync", 300]), 600);
});

/** Processes that count up side by side: how, and how often. */
async function countedBy(...counters: [string, number][]): Promise<number> {
  const home = newLockHome();
  const lock = lockOf(home);
  lock.holdSync(() => lock.setState({ ...state, generation: 0 }));
  await lock.close();
  const programs = counters.map(
    ([how, count]) => new Program("../index/lock-counter.ts", [home, how, String(count)]),
  );
  for (const program of programs) await program.expect();
  for (const program of programs) program.tell("go");
  for (const program of programs) await program.expect();
  for (const program of programs) await program.end();
  return lockOf(home).state()!.generation;
}

test("who opens and closes it all the time takes nothing away from who writes", async () => {
  assert.is(await countedBy(["reopen", 500], ["reopen", 500], ["holdSync", 20_000]), 21_000);
});

test("who opens it while the last one closes it is not stopped by that", async () => {
  assert.is(await countedBy(["reopen", 800], ["reopen", 800]), 1600);
});

test("a gate that is marked dead is passed over", () => {
  const home = newLockHome();
  mkdirSync(lockFolder(home));
  writeFileSync(join(lockFolder(home), "gate-1.dead"), "");
  const lock = lockOf(home);
  lock.holdSync(() => lock.setState(state));
  const names = readdirSync(lockFolder(home)).map((name) => name.replace(/^state-.*/, "state"));
  assert.equal(names.sort(), ["gate-1.dead", "gate-2", "state"]);
});

test.run();
