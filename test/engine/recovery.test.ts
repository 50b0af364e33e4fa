import { appendFileSync, cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { versionKey } from "../../engine/artifact-record.ts";
import { Environment } from "../../engine/index/lmdb.ts";
import { segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { newestIndex, placeOf } from "../helpers/indexes.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, closeStores, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("recovery and rebuilding");
test.after.each(killPrograms);
test.after.each(closeAll);

/** Everything that a store answers. */
async function answers(store: ArtifactStore): Promise<unknown> {
  const artifacts = [];
  for (const filter of [{ allVersions: true }, { deleted: true }]) {
    for await (const artifact of store.list(filter)) {
      const { ref, digest, size, sequence, createdAt, tags, metadata, aliases, inputs, code, deleted } =
        artifact;
      const value = deleted ? undefined : await artifact.value();
      artifacts.push({
        ref,
        digest,
        size,
        sequence,
        createdAt,
        tags,
        metadata,
        aliases,
        inputs,
        code,
        deleted,
        value,
      });
    }
  }
  const { indexBytes, segments, logBytes, ...stats } = await store.stats();
  return { artifacts, stats };
}

async function filledHome(segmentBytesMax = 2000): Promise<string> {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax });
  await fill(store);
  await store.close();
  return home;
}

async function fill(store: ArtifactStore): Promise<void> {
  for (let i = 0; i < 40; i++) {
    await store.save(`n${i % 5}`, { i, text: "t".repeat((i % 7) * 60) }, { tags: { i: `${i}` } });
  }
  await store.save("code", Buffer.alloc(100_000, 1), { code: "c".repeat(900), inputs: ["n0:1"] });
  await store.setAlias("n1", "prod", 2);
  await store.setAlias("n2", "gone", 0);
  await store.deleteAlias("n2", "gone");
  await store.delete("n3:all");
  await store.undelete("n3:1");
  await store.delete("n1:2", { aliases: true });
  await store.annotate("n4", { tags: { i: null, new: "x" }, metadata: { a: 1 } });
}

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

for (const [what, spoil] of [
  ["of another boot", (home: string) => changeMark(home, { bootId: "another" })],
  ["of another inode", (home: string) => changeMark(home, { inode: 1 })],
  ["of another device", (home: string) => changeMark(home, { device: 1 })],
  ["without a mark", (home: string) => rmSync(join(newestIndex(home), "trust.json"))],
  [
    "with a mark that is cut off",
    (home: string) => writeFileSync(join(newestIndex(home), "trust.json"), '{"boo'),
  ],
  ["that is empty", (home: string) => writeFileSync(join(newestIndex(home), "data.mdb"), "")],
  ["that is gone", (home: string) => rmSync(newestIndex(home), { recursive: true })],
] as const) {
  for (const boot of ["the same boot", "a new boot"]) {
    test(`an index ${what} is made anew in ${boot}, with the same answers`, async () => {
      const home = await filledHome();
      const right = await answers(await openTestStore(copyHome(home)));
      spoil(home);
      if (boot === "a new boot") rmSync(join(home, "lock"), { recursive: true });
      const store = await openTestStore(home);
      assert.equal(await answers(store), right);
      assert.is((await store.save("n0", 1)).version, 8);
      assert.is(readdirSync(home).filter((name) => name.startsWith("index-")).length, 1);
    });
  }
}

/** The mark of an index that was not closed in order. */
function changeMark(home: string, change: object): void {
  const path = join(newestIndex(home), "trust.json");
  const { clean, ...mark } = JSON.parse(readFileSync(path, "utf8"));
  const kept = "bootId" in change ? {} : { clean };
  writeFileSync(path, JSON.stringify({ ...mark, ...kept, ...change }));
}

test("an index of another boot that was not closed in order is not believed, whatever it says", async () => {
  const home = await filledHome();
  const right = await answers(await openTestStore(copyHome(home)));
  const environment = new Environment(newestIndex(home));
  environment.transactSync(() => environment.remove(versionKey("n0", 7)));
  await environment.close();
  changeMark(home, { bootId: "another" });
  rmSync(join(home, "lock"), { recursive: true });
  const store = await openTestStore(home);
  assert.equal(await answers(store), right);
});

test("an index is not called clean any more before it is written to, and again when the last one leaves", async () => {
  const home = await filledHome();
  const mark = () => JSON.parse(readFileSync(join(newestIndex(home), "trust.json"), "utf8"));
  assert.ok(mark().clean);
  const store = await openTestStore(home);
  await store.load("n0");
  assert.ok(mark().clean, "reading changes nothing");
  const files = new WatchedFiles();
  await store.close();
  const writing = await openSeamStore(home, { files });
  let cleanAtAppend: unknown;
  files.onAppend = (pieces, write) => {
    cleanAtAppend = mark().clean;
    write(pieces);
  };
  await writing.save("n0", 1);
  assert.is(cleanAtAppend, undefined);
  assert.is(mark().clean, undefined);
  const { sequence } = await writing.stats();
  await writing.close();
  assert.is(mark().clean.sequence, sequence);
});

test("an index of an older copy of the home is not trusted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  await store.close();
  const older = newFolder();
  cpSync(home, older, { recursive: true });
  const again = await openTestStore(home);
  await again.save("a", 2);
  await again.close();
  const folder = newestIndex(home);
  rmSync(folder, { recursive: true });
  cpSync(newestIndex(older), folder, { recursive: true });
  // The copy may get the very inode that the old one had; it was born later all the same.
  claimOwn(home, false);
  const mixed = await openTestStore(home);
  assert.is(await mixed.load("a"), 2);
  assert.is((await mixed.save("a", 3)).version, 2);
});

test("a log put back from an older copy is not read through the newer index", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", 1);
  await store.close();
  const older = readFileSync(segmentsOf(home)[0]!);
  const again = await openTestStore(home);
  await again.save("a", 2);
  await again.close();
  writeFileSync(segmentsOf(home)[0]!, older);
  rmSync(join(home, "lock"), { recursive: true });
  const restored = await openTestStore(home);
  assert.is(await restored.load("a"), 1);
  assert.is((await restored.stats()).versions, 1);
});

test("after a clean close a new boot reads almost nothing of the log", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.batch((batch) => {
    for (let i = 0; i < 2000; i++) batch.save(`n/${i}`, { i, text: "x".repeat(500) });
  });
  await store.close();
  rmSync(join(home, "lock"), { recursive: true });
  changeBoot(home);
  const files = new WatchedFiles();
  const again = await openSeamStore(home, { files });
  assert.equal(await again.load("n/1999"), { i: 1999, text: "x".repeat(500) });
  assert.ok(files.counts.readBytes < 10_000, `${files.counts.readBytes} bytes`);
  await again.save("n/1", 1);
  await again.close();
  assert.is((await (await openTestStore(home)).get("n/1")).version, 1);
});

/** As if the mark had been written in an earlier boot. */
function changeBoot(home: string): void {
  const path = join(newestIndex(home), "trust.json");
  const mark = JSON.parse(readFileSync(path, "utf8"));
  assert.ok(mark.clean, "closed in order");
  writeFileSync(path, JSON.stringify({ ...mark, bootId: "another" }));
}

test("after a clean close, what the log got since is found by a new boot", async () => {
  const home = await filledHome();
  const older = newFolder();
  cpSync(home, older, { recursive: true });
  const store = await openTestStore(home);
  await store.save("later", 1);
  const right = await answers(store);
  await store.close();
  // The log of now, with the cleanly closed index of before, which an honest mark belongs to.
  cpSync(join(home, "log"), join(older, "log"), { recursive: true });
  rmSync(join(older, "lock"), { recursive: true });
  claimOwn(older);
  assert.equal(await answers(await openTestStore(older)), right);
});

/** The mark of a copied index, as if it had been made where it is. */
function claimOwn(home: string, bornToo = true): void {
  const path = join(newestIndex(home), "trust.json");
  const mark = JSON.parse(readFileSync(path, "utf8"));
  const { born, ...place } = placeOf(newestIndex(home));
  writeFileSync(path, JSON.stringify({ ...mark, ...place, ...(bornToo && { born }) }));
}

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

test("a home put back in the place of the old one from a copy taken while it was written to is not trusted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let i = 0; i < 50; i++) await store.save("a", i);
  const copied = copyHome(home);
  await store.close();
  for (let round = 0; round < 3; round++) {
    rmSync(home, { recursive: true });
    cpSync(copied, home, { recursive: true });
    // What a copy under load looks like: an index that does not have all of the log.
    const again = await openTestStore(home);
    assert.is((await again.save("a", "new")).version, 50, `round ${round}`);
    assert.is((await again.stats()).versions, 51);
    await again.close();
  }
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
