import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Catalog } from "../../engine/index/catalog.ts";
import { LockEnvironment, lockFolder } from "../../engine/index/lock.ts";
import { cleanPosition } from "../../engine/index/mark.ts";
import type { SharedState } from "../../engine/index/shared-state.ts";
import { indexFolder, listGenerations, removeGenerationsBut } from "../../engine/maintenance/home.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { gate, systemError } from "../helpers/files.ts";
import { filesUnder, newFolder, openFilesUnder } from "../helpers/folders.ts";
import { openLiveIndex } from "../helpers/live-indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import { until } from "../helpers/time.ts";

const test = suite("generations of the index");
const { copyTo, setApplied } = Catalog.prototype;
test.after.each(() => {
  Catalog.prototype.copyTo = copyTo;
  Catalog.prototype.setApplied = setApplied;
});
test.after.each(killPrograms);
test.after.each(closeAll);

async function filledHome(count = 9): Promise<string> {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let i = 0; i < count; i++) await store.save(`n${i}`, { i });
  await store.close();
  return home;
}

async function checkAll(home: string, count = 9): Promise<void> {
  const store = await openTestStore(home);
  for (let i = 0; i < count; i++) assert.equal(await store.load(`n${i}`), { i });
  assert.ok((await store.verify({ full: true })).ok);
  await store.close();
}

const sorted = (home: string) => listGenerations(home).sort((a, b) => a - b);

/** What the processes of a home tell each other, asked by one more. */
async function stateOf(home: string): Promise<SharedState> {
  const lock = new LockEnvironment(home);
  const state = await lock.hold(() => lock.state()!);
  await lock.close();
  return state;
}

test("a generation with a higher number than those that are kept is somebody's copy, and stays", () => {
  const home = newFolder();
  for (const generation of [1, 2, 3, 7]) mkdirSync(indexFolder(home, generation));
  removeGenerationsBut(home, [1, 3]);
  assert.equal(sorted(home), [1, 3, 7]);
});

test("of two copies that are taken at once, none can remove the index in use", async () => {
  const home = await filledHome();
  const eager = { checkpointBatchesMin: 1 };
  const [a, b] = [await openLiveIndex(home, eager), await openLiveIndex(home, eager)];
  const c = await openLiveIndex(home);
  const copying: ReturnType<typeof gate>[] = [];
  Catalog.prototype.copyTo = async function (this: Catalog, folder: string) {
    const held = gate();
    copying.push(held);
    await held.opened;
    await copyTo.call(this, folder);
  };
  for (const { live, lock } of [b, a])
    await lock.hold(() => {
      // As when both find that one is due before the other has said so.
      lock.setState({ ...live.stateUnderLock(), checkpointSequence: 0 });
      live.stateForWriting();
    });
  assert.equal(sorted(home), [1, 2, 3]);
  copying[0]!.open();
  await until("a clean checkpoint", () => cleanPosition(indexFolder(home, 2)) !== undefined);
  await c.lock.hold(() => c.live.rebuild());
  const { generation } = c.live.state;
  assert.ok(existsSync(join(c.live.indexFolder, "data.mdb")));
  copying[1]!.open();
  await a.close();
  assert.ok(existsSync(join(c.live.indexFolder, "data.mdb")), "it is there still");
  assert.is(generation, 4, "a number that a copy has is not given again");
  await b.close();
  await c.close();
  await checkAll(home);
});

test("who begins a copy says so at once, whatever becomes of what he was about to do", async () => {
  const home = await filledHome();
  const a = await openLiveIndex(home, { checkpointBatchesMin: 1 });
  const b = await openLiveIndex(home, { checkpointBatchesMin: 1 });
  let copies = 0;
  const held = gate();
  Catalog.prototype.copyTo = async function (this: Catalog, folder: string) {
    copies++;
    await held.opened;
    await copyTo.call(this, folder);
  };
  // Each stores nothing: as a commit that has to wait for something first.
  for (const { live, lock } of [a, b]) await lock.hold(() => void live.stateForWriting());
  assert.is(copies, 1);
  assert.is((await stateOf(home)).checkpointSequence, 9);
  held.open();
});

test("an index that can't be made leaves no bytes, no descriptor, and its number", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  const descriptors = openFilesUnder(home).sort();
  Catalog.prototype.setApplied = () => {
    throw systemError("ENOSPC", "write");
  };
  for (let i = 0; i < 3; i++) await failureWithHint(store.rebuildIndex(), "NO_SPACE");
  Catalog.prototype.setApplied = setApplied;
  assert.equal(sorted(home), [1, 2, 3, 4]);
  for (const generation of [2, 3, 4]) assert.equal(filesUnder(indexFolder(home, generation)), []);
  // Closing goes on for a moment on other threads.
  await until("nothing more is open", () => String(openFilesUnder(home).sort()) === String(descriptors));
  await store.rebuildIndex();
  assert.equal(sorted(home), [5]);
  await store.close();
  await checkAll(home);
});

test("an index that was called clean by who died before he could say so is not clean while it is written to", async () => {
  const home = await filledHome();
  const lock = new LockEnvironment(home);
  await lock.hold(() => lock.setState({ ...lock.state()!, indexUnclean: true }));
  await lock.close();
  assert.ok(cleanPosition(indexFolder(home, 1)), "the mark is there");
  const store = await openTestStore(home);
  assert.is(cleanPosition(indexFolder(home, 1)), undefined, "before anything is written");
  await store.save("n9", { i: 9 });
  assert.equal(sorted(home), [1]);
  await store.close();
  assert.is(cleanPosition(indexFolder(home, 1))?.sequence, 10);
  await checkAll(home, 10);
});

test("an index that is in use is not opened by who finds no lock: it was removed under the others", async () => {
  const home = await filledHome();
  const first = await openTestStore(home);
  await first.save("n9", { i: 9 });
  rmSync(join(home, "lock"), { recursive: true });
  mkdirSync(join(home, "lock"));
  const second = await openLiveIndex(home);
  assert.is(second.live.state.generation, 2);
  assert.is(second.live.state.tail.sequence, 10);
  await failureWithHint(first.save("n10", { i: 10 }), "IO");
  assert.equal(await first.load("n9"), { i: 9 });
  await second.close();
  await first.close();
  await checkAll(home, 10);
});

test("nor by a process that finds no gate but what it protected", async () => {
  const home = await filledHome();
  const first = await openTestStore(home);
  await first.save("n9", { i: 9 });
  rmSync(join(lockFolder(home), "gate-1"), { recursive: true });
  const other = new Program("../processes/saver.ts", [home, "other", "o", "1", "1"]);
  await other.expect();
  assert.equal(sorted(home), [2]);
  await failureWithHint(first.save("n10", { i: 10 }), "IO");
  assert.equal(await first.load("n9"), { i: 9 });
  const { saved } = await other.ask("go");
  assert.equal(saved, [{ version: 0, value: "other-0", sequence: 11 }]);
  await other.end();
  await first.close();
  await checkAll(home, 10);
});

test.run();
