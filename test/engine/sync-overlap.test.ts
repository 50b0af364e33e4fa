import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Catalog } from "../../engine/index/catalog.ts";
import { indexDamage } from "../../engine/index/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { gate, systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { watch, within } from "../helpers/time.ts";

/** The sync of a group begins before the index has it: what then, where the index can't take it in. */
const test = suite("syncs beside the index");

const { setApplied } = Catalog.prototype;
test.after.each(() => {
  Catalog.prototype.setApplied = setApplied;
});
test.after.each(killPrograms);
test.after.each(closeAll);

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 30));

/** The index of this process fails behind the next append. */
function failIndexOnce(error: unknown): void {
  Catalog.prototype.setApplied = function (position) {
    Catalog.prototype.setApplied = setApplied;
    setApplied.call(this, position);
    throw error;
  };
}

/** Whether a copy of a home, which has no more than the log says, has an artifact. */
async function openCopyAndAsk(home: string, ref: string): Promise<boolean> {
  const copy = await openTestStore(copyHome(home));
  return copy.has(ref);
}

test("the disk is at work while the index takes a group in", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  await store.save("a", 1);
  const order: string[] = [];
  files.onSync = () => void order.push("sync begun");
  Catalog.prototype.setApplied = function (position) {
    order.push("index");
    setApplied.call(this, position);
  };
  await store.save("a", 2);
  assert.equal(order, ["sync begun", "index"]);
});

test("a group that the index can't take in is none, though it is synced: its number is another's, which waits for a sync", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  const kept = await store.save("a", "kept");
  const first = gate();
  files.onSync = () => first.opened;
  failIndexOnce(systemError("ENOSPC", "pwrite"));
  const lost = [store.save("a", "lost"), store.save("b", "lost")];
  const failing = Promise.all(lost.map((call) => failureWithHint(call, "NO_SPACE")));
  await turn();
  assert.is(await store.has("b"), false, "it is not there while it is synced");
  first.open();
  const errors = await failing;
  assert.equal(
    errors.map(({ outcome }) => outcome),
    [undefined, undefined],
    "nothing of it is left",
  );
  assert.equal([await openCopyAndAsk(home, "b"), await openCopyAndAsk(home, "a:1")], [false, false]);
  const second = gate();
  files.onSync = () => second.opened;
  const saving = store.save("a", "next");
  const states = [watch(saving)];
  await turn();
  const loading = store.load("a:1");
  states.push(watch(loading));
  await turn();
  const early = states.map(({ settled }) => settled);
  second.open();
  files.onSync = undefined;
  assert.is((await saving).sequence, kept.sequence + 1);
  assert.is(await loading, "next");
  assert.equal(early, [false, false]);
  await store.close();
  for (const opened of [home, copyHome(home)]) {
    const again = await openTestStore(opened);
    assert.equal(
      [await again.load("a:1"), await again.has("a:2"), await again.has("b")],
      ["next", false, false],
    );
    await again.rebuildIndex();
    assert.equal(
      [await again.load("a:1"), await again.has("a:2"), await again.has("b")],
      ["next", false, false],
    );
    assert.ok((await again.verify({ full: true })).ok);
    await again.close();
  }
});

test("a group that met damage in the index behind its append is saved all the same, once, before what was called later", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  await store.save("a", 0);
  failIndexOnce(indexDamage("made up"));
  const first = store.save("a", 1);
  const later = turn().then(() => store.save("a", 2));
  const held = gate();
  files.onSync = () => held.opened;
  await turn();
  await turn();
  held.open();
  files.onSync = undefined;
  assert.equal([(await first).version, (await later).version], [1, 2]);
  await store.close();
  const again = await openTestStore(copyHome(home));
  assert.equal([await again.load("a:1"), await again.load("a:2"), await again.has("a:3")], [1, 2, false]);
});

test("where the sync fails too, nothing of the group is left, and what was there before is", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  await store.save("a", "kept");
  let left = 1;
  files.onSync = () => {
    if (left-- > 0) throw systemError("EIO", "fdatasync");
  };
  failIndexOnce(systemError("EIO", "pwrite"));
  await failure(store.save("a", "lost"), "IO");
  assert.is((await store.save("a", "next")).version, 1);
  await store.rebuildIndex();
  assert.equal(
    [await store.load("a:0"), await store.load("a:1"), await store.has("a:2")],
    ["kept", "next", false],
  );
  assert.ok((await store.verify({ full: true })).ok);
});

test("where another process has the lock by then, the call ends in time, with its outcome open", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files, lockWaitMax: 300 });
  await store.save("a", 0);
  const held = gate();
  files.onSync = () => held.opened;
  failIndexOnce(systemError("EIO", "pwrite"));
  const failing = failure(store.save("a", 1), "IO");
  const other = await openTestStore(home);
  await turn();
  const holder = new Program("../processes/lock-holder.ts", [home]);
  await holder.expect();
  held.open();
  files.onSync = undefined;
  const error = await within(10_000, "the failed save", () => failing);
  assert.is(error.outcome, "unknown");
  holder.tell("go");
  await holder.end();
  assert.is((await store.save("a", 2)).version, 1);
  await other.close();
});

test.run();
