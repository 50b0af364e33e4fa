import { suite } from "uvu";
import * as assert from "uvu/assert";
import { segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

/** A disk that fails, or is full, at each step of a commit. */
const test = suite("commits that fail");
test.after.each(closeAll);

test("a failed sync rejects with an open outcome, and nothing is written after it", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  await store.save("safe", 1);
  files.onSync = () => {
    throw systemError("EIO", "fdatasync");
  };
  const results = await Promise.allSettled([store.save("a", 1), store.save("b", 2)]);
  for (const result of results) {
    assert.is(result.status, "rejected");
    const { reason } = result as PromiseRejectedResult;
    assert.equal([reason.code, reason.outcome], ["IO", "unknown"]);
    assert.ok(reason.hint);
  }
  files.onSync = undefined;
  const { appends } = files.counts;
  await failureWithHint(store.save("c", 3), "IO");
  await failureWithHint(store.delete("safe:0"), "IO");
  assert.is(files.counts.appends, appends, "nothing is written");
  assert.is(await store.load("safe"), 1, "what is on the disk can be read");
  await failure(store.load("a"), "IO");
});

for (const segmentBytesMax of [undefined, 300]) {
  const what = segmentBytesMax ? "in many segments" : "in one segment";
  test(`after a failed sync the store works again once all have closed it, ${what}`, async () => {
    const files = new WatchedFiles();
    const home = newFolder();
    const options = segmentBytesMax ? { files, segmentBytesMax } : { files };
    const store = await openSeamStore(home, options);
    await store.save("safe", 1);
    await store.save("safe", "x".repeat(500));
    const earlier = segmentBytesMax ? segmentsOf(home) : [];
    let broken = false;
    files.onSync = (path) => {
      broken ||= path.endsWith(".varve") && !earlier.includes(path);
      if (broken) throw systemError("EIO", "fdatasync");
    };
    await failure(store.save("a", "y".repeat(1000)), "IO");
    files.onSync = undefined;
    await store.close();
    const again = await openTestStore(home);
    assert.is(await again.load("safe:0"), 1);
    assert.is(await again.load("safe"), "x".repeat(500));
    assert.is(await again.load("a"), "y".repeat(1000), "what may have been lost is written again");
    assert.is((await again.save("safe", 2)).version, 2);
    assert.is((await again.save("a", 2)).version, 1);
    assert.ok((await again.verify({ full: true })).ok);
    await again.close();
    const copy = await openTestStore(copyHome(home));
    assert.is(await copy.load("a:0"), "y".repeat(1000));
    assert.is(await copy.load("safe"), 2);
    assert.ok((await copy.verify({ full: true })).ok);
  });
}

test("a sync that fails on the way to a new segment fails the save, of which nothing is written, and all after it", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files, segmentBytesMax: 300 }, "buffered");
  await store.save("a", "x".repeat(500));
  await store.close();
  const again = await openSeamStore(home, { files, segmentBytesMax: 300 });
  files.onSync = () => {
    throw systemError("EIO", "fdatasync");
  };
  const { appendedBytes } = files.counts;
  assert.is((await failureWithHint(again.save("a", 1), "IO")).outcome, undefined);
  files.onSync = undefined;
  assert.is((await failureWithHint(again.save("a", 2), "IO")).outcome, undefined);
  assert.ok(
    files.counts.appendedBytes - appendedBytes <= 128,
    "no more than the header of a segment without a name",
  );
  assert.is(await again.load("a"), "x".repeat(500));
  await again.close();
  const healed = await openTestStore(home);
  assert.is((await healed.save("a", 3)).version, 1);
});

test("a write that finds no space is NO_SPACE, and the store works again when there is room", async () => {
  for (const part of ["nothing", "half", "all but a byte"]) {
    const files = new WatchedFiles();
    const home = newFolder();
    const store = await openSeamStore(home, { files });
    await store.save("a", "kept");
    files.onAppend = (pieces, write) => {
      const bytes = Buffer.concat(pieces);
      const length = part === "nothing" ? 0 : part === "half" ? bytes.length / 2 : bytes.length - 1;
      write([bytes.subarray(0, length)]);
      throw systemError("ENOSPC", "write");
    };
    const results = await Promise.allSettled([
      store.save("a", "lost"),
      store.save("b", "lost too"),
      store.batch((batch) => void batch.save("c", 1)),
    ]);
    for (const result of results) {
      assert.is(result.status, "rejected");
      assert.is((result as PromiseRejectedResult).reason.code, "NO_SPACE", part);
    }
    files.onAppend = undefined;
    const check = async (opened: typeof store, versions: number) => {
      assert.is((await opened.stats()).versions, versions, part);
      assert.is(await opened.load("a:0"), "kept");
      assert.is(await opened.has("b"), false, part);
      assert.is(await opened.has("c"), false, part);
    };
    await check(store, 1);
    await store.rebuildIndex();
    await check(store, 1);
    assert.is((await store.save("a", "next")).version, 1);
    await check(store, 2);
    await store.rebuildIndex();
    await check(store, 2);
    await store.close();
    await check(await openTestStore(home), 2);
    const copy = await openTestStore(copyHome(home));
    await check(copy, 2);
    assert.ok((await copy.verify({ full: true })).ok, part);
  }
});

test("a failed write that reached the log is not visible after closing and opening, copied or not", async () => {
  for (const copied of [false, true]) {
    const files = new WatchedFiles();
    const home = newFolder();
    const store = await openSeamStore(home, { files });
    await store.save("a", "kept");
    let left = 1;
    files.onAppend = (pieces, write) => {
      write(pieces);
      if (left-- > 0) throw systemError("EIO", "write");
    };
    const error = await failure(store.save("a", "lost"), "IO");
    await store.close();
    const again = await openTestStore(copied ? copyHome(home) : home);
    // It may be there only where the caller was told that the outcome is open.
    if (error.outcome !== "unknown") assert.is((await again.stats()).versions, 1);
    const { versions } = await again.stats();
    assert.is((await again.save("a", "next")).version, versions);
    assert.is((await again.stats()).versions, versions + 1);
    await again.rebuildIndex();
    assert.is((await again.stats()).versions, versions + 1);
    assert.is(await again.load("a"), "next");
  }
});

test("a new segment that can't be made fails the save only, and the next one makes it", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files, segmentBytesMax: 500 });
  await store.save("a", "x".repeat(600));
  files.onOpen = (_, mode) => {
    if (mode === "create") throw systemError("ENOSPC", "open");
  };
  await failureWithHint(store.save("a", 1), "NO_SPACE");
  files.onOpen = undefined;
  assert.is((await store.save("a", 2)).version, 1);
  assert.equal(segmentsOf(home).length, 2);
  await store.rebuildIndex();
  assert.is(await store.load("a:1"), 2);
  assert.is((await store.stats()).versions, 2);
});

test("below minFreeSpace saves are NO_SPACE, before anything is written; deleting still works", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files, minFreeSpace: 64 * 1024 * 1024 });
  await store.save("a", 1);
  files.onFreeBytes = () => 32 * 1024 * 1024;
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { appends } = files.counts;
  await failureWithHint(store.save("a", 2), "NO_SPACE");
  assert.is(files.counts.appends, appends);
  assert.equal((await store.delete("a:0")).deleted, ["a:0"]);
  files.onFreeBytes = undefined;
  await new Promise((resolve) => setTimeout(resolve, 300));
  await store.save("a", 3);
});

test("without room for the index too nothing is begun, deleting included, and all works again when there is some", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files, minFreeSpace: 0 });
  await store.save("a", 1);
  await new Promise((resolve) => setTimeout(resolve, 300));
  files.onFreeBytes = () => 1024 * 1024;
  const { appends } = files.counts;
  for (const call of [() => store.save("a", 2), () => store.delete("a:0")])
    assert.is((await failureWithHint(call, "NO_SPACE")).outcome, undefined);
  assert.is(files.counts.appends, appends);
  files.onFreeBytes = () => 4 * 1024 * 1024;
  await failureWithHint(store.save("a", Buffer.alloc(4 * 1024 * 1024)), "NO_SPACE");
  const many = await Promise.all(Array.from({ length: 200 }, (_, i) => store.save(`n${i}`, i)));
  assert.is(many.length, 200);
  assert.ok(files.counts.appends - appends >= 4, "in groups that there is room for");
});

test.run();
