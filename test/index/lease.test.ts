import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CompactorLease } from "../../engine/index/lease.ts";
import type { LockEnvironment } from "../../engine/index/lock.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { leaseHolder, lockOf, newLockHome } from "../helpers/lock-homes.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll } from "../helpers/stores.ts";

/** Who may move records, and who is waited for by those who do. */
const test = suite("leases");
test.after.each(killPrograms);
test.after.each(closeAll);

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const take = (lock: LockEnvironment): CompactorLease => lock.holdSync(() => lock.takeCompactor());
const isOurs = (lock: LockEnvironment, lease: CompactorLease) => lock.holdSync(() => lease.isOurs());
const release = (lock: LockEnvironment, lease: CompactorLease) => lock.holdSync(() => lease.release());

test("one process has the lease at a time, and is named to others", async () => {
  const home = newLockHome();
  const holder = await leaseHolder(home);
  const lock = lockOf(home);
  assert.ok(lock.isCompacted);
  const error = await failureWithHint(() => take(lock), "CONFLICT");
  assert.match(error.message, `process ${holder.process.pid} is compacting`);
  await holder.kill();
  assert.not(lock.isCompacted);
  const lease = take(lock);
  assert.ok(isOurs(lock, lease));
  release(lock, lease);
});

test("within one process too, by the same handle and by others; given back it can be taken", async () => {
  const home = newLockHome();
  const [first, second] = [lockOf(home), lockOf(home)];
  for (const lock of [first, second]) {
    const lease = take(lock);
    for (const other of [first, second]) {
      const error = await failureWithHint(() => take(other), "CONFLICT");
      assert.match(error.message, "this process");
    }
    release(lock, lease);
    assert.not(first.isCompacted);
  }
});

test("from one that moves nothing it is taken by who moves records, and by nobody else", async () => {
  const home = newLockHome();
  const [first, second] = [lockOf(home), lockOf(home)];
  const yielding = first.holdSync(() => first.takeCompactor(true));
  assert.ok(second.isCompacted);
  await failureWithHint(() => second.holdSync(() => second.takeCompactor(true)), "CONFLICT");
  assert.ok(isOurs(first, yielding));
  const lease = take(second);
  assert.not(isOurs(first, yielding));
  first.holdSync(() => yielding.beat());
  release(first, yielding);
  assert.ok(isOurs(second, lease));
  for (const yields of [true, false])
    await failureWithHint(() => first.holdSync(() => first.takeCompactor(yields)), "CONFLICT");
  release(second, lease);
});

test("one that was silent for too long loses it, learns that at its next step, and takes nothing back", async () => {
  const home = newLockHome();
  const lock = lockOf(home, { silenceMax: 50, beat: 60_000 });
  const late = take(lock);
  await pause(80);
  const lease = take(lock);
  assert.not(isOurs(lock, late));
  lock.holdSync(() => late.beat());
  release(lock, late);
  assert.ok(isOurs(lock, lease));
  release(lock, lease);
});

test("it is kept by signs of life: while nothing is done by themselves", async () => {
  const lock = lockOf(newLockHome(), { silenceMax: 1_500, beat: 100 });
  const lease = take(lock);
  await pause(2_000);
  await failureWithHint(() => take(lock), "CONFLICT");
  release(lock, lease);
});

test("and at each step that looks, also where that leaves no time for anything else", async () => {
  const lock = lockOf(newLockHome(), { silenceMax: 900, beat: 100 });
  const lease = take(lock);
  for (let step = 0; step < 3; step++) {
    for (const until = performance.now() + 400; performance.now() < until; );
    assert.ok(isOurs(lock, lease));
  }
  await failureWithHint(() => take(lock), "CONFLICT");
  release(lock, lease);
});

test("the oldest epoch is that of all who are there, readers included, and only grows by what they say", async () => {
  const home = newLockHome();
  const [first, second, reader] = [lockOf(home), lockOf(home), lockOf(home)];
  assert.is(first.oldestEpoch(), Number.POSITIVE_INFINITY);
  for (const lock of [first, second]) lock.holdSync(() => lock.register(false));
  reader.holdSync(() => reader.register(false, "reader"));
  assert.is(first.oldestEpoch(), 0);
  for (const lock of [first, second]) await lock.acknowledge(() => 3);
  assert.is(first.oldestEpoch(), 0, "the reader has not");
  await reader.acknowledge(() => 2);
  assert.is(second.oldestEpoch(), 2);
  await reader.acknowledge(() => 1);
  assert.is(second.oldestEpoch(), 2, "never back");
  reader.holdSync(() => reader.unregister());
  assert.is(second.oldestEpoch(), 3);
  await reader.acknowledge(() => 1);
  assert.is(second.oldestEpoch(), 3, "who has left is not entered again");
});

test("who was silent for too long is not waited for, and who goes on is again, with what it had acknowledged", async () => {
  const home = newLockHome();
  const silent = lockOf(home, { beat: 300 });
  silent.holdSync(() => silent.register(false));
  const other = lockOf(home, { silenceMax: 50 });
  await pause(80);
  assert.is(other.oldestEpoch(), Number.POSITIVE_INFINITY);
  other.holdSync(() => other.removeGone());
  assert.is(lockOf(home).oldestEpoch(), Number.POSITIVE_INFINITY);
  await pause(600);
  assert.is(lockOf(home).oldestEpoch(), 0, "it has entered itself again");
});

test("readers are no openers for those who leave, but keep others from taking the lock at once", () => {
  const home = newLockHome();
  const [writer, reader] = [lockOf(home), lockOf(home)];
  writer.holdSync(() => writer.register(false));
  assert.ok(writer.isAlone());
  reader.holdSync(() => reader.register(false, "reader"));
  assert.is(writer.others(), 0);
  assert.not(writer.isAlone());
  reader.holdSync(() => reader.unregister());
  assert.ok(writer.isAlone());
});

test.run();
