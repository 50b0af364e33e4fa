import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, renameSync } from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BlobStore } from "../../engine/main.ts";
import type { Sample } from "../conformance/blob-places.ts";
import { isThere, MIB, putSamples } from "../conformance/blob-places.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";
import { age, HOUR, nameOf, open, pathOf, temporaryIn } from "./folder-support.ts";

/** Between the steps of a removal, and after whoever was removing has died. */
const test = suite("removal from a folder of blobs");
test.after.each(closeAll);

test("what was being removed by who died is there for who asks, and is collected into its place", async () => {
  const folder = newFolder();
  const store = await open(folder);
  const samples = await putSamples(store, [0, 1000, MIB + 1, 1001, 1002]);
  const takeAway = (one: Sample) =>
    renameSync(
      pathOf(folder, one),
      join(folder, "tmp", `removed-${nameOf(one)}-${randomBytes(4).toString("hex")}`),
    );
  for (const one of samples) takeAway(one);
  for (const one of samples.slice(0, 3)) await isThere(store, one);
  takeAway(samples[1]!);
  assert.is(await store.sizeOf(samples[1]!.digest), 1000);
  await store.put(samples[3]!.bytes, samples[3]!.digest);
  await store.collect((await store.now()) + HOUR);
  for (const one of samples) await isThere(store, one);
  assert.equal(temporaryIn(folder), []);
});

/** As one who was removing the only blob of its folder has left it, when another one has collected since. */
async function leftAlone() {
  const folder = newFolder();
  const store = await open(folder);
  const [one] = await putSamples(store, [1000]);
  const removed = join(folder, "tmp", `removed-${nameOf(one!)}-0123`);
  renameSync(pathOf(folder, one!), removed);
  await store.collect(0);
  assert.equal(readdirSync(join(folder, "blobs/sha256")), []);
  assert.ok(existsSync(removed));
  return { folder, store, one: one!, removed };
}

test("what is given back is not lost where its folder was removed for being empty", async () => {
  for (const ask of [
    (store: BlobStore, one: Sample) => isThere(store, one),
    (store: BlobStore, one: Sample) => store.sizeOf(one.digest),
    async (store: BlobStore) => store.collect((await store.now()) + HOUR),
  ]) {
    const { folder, store, one } = await leftAlone();
    await ask(store, one);
    assert.ok(existsSync(pathOf(folder, one)));
    await isThere(store, one);
    assert.equal(temporaryIn(folder), []);
  }
});

test("who gives back does not stop at folders that are removed under it, and keeps what it can't name", async () => {
  const { folder, store, one, removed } = await leftAlone();
  const { mkdir } = fs;
  let left = 3;
  fs.mkdir = (async (path: string, options: { recursive: true }) => {
    if (left-- <= 0) await mkdir(path, options);
  }) as typeof fs.mkdir;
  syncBuiltinESMExports();
  try {
    await isThere(store, one);
    renameSync(pathOf(folder, one), removed);
    await store.collect(0);
    left = 1000;
    await failure(store.get(one.digest, one.size), "IO");
  } finally {
    fs.mkdir = mkdir;
    syncBuiltinESMExports();
  }
  await isThere(store, one);
});

test("who may only read reads what is being removed where it is", async () => {
  const { folder, one, removed } = await leftAlone();
  const reader = await open(folder, { readOnly: true });
  assert.is(await reader.sizeOf(one.digest), one.size);
  assert.equal(Buffer.from(await reader.get(one.digest, one.size)), Buffer.from(one.bytes));
  const pieces = [];
  for await (const piece of reader.pieces(one.digest, one.size)) pieces.push(piece);
  assert.equal(Buffer.concat(pieces), Buffer.from(one.bytes));
  assert.ok(existsSync(removed));
  assert.not(existsSync(pathOf(folder, one)));
});

test("one that was put again between the look at it and its removal is given back", async () => {
  const folder = newFolder();
  const store = await open(folder);
  const other = await open(folder);
  const [one, gone] = await putSamples(store, [1000, 1001]);
  for (const each of [one!, gone!]) age(pathOf(folder, each), HOUR);
  const { rename } = fs;
  // Right before the name is taken away.
  fs.rename = async (from, to) => {
    if (from === pathOf(folder, one!)) await other.put(one!.bytes, one!.digest);
    await rename(from, to);
  };
  syncBuiltinESMExports();
  try {
    const removed = await store.remove([one!.digest, gone!.digest], Date.now() - HOUR / 2);
    assert.equal(removed, [gone!.digest]);
  } finally {
    fs.rename = rename;
    syncBuiltinESMExports();
  }
  await isThere(store, one!);
  assert.equal(temporaryIn(folder), []);
});

test.run();
