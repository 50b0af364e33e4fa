import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import fs from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inPieces, isThere, MIB, putSamples, sample } from "../conformance/blob-places.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll } from "../helpers/stores.ts";
import "../helpers/whole-suites.ts";
import { age, HOUR, nameOf, open, pathOf, temporaryIn } from "./folder-support.ts";

/** What the suite of the port can't see: the files themselves. */
const test = suite("the files of a folder of blobs");
test.after.each(closeAll);

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

test("what the time is there is asked each time, since somebody may have set the clock", async () => {
  const folder = newFolder();
  const store = await open(folder);
  assert.ok(Math.abs((await store.now()) - Date.now()) < HOUR / 2);
  const real = fs.open;
  fs.open = (async (path: string, ...rest: [string]) => {
    const file = await real(path, ...rest);
    if (/clock-/.test(path)) age(path, HOUR);
    return file;
  }) as typeof fs.open;
  syncBuiltinESMExports();
  try {
    assert.ok((await store.now()) < Date.now() - HOUR / 2);
  } finally {
    fs.open = real;
    syncBuiltinESMExports();
  }
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
