import { suite } from "uvu";
import * as assert from "uvu/assert";
import { LockEnvironment } from "../../engine/index/lock.ts";
import { listGenerations } from "../../engine/maintenance/home.ts";
import { LiveIndex } from "../../engine/maintenance/live-index.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";
import { check, filledHome, leaveAlone, openToPack, whilePacking } from "./idle-packing-support.ts";

const test = suite("the end of packing an index by itself");
const { pack } = LiveIndex.prototype;
const { takeCompactor } = LockEnvironment.prototype;
test.after.each(() => {
  LockEnvironment.prototype.takeCompactor = takeCompactor;
});
test.after.each(leaveAlone);
test.after.each(closeAll);
test.after.each(killPrograms);

test("who compacts ends it, here", async () => {
  const home = await filledHome();
  let compacted: Promise<unknown> | undefined;
  let isPacking = false;
  LiveIndex.prototype.pack = function (options) {
    isPacking = true;
    return pack.call(this, options).finally(() => (isPacking = false));
  };
  const beside: boolean[] = [];
  LockEnvironment.prototype.takeCompactor = function (yields) {
    if (!yields) beside.push(isPacking);
    return takeCompactor.call(this, yields);
  };
  whilePacking(() => {
    compacted = store.compact();
  });
  const store = await openToPack(home);
  await until("a packing", () => compacted !== undefined);
  await compacted;
  assert.equal(beside, [false]);
  assert.is(listGenerations(home).length, 1);
  await check(store);
});

test("who compacts ends it, in another process", async () => {
  const home = await filledHome();
  const troubles: string[] = [];
  const warn = (message: string) => void troubles.push(message);
  let other: Program | undefined;
  let isOver = false;
  // It has the lease, and goes on only behind the compaction.
  LiveIndex.prototype.pack = async ({ hold }) => {
    await hold(() => {});
    other = new Program("../engine/compact-program.ts", [home, ""]);
    await other.expect();
    await other.ended();
    await failure(
      hold(() => {}),
      "CONFLICT",
    );
    await hold(() => {}).finally(() => {
      isOver = true;
    });
  };
  const store = await openToPack(home, { logger: { debug() {}, info() {}, warn, error: warn } });
  await until("its end", () => isOver);
  await check(store);
  assert.equal(troubles, []);
});

test("closing ends it, and it leaves nothing", async () => {
  const home = await filledHome();
  const before = listGenerations(home);
  let closed: Promise<void> | undefined;
  whilePacking(() => {
    closed = store.close();
  });
  const store = await openToPack(home);
  await until("a packing", () => closed !== undefined);
  await closed;
  assert.equal(listGenerations(home), before);
  await check(await openSeamStore(home));
});

test("closing does not wait for who has the lock of the store for long", async () => {
  const home = await filledHome();
  const store = await openToPack(home, { lockWaitMax: 100 });
  const program = new Program("../engine/lock-holder.ts", [home]);
  let isHeld = false;
  let packed: Promise<void> | undefined;
  LiveIndex.prototype.pack = () => {
    packed = program.expect().then(() => {
      isHeld = true;
    });
    return packed;
  };
  await until("a packing", () => packed !== undefined);
  const letGo = packed!
    .then(() => program.expect())
    .then(
      () => (isHeld = false),
      () => {},
    );
  await packed;
  await store.close();
  assert.ok(isHeld);
  await program.kill();
  await letGo;
});

test("a process whose own work is done ends, also in the middle of it", async () => {
  const home = newFolder();
  const program = new Program("../engine/idle-packing-program.ts", [home]);
  assert.equal(await program.expect(), { begun: true });
  assert.equal(await program.expect(), { ended: true, isPacked: false });
  await program.ended();
  await check(await openSeamStore(home));
});

test.run();
