import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LockEnvironment, lockFolder } from "../../engine/index/lock.ts";
import { NOTHING_NOTED } from "../../engine/index/shared-state.ts";
import { newFolder, openFilesUnder } from "../helpers/folders.ts";
import { lockOf, newLockHome } from "../helpers/lock-homes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { until, within } from "../helpers/time.ts";

/** Handles of one process on the lock of one home. */
const test = suite("a lock that a process has open several times");
test.after.each(killPrograms);
test.after.each(closeAll);

/** A row of the lock that counts. */
function count(lock: LockEnvironment): number {
  const before = lock.state()?.generation ?? 0;
  lock.setState({ ...STATE, generation: before + 1 });
  return before + 1;
}

const STATE = {
  identity: { storeId: "0123456789abcdef0123456789abcdef", application: "artifact" },
  tail: { segment: 1, offset: 128, sequence: 1, time: 0, chain: 0n },
  durableSequence: 1,
  generation: 0,
  indexUnclean: false,
  ...NOTHING_NOTED,
};

test("each handle knows of the waits of all, so that none waits for itself", async () => {
  const home = newLockHome();
  const [first, second] = [lockOf(home), lockOf(home)];
  const held = first.hold(() => count(first));
  assert.ok(second.isWanted);
  assert.not(second.isAlone());
  const also = second.hold(() => count(second));
  assert.equal(await within(10_000, "two waits", () => Promise.all([held, also])), [1, 2]);
  assert.not(first.isWanted);
});

test("a handle that is opened while the last one closes goes on with the same lock", async () => {
  const home = newLockHome();
  let last = new LockEnvironment(home);
  for (let round = 1; round <= 50; round++) {
    const closing = last.close();
    // At once, a turn later, or when closing has begun to wait.
    if (round % 3 > 0) await Promise.resolve();
    if (round % 3 > 1) await new Promise((resolve) => setImmediate(resolve));
    const next = new LockEnvironment(home);
    const counted = next.hold(() => count(next));
    await within(10_000, `closing in round ${round}`, () => closing);
    assert.is(await within(10_000, `round ${round}`, () => counted), round);
    assert.is(next.state()!.generation, round);
    last = next;
  }
  await last.close();
  await untilClosed(home);
});

test("one that closes leaves the others theirs, and the last one leaves nothing open", async () => {
  const home = newLockHome();
  const locks = [lockOf(home), lockOf(home), lockOf(home)];
  for (const [i, lock] of locks.entries()) {
    assert.is(
      lock.holdSync(() => count(lock)),
      i + 1,
    );
    await lock.close();
  }
  await untilClosed(home);
});

test("closing does not wait for a call whose lock another process has, which ends when it gets it", async () => {
  const home = newLockHome();
  // Before the other one has the lock: to open it would wait for that on this thread.
  const lock = new LockEnvironment(home);
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  const waiting = lock.hold(() => 7);
  await within(10_000, "closing", () => lock.close());
  holder.tell("go");
  assert.is(await within(10_000, "the call", () => waiting), 7);
  await holder.end();
  const again = lockOf(home);
  assert.is(await again.hold(() => count(again)), 1);
  await again.close();
  await untilClosed(home);
});

test("two stores of one home in a process, one of them read-only, come and go by themselves", async () => {
  const home = newFolder();
  let writer = await openTestStore(home);
  for (let round = 0; round < 10; round++) {
    const reader = await openTestStore(home, { readOnly: true });
    await writer.save("x", round);
    assert.is(await reader.load("x"), round);
    // Not waited for: opened again in the same turn, or while it is going.
    const closing = [reader, writer].map((store) => store.close());
    if (round % 2 > 0) await new Promise((resolve) => setImmediate(resolve));
    writer = await within(10_000, "opening again", () => openTestStore(home));
    await within(10_000, "closing", () => Promise.all(closing));
    assert.is(await writer.load("x"), round);
  }
  const reader = await openTestStore(home, { readOnly: true });
  await writer.close();
  assert.is(await reader.load("x"), 9);
  writer = await openTestStore(home);
  await reader.close();
  assert.is((await writer.save("x", "last")).version, 10);
});

/** Closing goes on for a moment on other threads. */
async function untilClosed(home: string): Promise<void> {
  await until("no file is open", () => openFilesUnder(lockFolder(home)).length === 0);
}

test.run();
