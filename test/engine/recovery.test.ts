import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { versionKey } from "../../engine/artifact-key.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { newestIndex } from "../helpers/indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { answers, fill, filledHome } from "./recovery-support.ts";

const test = suite("recovery and rebuilding");
test.after.each(killPrograms);
test.after.each(closeAll);

test("a small segment size rolls, and everything is found by the living, a reopened and a rebuilt store", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax: 2000 });
  await fill(store);
  assert.ok(segmentsOf(home).length > 5);
  const right = await answers(store);
  await store.rebuildIndex();
  assert.equal(await answers(store), right);
  await store.close();
  assert.equal(await answers(await openTestStore(home)), right);
  assert.equal(await answers(await openTestStore(copyHome(home))), right);
});

test("the old segment is on the disk before the new one has its name, and the folder before its first batch", async () => {
  for (const durability of ["durable", "buffered"] as const) {
    const files = new WatchedFiles();
    const store = await openSeamStore(newFolder(), { files, segmentBytesMax: 300 }, durability);
    await store.save("a", "x".repeat(400));
    await store.save("a", "y");
    await store.close();
    const roll = files.calls.indexOf("publish 0000000002.varve");
    assert.ok(
      files.calls.lastIndexOf("append 0000000001.varve", roll) <
        files.calls.lastIndexOf("sync 0000000001.varve", roll),
    );
    assert.equal(files.calls.slice(roll - 2, roll), ["append new.tmp", "sync new.tmp"]);
    const folder = files.calls.indexOf("syncFolder log", roll);
    assert.ok(folder > roll && folder < files.calls.indexOf("append 0000000002.varve"), durability);
  }
});

for (const [what, tail] of [
  ["half a batch", (bytes: Buffer) => bytes.subarray(0, bytes.length / 2)],
  ["a batch without its last byte", (bytes: Buffer) => bytes.subarray(0, -1)],
  ["a header alone", (bytes: Buffer) => bytes.subarray(0, 64)],
  ["zeros", (bytes: Buffer) => Buffer.alloc(bytes.length)],
  ["other bytes", () => Buffer.from("garbage".repeat(50))],
  ["a byte", () => Buffer.from([1])],
] as const) {
  test(`a kill that left ${what} behind the tail loses nothing, and the log goes on behind a cut`, async () => {
    const home = newFolder();
    const store = await openTestStore(home);
    await store.save("a", "first");
    const segment = segmentsOf(home)[0]!;
    const before = sizeOf(segment);
    await store.save("a", "second".repeat(50));
    const bytes = readFileSync(segment).subarray(before);
    await store.close();
    for (const boot of ["the same", "a new"]) {
      const copy = boot === "a new" ? copyHome(home) : home;
      appendFileSync(segmentsOf(copy).at(-1)!, tail(bytes));
      const again = await openTestStore(copy);
      const { versions } = await again.stats();
      assert.is(await again.load("a:1"), "second".repeat(50));
      assert.is((await again.save("a", "third")).version, versions);
      assert.is(await again.load("a"), "third");
      assert.is((await again.verify({ full: true })).ok, true);
      await again.rebuildIndex();
      assert.is(await again.load("a"), "third");
      assert.is((await again.stats()).versions, versions + 1);
      await again.close();
    }
  });
}

test("a whole batch that a killed process had written, but not told of, is adopted and its version not given again", async () => {
  const home = newFolder();
  const other = newFolder();
  const store = await openTestStore(home);
  await store.save("a", "first");
  assert.is(await store.load("a"), "first");
  await store.close();
  const donor = join(other, "donor");
  cpSync(home, donor, { recursive: true });
  const writer = await openTestStore(donor);
  await writer.save("a", "second");
  await writer.close();
  const again = await openTestStore(home);
  assert.is(await again.load("a"), "first");
  const length = sizeOf(segmentsOf(home)[0]!);
  appendFileSync(segmentsOf(home)[0]!, readFileSync(segmentsOf(donor)[0]!).subarray(length));
  assert.is((await again.save("a", "third")).version, 2);
  assert.is(await again.load("a:1"), "second");
  assert.is(await again.load("a"), "third");
  const right = await answers(again);
  await again.rebuildIndex();
  assert.equal(await answers(again), right);
  assert.ok((await again.verify({ full: true })).ok);
});

test("whoever opens the store finds what a killed process had written whole, and an index made anew has no more", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax: 900 });
  await store.save("a", "first");
  await store.close();
  const donor = join(newFolder(), "donor");
  cpSync(home, donor, { recursive: true });
  const writer = await openSeamStore(donor, { segmentBytesMax: 900 });
  // The third one goes into a segment of its own.
  for (const value of ["second", "x".repeat(600), "third"]) await writer.save("a", value);
  await writer.close();
  const [first, second] = segmentsOf(home);
  const [all, next] = segmentsOf(donor).map((path) => readFileSync(path));
  assert.is(second, undefined);
  const whole = sizeOf(first!);
  for (const { bytes, versions, begun } of [
    { bytes: whole + 20, versions: 1 },
    { bytes: all!.length - 20, versions: 2 },
    { bytes: all!.length, versions: 3 },
    { bytes: all!.length, versions: 4, begun: true },
  ]) {
    writeFileSync(first!, all!.subarray(0, bytes));
    if (begun) writeFileSync(join(home, "log", "0000000002.varve"), next!);
    const again = await openTestStore(home);
    assert.is((await again.stats()).versions, versions);
    assert.is((await again.get("a")).version, versions - 1);
    const found = await answers(again);
    // And who only reads beside it, and who makes the index anew.
    assert.equal(await answers(await openTestStore(home, { readOnly: true })), found);
    await closeStores();
    const later = await openTestStore(home);
    await later.rebuildIndex();
    assert.equal(await answers(later), found);
    await closeStores();
  }
  const last = await openTestStore(home);
  assert.is((await last.save("a", "next")).version, 4);
  assert.ok((await last.verify({ full: true })).ok);
});

test("a segment that a killed process had begun, but not told of, is gone on in", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax: 300 });
  await store.save("a", "x".repeat(500));
  await store.close();
  const donor = join(newFolder(), "donor");
  cpSync(home, donor, { recursive: true });
  const writer = await openSeamStore(donor, { segmentBytesMax: 300 });
  await writer.save("a", "second");
  await writer.close();
  for (const bytes of [128, undefined]) {
    const copy = bytes ? home : newFolder();
    if (!bytes) cpSync(donor, copy, { recursive: true });
    const second = readFileSync(segmentsOf(donor)[1]!).subarray(0, bytes);
    writeFileSync(join(copy, "log", "0000000002.varve"), second);
    const again = await openTestStore(copy);
    const { versions } = await again.stats();
    assert.is((await again.save("a", "next")).version, versions);
    await again.rebuildIndex();
    assert.is(await again.load("a"), "next");
    assert.ok((await again.verify({ full: true })).ok);
    await again.close();
  }
});

test("a copied home is opened with a lock and an index of its own, and both go on apart", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  const copied = copyHome(home);
  const copy = await openTestStore(copied);
  await Promise.all([store.save("a", "home"), copy.save("a", "copy")]);
  assert.equal([await store.load("a:1"), await copy.load("a:1")], ["home", "copy"]);
  assert.equal(readdirSync(join(copied, "lock")).length >= 1, true);
  const own = readdirSync(join(home, "lock"));
  assert.ok(readdirSync(join(copied, "lock")).some((name) => !own.includes(name)));
});

test("rebuilding while others read in this process and in another gives right answers all the time", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  const right = await store.load("n0:3");
  const reader = new Program("../processes/busy-reader.ts", [home, "n0:3", "n4"]);
  await reader.expect();
  const readOnly = await openTestStore(home, { readOnly: true });
  for (let i = 0; i < 12; i++) {
    const rebuilding = store.rebuildIndex();
    for (let j = 0; j < 20; j++) {
      assert.equal(await store.load("n0:3"), right);
      assert.equal(await readOnly.load("n0:3"), right);
    }
    await rebuilding;
  }
  reader.tell("stop");
  const { reads, wrong } = await reader.expect();
  assert.equal(wrong, []);
  assert.ok(reads > 0);
  await reader.end();
});

test("a listing goes on over a rebuild", async () => {
  const store = await openTestStore(await filledHome());
  const refs: string[] = [];
  for await (const { ref } of store.list({ allVersions: true })) {
    refs.push(ref);
    if (refs.length === 3) await store.rebuildIndex();
  }
  assert.is(refs.length, (await store.stats()).versions);
});

test("a network file system is NOT_SUPPORTED unless it is allowed", async () => {
  const files = new WatchedFiles();
  for (const type of [0x6969, 0xff534d42, 0xfe534d42, 0x517b, 0x01021997, 0xff534d42 | 0]) {
    files.onType = () => type;
    await failureWithHint(openSeamStore(newFolder(), { files }), "NOT_SUPPORTED");
    const store = await openSeamStore(newFolder(), { files, allow: ["network-file-system"] });
    await store.save("a", 1);
  }
});

test("verify tells of a damaged row of the index, and rebuilding helps", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("findme", { x: 1 });
  await store.save("other", { x: 2 });
  const environment = new Environment(newestIndex(home));
  environment.transactSync(() => {
    const key = versionKey("findme", 0);
    const row = Buffer.from(environment.get(key)!);
    row[20]! ^= 1;
    environment.put(key, row);
  });
  await environment.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const report = await store.verify();
  assert.ok(report.problems.some(({ kind }) => kind === "index"));
  await store.rebuildIndex();
  assert.ok((await store.verify()).ok);
  assert.equal(await store.load("findme:0"), { x: 1 });
});

test.run();
