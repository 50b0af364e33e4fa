import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { versionKey } from "../../engine/artifact-key.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { openEngine } from "../../engine/key-value.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { fingerprint, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore, track } from "../helpers/stores.ts";

const test = suite("an index that heals");
test.after.each(killPrograms);
test.after.each(closeAll);

const generations = (home: string) => readdirSync(home).filter((name) => name.startsWith("index-"));
const indexOf = (home: string) => join(home, generations(home)[0]!);

async function fill(store: ArtifactStore, count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await store.save(`n${i}`, { i });
}

async function checkAll(store: ArtifactStore, count = 20): Promise<void> {
  for (let i = 0; i < count; i++) assert.equal(await store.load(`n${i}`), { i });
  const names: string[] = [];
  for await (const { name } of store.list()) names.push(name);
  assert.is(names.length, count);
  assert.ok((await store.verify({ full: true })).ok);
}

/** Changes a row behind the back of those who have the index open, as no disk error would: LMDB itself stays sound. */
async function damageRow(home: string, key: Buffer): Promise<void> {
  const environment = new Environment(indexOf(home));
  environment.transactSync(() => {
    const row = Buffer.from(environment.get(key)!);
    row[10]! ^= 1;
    environment.put(key, row);
  });
  await environment.close();
  // What is read within one turn of the event loop may be a little older.
  await new Promise((resolve) => setImmediate(resolve));
}

const reading: [string, (store: ArtifactStore) => Promise<unknown>][] = [
  ["load", (store) => store.load("n7")],
  ["get", (store) => store.get("n7:0")],
  ["find", (store) => store.find("n7")],
  ["has", (store) => store.has("n7:0")],
  ["lineage", (store) => store.lineage("n7:0")],
  ["stats", (store) => store.stats()],
];

for (const [name, call] of reading) {
  test(`${name} makes a damaged index anew and answers`, async () => {
    const home = newFolder();
    const store = await openTestStore(home);
    await fill(store);
    await damageRow(home, versionKey("n7", 0));
    await call(store);
    assert.equal(generations(home), ["index-2"]);
    await checkAll(store);
    await store.save("n20", { i: 20 });
    await checkAll(store, 21);
  });
}

test("a save and a batch go through a damaged index, and nothing is written twice", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await fill(store);
  await damageRow(home, versionKey("n7", 0));
  const value = { i: 1 };
  const saving = store.save("n7", value);
  value.i = 2;
  assert.is((await saving).ref, "n7:1");
  assert.equal(await store.load("n7:1"), { i: 1 });
  await damageRow(home, versionKey("n3", 0));
  const [first, second] = await store.batch((batch) => {
    batch.save("other", 1);
    batch.save("n3", 2);
  });
  assert.equal([first!.ref, second!.ref], ["other:0", "n3:1"]);
  assert.equal(await store.load("n3:0"), { i: 3 });
  assert.ok((await store.verify({ full: true })).ok);
  assert.is((await store.stats()).versions, 23);
});

test("a listing that meets damage later ends with a hint, and the next one is whole", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await Promise.all(Array.from({ length: 400 }, (_, i) => store.save(`n${i}`, { i })));
  await damageRow(home, versionKey("n99", 0));
  let listed = 0;
  const { message } = await failureWithHint(
    (async () => {
      for await (const _ of store.list()) listed++;
    })(),
    "CORRUPTION",
  );
  assert.match(message, /made anew/);
  assert.ok(listed > 0);
  await checkAll(store, 400);
});

test("a listing that meets damage at its first step begins again", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await fill(store);
  await damageRow(home, versionKey("n7", 0));
  const names: string[] = [];
  for await (const { name } of store.list()) names.push(name);
  assert.is(names.length, 20);
});

test("several calls at once heal once", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await fill(store);
  await damageRow(home, versionKey("n7", 0));
  const values = await Promise.all(Array.from({ length: 50 }, (_, i) => store.load(`n${i % 20}`)));
  assert.equal(values[7], { i: 7 });
  assert.equal(generations(home), ["index-2"]);
});

test("another process goes over to the sound index", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await fill(store);
  await store.save("text", "old");
  const observer = new Program("../processes/observer.ts", [home, "text", "{}"]);
  await observer.expect();
  await damageRow(home, versionKey("text", 0));
  assert.is(await store.load("text"), "old");
  await store.save("text", "new");
  // It looks all the time, so it has seen the new one soon.
  await new Promise((resolve) => setTimeout(resolve, 500));
  observer.tell("stop");
  const { seen, wrong } = await observer.expect();
  assert.equal(wrong, []);
  assert.equal(seen.at(-1), [1, "new"]);
  await observer.end();
});

/** Readers enter themselves in the lock file of LMDB, and among those that have the store open: that alone may change. */
const LOCK_FILES = /lock\.mdb$|\/state-[^/]*\/data\.mdb$/;

test("a read-only store goes on with an index of its own, and changes nothing in the home", async () => {
  const home = newFolder();
  const writer = await openTestStore(home);
  await fill(writer);
  const store = await openTestStore(home, { readOnly: true });
  await store.load("n1");
  await damageRow(home, versionKey("n7", 0));
  const before = fingerprint(home, LOCK_FILES);
  assert.equal(await store.load("n7"), { i: 7 });
  await checkAll(store);
  assert.equal(fingerprint(home, LOCK_FILES), before);
});

test("the key-value engine heals too", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let i = 0; i < 20; i++) await engine.put(i, { i });
  const environment = new Environment(indexOf(folder));
  const [row] = [...environment.entries({ start: Buffer.from([0x12]), limit: 1 })];
  const [key, value] = [Buffer.from(row!.key), Buffer.from(row!.value)];
  value[12]! ^= 1;
  environment.transactSync(() => environment.put(key, value));
  await environment.close();
  assert.equal(await engine.get(0), { i: 0 });
  await engine.put(0, "new");
  assert.is(await engine.get(0), "new");
});

/** What may happen to the file of an index that was closed in order: LMDB would die of most of it. */
const accidents: [string, (path: string) => void][] = [
  ["cut in the middle", (path) => truncateSync(path, statSync(path).size / 2)],
  ["cut by a byte", (path) => truncateSync(path, statSync(path).size - 1)],
  ["emptied", (path) => truncateSync(path, 0)],
  ["filled with noise", (path) => writeFileSync(path, Buffer.alloc(statSync(path).size, 0xa7))],
  ["damaged in its first page", (path) => overwrite(path, 0, Buffer.alloc(4096, 0xff))],
  ["damaged in a later page", (path) => overwrite(path, 5 * 4096, Buffer.alloc(4096, 0xff))],
  ["damaged by a bit", (path) => overwrite(path, 3 * 4096 + 100, Buffer.from([0x55]))],
];

function overwrite(path: string, at: number, bytes: Buffer): void {
  const content = readFileSync(path);
  content.set(bytes, at);
  writeFileSync(path, content);
}

for (const [name, happen] of accidents) {
  for (const boot of ["this boot", "the next boot"]) {
    test(`an index ${name} is made anew at the next opening in ${boot}`, async () => {
      const home = newFolder();
      const store = await openTestStore(home);
      await fill(store);
      await store.close();
      if (boot === "the next boot") rmSync(join(home, "lock"), { recursive: true });
      happen(join(indexOf(home), "data.mdb"));
      await checkAll(await openTestStore(home));
    });
  }
}

test("an index of another store is not believed, whatever its mark says", async () => {
  const [home, other] = [newFolder(), newFolder()];
  // Everything has its place where it has it in the other, so that nothing but the name tells them apart.
  for (const folder of [home, other]) {
    const store = await openTestStore(folder);
    await fill(store);
    await store.close();
  }
  rmSync(join(home, "lock"), { recursive: true });
  // Written into the same file, as some tools put a backup back.
  const path = join(indexOf(home), "data.mdb");
  const bytes = readFileSync(join(indexOf(other), "data.mdb"));
  truncateSync(path, bytes.length);
  overwrite(path, 0, bytes);
  const mark = JSON.parse(readFileSync(join(indexOf(home), "trust.json"), "utf8"));
  const { checksum } = JSON.parse(readFileSync(join(indexOf(other), "trust.json"), "utf8"));
  writeFileSync(join(indexOf(home), "trust.json"), JSON.stringify({ ...mark, checksum }));
  const store = await openTestStore(home);
  await checkAll(store);
  // What is saved now must chain on to what is there.
  await store.save("n20", { i: 20 });
  await store.rebuildIndex();
  await checkAll(store, 21);
});

test("a segment of another store among many is damage, and does not say whose log it is", async () => {
  const [home, other] = [newFolder(), newFolder()];
  for (const folder of [home, other]) {
    const store = await openSeamStore(folder, { segmentBytesMax: 1000 });
    await fill(store, 30);
    await store.close();
  }
  const first = "log/0000000001.varve";
  cpSync(join(other, first), join(home, first));
  rmSync(join(home, "lock"), { recursive: true });
  for (const generation of generations(home)) rmSync(join(home, generation), { recursive: true });
  const store = await openTestStore(home);
  assert.equal(await store.load("n29"), { i: 29 });
  assert.not((await store.verify()).ok);
  await store.save("new", 1);
  await store.rebuildIndex();
  assert.is(await store.load("new"), 1);
});

test("a store whose log is gone is CORRUPTION, and not a new store", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await fill(store);
  await store.close();
  rmSync(join(home, "lock"), { recursive: true });
  for (const name of readdirSync(join(home, "log"))) rmSync(join(home, "log", name));
  await failureWithHint(openTestStore(home), "CORRUPTION");
  await failureWithHint(openTestStore(home, { readOnly: true }), "NOT_FOUND");
});

test("a log that ends before what was on the disk is told for good, and its numbers are not given again", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await fill(store);
  await store.close();
  rmSync(join(home, "lock"), { recursive: true });
  const segment = join(home, "log", "0000000001.varve");
  truncateSync(segment, Math.floor(statSync(segment).size / 2));
  const warnings: string[] = [];
  const logger = { warn: (message: string) => void warnings.push(message) };
  const after = await openTestStore(home, { logger } as never);
  assert.ok(
    warnings.some((text) => /20 were there/.test(text)),
    String(warnings),
  );
  assert.not((await after.verify()).ok);
  const saved = await after.save("later", 1);
  assert.ok(saved.sequence > 20, `sequence ${saved.sequence}`);
  assert.not((await after.verify()).ok);
  await after.rebuildIndex();
  assert.is(await after.load("later"), 1);
  assert.not((await after.verify()).ok);
});

test.run();
