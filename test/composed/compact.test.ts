import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ComposedStore } from "../../engine/composed/store.ts";
import type { BlobStore, MetadataStore } from "../../engine/main.ts";
import { all, makeTree, noise } from "../conformance/store-support.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";
import { openNoted, SQLITE_AND_FOLDER, TestPlace } from "./stores.ts";

const test = suite("compaction of stores over ports");
test.after.each(closeAll);

test("what was put lately waits, whether a version had it or not", async () => {
  const { store, place } = await openNoted();
  await store.save("a", noise(10_000));
  await store.delete("a:0");
  const orphan = noise(5_000, 2);
  await store.blobs.putPieces(new Blob([orphan]).stream());
  const young = await store.compact();
  assert.equal([young.blobs, young.freedBytes, young.waitingBytes], [0, 0, 15_000]);
  // Its bytes are there still, but nobody brings it back while they may go.
  await failure(store.undelete("a:0"), "NOT_FOUND");
  place.settle();
  const old = await store.compact();
  assert.equal([old.blobs, old.freedBytes, old.waitingBytes], [2, 15_000, 0]);
  assert.equal(place.blobFiles(), []);
});

test("a dry run forgets nothing", async () => {
  const { store, place } = await openNoted();
  await store.save("a", 1);
  await store.delete("a:0");
  place.settle();
  assert.is((await store.compact({ dryRun: true })).blobs, 1);
  assert.is(await (await store.undelete("a:0")).value(), 1);
});

test("a put of what is there already counts as put now", async () => {
  const { store, place } = await openNoted();
  await store.save("a", "same");
  await store.delete("a:0");
  place.settle();
  // As a save does that has not come to its commit yet.
  const [blob] = await all(store.blobs.list());
  await store.blobs.put(await store.blobs.get(blob!.digest, blob!.size), blob!.digest);
  assert.equal((await store.compact()).blobs, 0);
});

test("all that a folder consists of stays as long as a version has it", async () => {
  const { store, place } = await openNoted();
  const files = Object.fromEntries(Array.from({ length: 1_200 }, (_, i) => [`d/${i}`, `${i}`]));
  await store.saveDirectory("tree", makeTree(join(newFolder(), "tree"), files));
  const count = place.blobFiles().length;
  place.settle();
  assert.is((await store.compact()).blobs, 0);
  assert.is(place.blobFiles().length, count);
  assert.equal((await store.verify({ full: true })).problems, []);
  await store.delete("tree:0");
  assert.is((await store.compact()).blobs, count);
});

test("a manifest that can't be read keeps everything, since nobody knows what it needs", async () => {
  const { store, place } = await openNoted();
  const tree = makeTree(join(newFolder(), "tree"), { a: "1", b: "2" });
  const { digest } = await store.saveDirectory("tree", tree);
  await store.save("gone", 1);
  await store.delete("gone:0");
  const path = place.blobFiles().find((file) => file.endsWith(digest.slice(7)))!;
  writeFileSync(path, "damaged");
  place.settle();
  const report = await store.compact();
  assert.is(report.blobs, 0);
  assert.is(report.skipped.length, 1);
  assert.match(report.skipped[0]!.message, digest.slice(7));
  // Who does without it gets the room.
  await store.delete("tree:0");
  assert.ok((await store.compact()).blobs >= 4);
});

test("there is no log to copy or index to rebuild", async () => {
  const { store } = await openNoted();
  assert.ok((await failure(store.backup(newFolder()), "NOT_SUPPORTED")).hint);
  assert.ok((await failure(store.rebuildIndex(), "NOT_SUPPORTED")).hint);
});

test("what comes free in the log of metadata is told by compact, and not by a prune", async () => {
  const long = (i: number) => `let x = ${i};\n`.repeat(1_000);
  const { store, place } = await openNoted({}, new TestPlace({ metadata: "embedded", blobs: "folder" }));
  for (let i = 0; i < 6; i++) await store.save("a", noise(1_000, i), { code: long(i) });
  for (const version of [1, 2]) await store.delete(`a:${version}`);
  place.settle();
  const foreseen = await store.compact({ dryRun: true });
  const done = await store.compact();
  assert.equal([done.freedBytes, done.segments, done.blobs], [foreseen.freedBytes, 1, 2]);
  assert.ok(done.freedBytes > 2_000 + 2 * 11_000, `${done.freedBytes}`);
  assert.is(done.logBytesBefore - done.logBytesAfter, 2_000);
  const pruned = await store.prune({ keepLast: 1 });
  assert.equal([pruned.versions.length, pruned.freedBytes], [3, 3_000]);
  const { sequence } = await store.stats();
  assert.ok((await store.compact({ historyBefore: sequence })).records > 0);
  assert.is((await store.compact({ historyBefore: 1 })).records, 0);
});

test("a folder compared with a version that is deleted and collected meanwhile is read instead", async () => {
  const place = new TestPlace(SQLITE_AND_FOLDER);
  const tree = makeTree(join(newFolder(), "tree"), { "a.txt": "alpha", "b/c": noise(30_000) });
  const { store: other } = await openNoted({}, place);
  await other.saveDirectory("tree", tree);
  await sleep(150);
  await other.saveDirectory("tree", tree);
  let isFirst = true;
  const overMetadata = (metadata: MetadataStore): Partial<MetadataStore> => ({
    commit: async (units, options) => {
      if (isFirst) {
        isFirst = false;
        await other.delete("tree:all");
        place.settle();
        await other.compact();
        assert.equal(place.blobFiles(), []);
      }
      return metadata.commit(units, options);
    },
  });
  const { store } = await openNoted({ overMetadata }, place);
  const saved = await store.saveDirectory("tree", tree);
  assert.is(saved.version, 2);
  assert.equal((await store.verify({ full: true })).problems, []);
});

test("a folder is compared with no other version than the one that its save asks for", async () => {
  const place = new TestPlace(SQLITE_AND_FOLDER);
  const tree = makeTree(join(newFolder(), "tree"), { "a.txt": "alpha", "b/c": noise(30_000) });
  const { store: other } = await openNoted({}, place);
  await sleep(150);
  await other.saveDirectory("tree", tree);
  place.settle();
  let isFirst = true;
  const overMetadata = (metadata: MetadataStore): Partial<MetadataStore> => ({
    commit: async (units, options) => {
      if (isFirst) {
        isFirst = false;
        await other.save("tree", "something else");
        await other.delete("tree:0");
        await other.compact();
      }
      return metadata.commit(units, options);
    },
  });
  const { store } = await openNoted({ overMetadata }, place);
  assert.is((await store.saveDirectory("tree", tree, { ifVersion: 1 })).version, 2);
  assert.equal((await store.verify({ full: true })).problems, []);
});

test("what did not change of a folder is neither read nor put again", async () => {
  const put: number[] = [];
  const overBlobs = (blobs: BlobStore): Partial<BlobStore> => ({
    put: (bytes, digest, options) => {
      put.push(bytes.length);
      return blobs.put(bytes, digest, options);
    },
    putPieces: (pieces, options) => {
      put.push(Number.NaN);
      return blobs.putPieces(pieces, options);
    },
  });
  const { store } = await openNoted({ overBlobs });
  const large = noise(1_500_000);
  const tree = makeTree(join(newFolder(), "tree"), { large, small: noise(50_000, 2), c: "c" });
  await sleep(150);
  await store.saveDirectory("tree", tree);
  assert.ok(put.includes(50_000) && put.some(Number.isNaN));
  put.length = 0;
  await store.saveDirectory("tree", tree);
  assert.not(
    put.some((size) => Number.isNaN(size) || size >= 1_000),
    `${put}`,
  );
  await sleep(150);
  writeFileSync(join(tree, "small"), noise(40_000, 3));
  put.length = 0;
  await store.saveDirectory("tree", tree);
  assert.ok(put.includes(40_000) && !put.some(Number.isNaN));
});

/** One of those who save, change and delete all the time. */
async function work(
  store: ComposedStore,
  id: number,
  tree: string,
  end: number,
): Promise<Map<string, Buffer>> {
  const random = new Random(`worker ${id}`);
  const live = new Map<string, Buffer>();
  for (let i = 0; performance.now() < end; i++) {
    // Some are equal to what others have saved, or deleted.
    const value = noise(1_000 + random.below(20), random.below(12));
    const { ref } = await store.save(`w${id}`, value);
    live.set(ref, value);
    if (i % 4 === 1) await store.saveDirectory(`t${id}`, tree);
    if (i % 4 === 3) await store.delete(`t${id}:latest`);
    const [oldest] = live.keys();
    if (live.size > 3 && oldest !== undefined) {
      live.delete(oldest);
      await store.delete(oldest);
    }
  }
  return live;
}

for (const blobs of ["folder", "log"] as const) {
  test(`compactions beside savers take nothing that a version needs: ${blobs}`, async () => {
    const place = new TestPlace({ metadata: "sqlite", blobs });
    const graceMilliseconds = 400;
    const stores = [
      await openNoted({ graceMilliseconds }, place),
      await openNoted({ graceMilliseconds }, place),
    ];
    const tree = makeTree(join(newFolder(), "tree"), { a: "1", "b/c": noise(3_000, 7) });
    const end = performance.now() + 4_000;
    const working = [0, 1, 2].map((id) => work(stores[id % 2]!.store, id, tree, end));
    let removed = 0;
    const compacting = (async () => {
      for (let i = 0; performance.now() < end; i++) {
        removed += (await stores[i % 2]!.store.compact()).blobs;
        await sleep(50);
      }
    })();
    const live = await Promise.all(working);
    await compacting;
    const { store } = stores[0]!;
    for (const each of live)
      for (const [ref, value] of each) assert.equal(Buffer.from(await store.load<Uint8Array>(ref)), value);
    assert.equal((await store.verify({ full: true })).problems, []);
    if (blobs === "folder") assert.ok(removed > 0, "nothing was removed meanwhile");
  });
}

test.run();
