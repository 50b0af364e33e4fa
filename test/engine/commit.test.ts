import { readFileSync, renameSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checksum } from "../../engine/log/checksum.ts";
import { decodeSegmentHeader, RecordKind } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import { segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { gate, systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("commit");
test.after.each(closeAll);

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 20));

/** Whether a promise has settled. */
function watch(promise: Promise<unknown>): { settled: boolean } {
  const state = { settled: false };
  const settle = () => {
    state.settled = true;
  };
  promise.then(settle, settle);
  return state;
}

test("many saves at once are few writes and few syncs", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  await store.save("first", 0);
  const { syncs, appends } = files.counts;
  await Promise.all(Array.from({ length: 1000 }, (_, i) => store.save(`n${i % 50}`, { i })));
  assert.ok(files.counts.syncs - syncs <= 3, `${files.counts.syncs - syncs} syncs`);
  assert.ok(files.counts.appends - appends <= 3, `${files.counts.appends - appends} appends`);
});

test("a save is a write to the log, then a sync of that segment, in this order", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  files.calls.length = 0;
  await store.save("a", 1);
  assert.equal(files.calls, ["append 0000000001.varve", "sync 0000000001.varve"]);
});

test("a save is acknowledged only when its sync has resolved", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  const syncing = gate();
  files.onSync = () => syncing.opened;
  const calls = [store.save("a", 1), store.save("b", 2), store.batch((batch) => void batch.save("c", 3))];
  const states = calls.map(watch);
  await turn();
  assert.is(files.counts.appends > 1, true, "it is written");
  assert.equal(
    states.map(({ settled }) => settled),
    [false, false, false],
  );
  syncing.open();
  await Promise.all(calls);
});

test("nothing is given to a reader before its sync has resolved", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  await store.save("a", "old");
  const syncing = gate();
  files.onSync = () => syncing.opened;
  const saving = store.save("a", "new");
  await turn();
  const reads: [string, Promise<unknown>][] = [
    ["load", store.load("a:1")],
    ["latest", store.load("a")],
    ["get", store.get("a:1")],
    ["has", store.has("a:1")],
    ["find", store.find("a:1")],
    ["list", store.list()[Symbol.asyncIterator]().next()],
  ];
  const states = reads.map(([name, read]) => ({ name, state: watch(read) }));
  assert.is(await store.load("a:0"), "old", "what is on the disk is given at once");
  await turn();
  for (const { name, state } of states) assert.is(state.settled, false, name);
  syncing.open();
  await Promise.all([saving, ...reads.map(([, read]) => read)]);
});

test("an alias is not told before its sync has resolved", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  await store.save("a", 0);
  await store.save("a", 1);
  await store.setAlias("a", "x", 0);
  const syncing = gate();
  files.onSync = () => syncing.opened;
  const setting = store.setAlias("a", "x", 1);
  await turn();
  const reads = { aliases: store.aliases("a"), load: store.load("a@x"), get: store.get("a:1") };
  const states = Object.entries(reads).map(([name, read]) => ({ name, state: watch(read) }));
  await turn();
  const early = states.filter(({ state }) => state.settled).map(({ name }) => name);
  syncing.open();
  await Promise.all([setting, ...Object.values(reads)]);
  assert.equal(early, []);
});

test("a buffered save is acknowledged before its sync, and is synced all the same", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files }, "buffered");
  const syncing = gate();
  files.onSync = () => syncing.opened;
  const first = await store.save("a", 1);
  assert.is(first.ref, "a:0");
  await turn();
  assert.is(files.counts.syncs > 0, true);
  syncing.open();
});

test("a buffered save does not wait for the sync of the one before", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files }, "buffered");
  const syncing = gate();
  files.onSync = () => syncing.opened;
  await store.save("a", 1);
  const second = store.save("a", 2);
  const state = watch(second);
  await turn();
  await turn();
  const waited = !state.settled;
  syncing.open();
  await second;
  assert.is(waited, false);
});

test("closing waits for buffered saves to be on the disk", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files }, "buffered");
  const syncing = gate();
  files.onSync = () => syncing.opened;
  await store.save("a", 1);
  const closing = store.close();
  const state = watch(closing);
  await turn();
  assert.is(state.settled, false);
  syncing.open();
  await closing;
  assert.ok(files.counts.syncs > 0);
});

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

test("one batch that fails in a group leaves the others", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  const results = await Promise.allSettled([
    store.save("a", 1),
    store.save("b", 1, { ifVersion: 7 }),
    store.batch((batch) => {
      batch.save("a", 2);
      batch.save("c", 2);
      batch.delete("none:0");
    }),
    store.save("c", 3),
    store.save("a", 4),
  ]);
  assert.equal(
    results.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected", "fulfilled", "fulfilled"],
  );
  assert.equal([await store.load("a:0"), await store.load("a:1"), await store.load("c:0")], [1, 4, 3]);
  const before = await store.stats();
  await store.rebuildIndex();
  assert.equal({ ...(await store.stats()), indexBytes: 0 }, { ...before, indexBytes: 0 });
});

test("a batch that fails takes its rows and counts back exactly, also those it shares with its group", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  const shared = Buffer.alloc(3000, 1);
  const failing = () =>
    store
      .batch((batch) => {
        batch.save("b", shared);
        batch.save("b", Buffer.alloc(3000, 2));
        batch.delete("a:0");
        batch.save("a", shared);
        batch.delete("none:0");
      })
      .catch(({ code }) => code);
  await store.save("a", shared);
  const calls = [
    failing(),
    store.save("x", shared),
    failing(),
    store.save("y", Buffer.alloc(3000, 2)),
    failing(),
  ];
  const [first, , second, , third] = await Promise.all(calls);
  assert.equal([first, second, third], ["NOT_FOUND", "NOT_FOUND", "NOT_FOUND"]);
  const stats = await store.stats();
  assert.is(stats.blobs, 2);
  assert.is(stats.liveBlobBytes, 6000);
  assert.is(stats.deduplicatedBytes, 3000);
  assert.ok(shared.equals(await store.load<Uint8Array>("x")));
  await store.rebuildIndex();
  assert.equal({ ...(await store.stats()), indexBytes: 0 }, { ...stats, indexBytes: 0 });
  assert.ok((await store.verify({ full: true })).ok);
});

test("another writer that wrote without the lock is noticed: no acknowledgement, and its batch is kept", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files });
  const kept = await store.save("a", "mine");
  const segment = segmentsOf(home)[0]!;
  let left = 1;
  files.onAppend = (pieces, write) => {
    if (left-- > 0) write(foreignBatch(segment, kept.sequence + 1, pieces));
    write(pieces);
  };
  const error = await failureWithHint(store.save("a", "late"), "IO");
  assert.is(error.outcome, "unknown");
  await store.save("b", 1);
  const report = await store.verify();
  assert.ok(report.problems.every(({ kind }) => kind !== "index"));
  await store.rebuildIndex();
  assert.is((await store.stats()).blobs >= 3, true, "the blob of the other writer is there");
  assert.is(await store.load("b"), 1);
});

/** A batch with one blob, as another process would lay it out that believes to be alone. */
function foreignBatch(segment: string, sequence: number, own: readonly Uint8Array[]): Uint8Array[] {
  const { salt } = decodeSegmentHeader(readFileSync(segment), segment);
  const chain = Buffer.concat(own).readBigUInt64LE(32);
  const payload = Buffer.from("from another writer");
  const layout = new GroupLayout(
    { segment: 1, offset: readFileSync(segment).length, sequence: sequence - 1, time: 0, chain },
    salt,
    0,
  );
  layout.beginBatch();
  layout.addRecord({
    kind: RecordKind.blob,
    flags: 0,
    tag: 0,
    referenceCount: 0,
    key: Buffer.alloc(32, 9),
    payload,
    payloadChecksum: checksum(payload, salt),
  });
  layout.endBatch(sequence, Date.now());
  return [...layout.pieces()];
}

test("a lock that was removed is noticed: no commit is acknowledged", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  renameSync(`${home}/lock`, `${home}/lock-gone`);
  const before = readFileSync(segmentsOf(home)[0]!);
  await failureWithHint(store.save("a", 2), "IO");
  assert.equal(readFileSync(segmentsOf(home)[0]!), before);
  assert.is(await store.load("a"), 1);
  await store.close();
  const again = await openTestStore(home);
  assert.is((await again.save("a", 3)).version, 1);
});

test.run();
