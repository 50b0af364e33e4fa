import { createHash } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ComposedStore } from "../../engine/composed/store.ts";
import type { BlobStore, MetadataStore } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { makeTree } from "../conformance/store-support.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import type { OpenParts } from "./stores.ts";
import { TestPlace } from "./stores.ts";

const test = suite("commits of stores over ports");
const open: ComposedStore[] = [];
test.after.each(async () => {
  for (const store of open.splice(0)) await store.close();
  removeFolders();
});

const hex = (digest: Uint8Array) => Buffer.from(digest).toString("hex");
const shaOf = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

async function opened(options: OpenParts, place = new TestPlace({ metadata: "sqlite", blobs: "folder" })) {
  const store = await place.open(options);
  open.push(store);
  return { store, place };
}

/** Counts commits, and lets something happen before each. */
function watchedCommits(before: (count: number) => Promise<void>) {
  const units: number[] = [];
  const overMetadata = (metadata: MetadataStore): Partial<MetadataStore> => ({
    commit: async (given, options) => {
      units.push(given.length);
      await before(units.length);
      return metadata.commit(given, options);
    },
  });
  return { units, overMetadata };
}

/** Counts the puts of each digest. */
function watchedPuts(before: () => Promise<void> = async () => {}) {
  const puts = new Map<string, number>();
  const count = (digest: Uint8Array) => puts.set(hex(digest), (puts.get(hex(digest)) ?? 0) + 1);
  const overBlobs = (blobs: BlobStore): Partial<BlobStore> => ({
    put: async (bytes, digest, options) => {
      await before();
      await blobs.put(bytes, digest, options);
      count(digest);
    },
    putPieces: async (pieces, options) => {
      const facts = await blobs.putPieces(pieces, options);
      count(facts.digest);
      return facts;
    },
  });
  return { puts, overBlobs };
}

test("saves in flight gather while a commit runs, and go together", async () => {
  const { units, overMetadata } = watchedCommits(() => sleep(20));
  const { store } = await opened({ overMetadata });
  const saved = await Promise.all(Array.from({ length: 100 }, (_, i) => store.save("a", i)));
  assert.equal(
    saved.map(({ version }) => version),
    Array.from({ length: 100 }, (_, i) => i),
  );
  assert.is(
    units.reduce((sum, count) => sum + count, 0),
    100,
  );
  assert.ok(units.length < 30, `${units.length} commits`);
});

test("one that fails fails alone", async () => {
  const { store } = await opened({});
  await store.save("a", 0);
  const outcomes = await Promise.allSettled([
    store.save("b", 1),
    store.save("a", 1, { ifVersion: 7 }),
    store.setAlias("none", "x", 0),
    store.save("b", 2),
  ]);
  assert.equal(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "rejected", "fulfilled"],
  );
  assert.is(await store.load("b"), 2);
});

test("a database that can't say what became of a commit fails all that were in it, and says so", async () => {
  const { overMetadata } = watchedCommits(async (count) => {
    if (count === 2) throw new VarveError("UNAVAILABLE", "the line broke", { outcome: "unknown" });
  });
  const { store } = await opened({ overMetadata });
  await store.save("a", 1);
  const calls = [store.setAlias("a", "x", 0), store.annotate("a", { tags: { y: "1" } })];
  for (const call of await Promise.allSettled(calls))
    assert.is(call.status === "rejected" && call.reason.outcome, "unknown");
  assert.is((await store.save("a", 1)).version, 1);
});

test("a put that fails fails its save, and holds nobody up", async () => {
  const overBlobs = (blobs: BlobStore): Partial<BlobStore> => ({
    put: (bytes, digest, options) =>
      bytes.length > 100
        ? Promise.reject(new VarveError("NO_SPACE", "the place is full"))
        : blobs.put(bytes, digest, options),
  });
  const { store } = await opened({ overBlobs });
  const outcomes = await Promise.allSettled([
    store.save("a", 1),
    store.save("a", Buffer.alloc(1_000)),
    store.save("a", 2),
  ]);
  assert.equal(
    outcomes.map(({ status }) => status),
    ["fulfilled", "rejected", "fulfilled"],
  );
  assert.is(await store.load("a:1"), 2);
});

test("bytes that wait for half of the grace time are put again before their version is there", async () => {
  const { puts, overBlobs } = watchedPuts();
  const { overMetadata } = watchedCommits((count) => (count === 1 ? sleep(400) : Promise.resolve()));
  const { store } = await opened({ graceMilliseconds: 600, overBlobs, overMetadata });
  const first = store.save("a", Buffer.from("first"));
  await sleep(20);
  const large = Buffer.alloc(1_200_000, 5);
  const waiting = [store.save("b", Buffer.from("second")), store.save("c", large)];
  await Promise.all([first, ...waiting]);
  assert.is(puts.get(shaOf(Buffer.from("first"))), 1);
  assert.is(puts.get(shaOf(Buffer.from("second"))), 2);
  assert.is(puts.get(shaOf(large)), 2);
});

test("all of a folder that took long is put again, from where it is", async () => {
  const { puts, overBlobs } = watchedPuts();
  const { overMetadata } = watchedCommits((count) => (count === 1 ? sleep(500) : Promise.resolve()));
  const { store } = await opened({ graceMilliseconds: 800, overBlobs, overMetadata });
  const large = Buffer.alloc(1_200_000, 6);
  const tree = makeTree(join(newFolder(), "tree"), { a: "alpha", "b/large": large });
  const first = store.save("a", "first");
  await sleep(20);
  const saved = await store.saveDirectory("tree", tree);
  await first;
  for (const digest of [saved.digest.slice(7), shaOf(Buffer.from("alpha")), shaOf(large)])
    assert.is(puts.get(digest), 2, digest);
  assert.equal((await store.verify({ full: true })).problems, []);
});

test("a place so slow that no bytes are young enough saves nothing", async () => {
  const { overBlobs } = watchedPuts(() => sleep(60));
  const { store } = await opened({ graceMilliseconds: 100, overBlobs });
  const error = await failure(store.save("a", 1), "UNAVAILABLE");
  assert.match(error.message, /old already/);
  assert.not(await store.has("a"));
});

test("where all stood still for longer than the grace time, bytes that went meanwhile are put again", async () => {
  const place = new TestPlace({ metadata: "sqlite", blobs: "folder" });
  const other = await opened({}, place);
  const { overMetadata } = watchedCommits(async () => {
    await sleep(120);
    place.settle();
    await other.store.compact();
  });
  const { store } = await opened({ graceMilliseconds: 100, overMetadata }, place);
  await store.save("a", "kept");
  assert.is(await store.load("a"), "kept");
  const stream = new Blob([Buffer.alloc(2_000_000, 1)]);
  await failure(store.save("b", stream), "UNAVAILABLE");
  assert.not(await store.has("b"));
  await failure(store.undelete("b:0"), "NOT_FOUND");
  await other.store.compact();
  assert.equal((await store.verify({ full: true })).problems, []);
});

test.run();
