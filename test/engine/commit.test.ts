import { readFileSync, renameSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checksum } from "../../engine/log/checksum.ts";
import { decodeSegmentHeader, RecordKind } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import { segmentsOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { gate, WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { watch } from "../helpers/time.ts";

const test = suite("commit");
test.after.each(closeAll);

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 20));

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
