import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { FolderBlobsOptions } from "../../adapters/storage/folder/open.ts";
import { openFolderBlobs } from "../../adapters/storage/folder/open.ts";
import type { BlobStore } from "../../engine/main.ts";
import type { Sample } from "../conformance/blob-places.ts";
import { inPieces, isThere, MIB, putSamples, sample } from "../conformance/blob-places.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, track } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";

/** What the suite of the port can't see: the files themselves. */
const test = suite("the files of a folder of blobs");
test.after.each(closeAll);

const HOUR = 3_600_000;

async function open(folder: string, options: FolderBlobsOptions = {}): Promise<BlobStore> {
  return track(await openFolderBlobs(folder, { durable: false, ...options }));
}

const nameOf = ({ digest }: Pick<Sample, "digest">) => Buffer.from(digest).toString("hex");
const pathOf = (folder: string, one: Pick<Sample, "digest">) =>
  join(folder, "blobs/sha256", nameOf(one).slice(0, 2), nameOf(one));
const temporaryIn = (folder: string) => readdirSync(join(folder, "tmp"));

function age(path: string, milliseconds: number): void {
  const seconds = (Date.now() - milliseconds) / 1000;
  utimesSync(path, seconds, seconds);
}

test("each blob is a plain file, named by what sha256sum says of it", async () => {
  const folder = newFolder();
  const store = await open(folder);
  for (const one of await putSamples(store)) {
    const { stdout, status } = spawnSync("sha256sum", [pathOf(folder, one)], { encoding: "utf8" });
    assert.is(status, 0);
    assert.is(stdout.slice(0, 64), nameOf(one));
  }
  assert.equal(temporaryIn(folder), []);
});

test("bytes that are there already are not written again, whichever way they come", async () => {
  const folder = newFolder();
  const store = await open(folder);
  for (const one of await putSamples(store)) {
    const path = pathOf(folder, one);
    const { ino } = statSync(path);
    for (const put of [
      () => store.put(one.bytes, one.digest),
      () => store.putPieces(inPieces(one.bytes, MIB)),
    ]) {
      age(path, HOUR);
      await put();
      assert.is(statSync(path).ino, ino);
      assert.ok(statSync(path).mtimeMs > Date.now() - HOUR / 2, "it does not count as put now");
    }
  }
});

test("below the space that is to be left free a put is NO_SPACE, and leaves nothing", async () => {
  const folder = newFolder();
  const store = await open(folder, { minFreeSpace: Number.MAX_SAFE_INTEGER });
  for (const size of [1000, 2 * MIB]) {
    const one = sample(size);
    await failureWithHint(store.put(one.bytes, one.digest), "NO_SPACE");
    await failureWithHint(store.putPieces(inPieces(one.bytes, MIB)), "NO_SPACE");
    assert.not(existsSync(pathOf(folder, one)));
  }
  assert.equal(temporaryIn(folder), []);
});

test("memory that is changed while it is put is CONFLICT, or right", async () => {
  const folder = newFolder();
  const store = await open(folder);
  let conflicts = 0;
  for (let steps = 0; steps < 12; steps++) {
    const one = sample(3 * MIB);
    const memory = new Uint8Array(one.bytes);
    const putting = store.put(memory, one.digest).catch((error: { code: string }) => error.code);
    for (let i = 0; i < steps; i++) await new Promise((resolve) => setImmediate(resolve));
    memory[3 * MIB - 5]! ^= 1;
    if ((await putting) === "CONFLICT") {
      conflicts++;
      assert.not(existsSync(pathOf(folder, one)));
    } else await isThere(store, one);
  }
  assert.ok(conflicts > 0);
  assert.equal(temporaryIn(folder), []);
});

test("old temporary files are collected, young ones are those of others who put", async () => {
  const folder = newFolder();
  const store = await open(folder);
  const [old, young] = ["put-0123", "put-4567"].map((name) => join(folder, "tmp", name)) as [string, string];
  writeFileSync(old, "x".repeat(1000));
  const between = (await store.now()) + 30;
  while ((await store.now()) < between + 30) await new Promise((resolve) => setTimeout(resolve, 5));
  writeFileSync(young, "young");
  mkdirSync(join(folder, "tmp/of-somebody"));
  assert.is(await store.collect(between), 1000);
  assert.equal(temporaryIn(folder), ["of-somebody", "put-4567"]);
  assert.is(await store.collect((await store.now()) + HOUR), "young".length);
  assert.equal(temporaryIn(folder), ["of-somebody"]);
});

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

test("empty folders are collected, and made again", async () => {
  const folder = newFolder();
  const store = await open(folder);
  const [one, other] = await putSamples(store, [1000, 1001]);
  await store.remove([one!.digest], (await store.now()) + HOUR);
  await store.collect(await store.now());
  assert.equal(readdirSync(join(folder, "blobs/sha256")), [nameOf(other!).slice(0, 2)]);
  await store.put(one!.bytes, one!.digest);
  await isThere(store, one!);
});

test("what is no blob is left alone and not listed", async () => {
  const folder = newFolder();
  const store = await open(folder);
  const [one] = await putSamples(store, [1000]);
  const shard = join(folder, "blobs/sha256", nameOf(one!).slice(0, 2));
  writeFileSync(join(shard, "README"), "");
  writeFileSync(join(shard, `${nameOf(one!)}.bak`), "");
  mkdirSync(join(folder, "blobs/sha256/lost+found"));
  writeFileSync(join(folder, "blobs/sha256/ff.txt"), "");
  const all = [];
  for await (const { digest } of store.list()) all.push(nameOf({ digest }));
  assert.equal(all, [nameOf(one!)]);
  await store.collect((await store.now()) + HOUR);
  assert.ok(existsSync(join(shard, "README")));
});

test("whose values they are stands in varve.json", async () => {
  const folder = newFolder();
  const store = await open(folder);
  const id = "0123456789abcdef0123456789abcdef";
  assert.is(await store.storeId(), undefined);
  await failureWithHint(store.bind("no id"), "CONFIG");
  await store.bind(id);
  assert.is(readFileSync(join(folder, "varve.json"), "utf8"), `{"format":1,"store":"${id}"}\n`);
  assert.equal(temporaryIn(folder), []);
  writeFileSync(join(folder, "varve.json"), `{"format":2,"store":"${id}"}\n`);
  await failureWithHint(open(folder), "NOT_SUPPORTED");
  for (const text of ["{\n", '{"format":1}\n', '{"format":1,"store":"x"}\n', "null\n", "[]\n"]) {
    writeFileSync(join(folder, "varve.json"), text);
    await failureWithHint(open(folder), "CORRUPTION");
  }
});

test("a folder that is not there is made where that is asked for, and nothing else is taken for one", async () => {
  const folder = newFolder();
  const missing = join(folder, "a/b/c");
  await failureWithHint(open(missing, { create: false }), "NOT_FOUND");
  await failureWithHint(open(missing, { readOnly: true }), "NOT_FOUND");
  assert.not(existsSync(join(folder, "a")));
  await open(missing);
  assert.ok(existsSync(missing));
  writeFileSync(join(folder, "file"), "");
  await failureWithHint(open(join(folder, "file")), "CONFIG");
  const empty = newFolder();
  const reader = await open(empty, { readOnly: true });
  assert.is(await reader.storeId(), undefined);
  assert.equal(readdirSync(empty), []);
});

test.run();
