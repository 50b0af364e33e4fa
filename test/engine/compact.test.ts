import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { versionKey } from "../../engine/artifact-key.ts";
import { openEngine } from "../../engine/key-value.ts";
import { SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { openCore } from "../../engine/open.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { Expected, fill, logBytes, logFiles, openSmall } from "./compact-support.ts";

const test = suite("compaction");
test.after.each(closeAll);

async function filled(seed: string, saves = 60, deleted = 0.5, files?: WatchedFiles) {
  const home = newFolder();
  const store = await openSmall(home, files ? { files } : {});
  const expected = new Expected();
  const random = new Random(seed);
  await fill(store, expected, random, saves, deleted);
  return { home, store, expected, random };
}

async function freed(store: ArtifactStore, home: string): Promise<number> {
  const { deadBlobBytes } = await store.stats();
  const foreseen = await store.compact({ dryRun: true });
  const before = logBytes(home);
  const report = await store.compact();
  assert.is(report.freedBytes, deadBlobBytes);
  assert.equal(
    [foreseen.freedBytes, foreseen.blobs, foreseen.segments],
    [report.freedBytes, report.blobs, report.segments],
  );
  assert.is(report.logBytesAfter, logBytes(home));
  assert.is(report.waitingBytes, 0);
  assert.equal(report.skipped, []);
  // Each file has a header, what goes may have had batches of its own, and lists of chunks are said to go before.
  assert.ok(before - report.logBytesAfter >= report.freedBytes - 1024, `${before} ${report.logBytesAfter}`);
  assert.is((await store.stats()).deadBlobBytes, 0);
  await new Expected().checkPlaces(home);
  return report.freedBytes;
}

test("what was deleted goes, exactly, and what is there loads, whatever is made of it", async () => {
  const { home, store, expected, random } = await filled("deleted");
  assert.ok((await freed(store, home)) > 0);
  await expected.checkEverywhere(home, store);
  const idle = await store.compact();
  assert.equal([idle.segments, idle.freedBytes, idle.logBytesAfter], [0, 0, idle.logBytesBefore]);
  // And again, over segments that were rewritten before.
  await fill(store, expected, random, 30);
  await freed(store, home);
  await expected.checkEverywhere(home, store);
  await store.close();
  const again = await openSmall(home);
  await expected.check(again);
  await fill(again, expected, random, 5);
  await expected.checkEverywhere(home, again);
});

test("what was deleted can be brought back before, and not after", async () => {
  const { home, store, expected } = await filled("brought back");
  const [first, second] = [...expected.deleted.keys()] as [string, string];
  await expected.undelete(store, first);
  assert.match((await failureWithHint(store.get(second), "NOT_FOUND")).hint!, /varve undelete/);
  await store.compact();
  for (const told of [store.get(second), store.annotate(second, { tags: { a: "b" } })])
    assert.match((await failureWithHint(told, "NOT_FOUND")).hint!, /compacted away/);
  const error = await failureWithHint(store.undelete(second), "NOT_FOUND");
  assert.match(error.message, /compacted away/);
  await expected.checkEverywhere(home, store);
  await failure(store.undelete(second), "NOT_FOUND");
});

test("a value that was deleted and is saved again is there, before and after", async () => {
  const home = newFolder();
  const store = await openSmall(home);
  const expected = new Expected();
  const value = { text: "shared ".repeat(300) };
  await expected.delete(store, await expected.save(store, "a", value));
  await expected.save(store, "b", value);
  await expected.save(store, "c", "x".repeat(3000));
  await expected.delete(store, "c:0");
  await store.compact();
  await expected.checkEverywhere(home, store);
  await expected.delete(store, "b:0");
  await store.compact();
  await expected.save(store, "d", value);
  await expected.checkEverywhere(home, store);
  assert.is((await store.stats()).blobs, 1);
  await store.undelete("b:0");
  assert.equal(await store.load("b:0"), value);
});

test("segments that are nearly empty become one", async () => {
  const { home, store, expected } = await filled("one", 100, 0);
  const names = logFiles(home).size;
  for (const ref of [...expected.live.keys()].filter((_, i) => i % 20 > 0)) await expected.delete(store, ref);
  await store.compact();
  await expected.checkEverywhere(home, store);
  assert.ok(logFiles(home).size < names - 1, `${names} ${logFiles(home).size}`);
  assert.ok([...logFiles(home).keys()].some((name) => name.startsWith("0000000001-000001")));
});

test("long blobs and batches of many records are rewritten too", async () => {
  const home = newFolder();
  const store = await openSmall(home, { segmentBytesMax: 40 * 1024 * 1024 });
  const expected = new Expected();
  const random = new Random("long blobs");
  await expected.save(store, "long", longBytes(random, 9 * 1024 * 1024));
  await expected.save(store, "gone", longBytes(random, 5 * 1024 * 1024));
  await store.batch((batch) => {
    for (let i = 0; i < 500; i++) batch.save("many", { i, text: `text ${i} `.repeat(20) });
  });
  for (let i = 0; i < 500; i++) expected.live.set(`many:${i}`, { i, text: `text ${i} `.repeat(20) });
  await expected.delete(store, "gone:0");
  for (let i = 0; i < 500; i += 3) await expected.delete(store, `many:${i}`);
  await freed(store, home);
  await expected.checkEverywhere(home, store);
});

function longBytes(random: Random, bytes: number): Uint8Array {
  const value = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i += 997) value[i] = random.below(256);
  return value;
}

test("a share that is not reached leaves a segment as it is", async () => {
  const { home, store, expected, random } = await filled("share", 30, 0);
  await expected.delete(store, await expected.save(store, "own", "nobody else has it ".repeat(50)));
  await fill(store, expected, random, 30, 0);
  // Who commits next ends a segment that is full, and compaction may be the next.
  const filledFiles = () => [...logFiles(home)].filter(([, size]) => size > SEGMENT_HEADER_BYTES);
  const before = filledFiles();
  const none = await store.compact({ deadShare: 0.9 });
  assert.equal([none.segments, none.freedBytes], [0, 0]);
  assert.equal(filledFiles(), before);
  assert.ok((await store.compact({ deadShare: 0.001 })).freedBytes > 0);
  await expected.checkEverywhere(home, store);
});

test("wrong options are told, and nothing is done for a store that may only be read", async () => {
  const { home, store } = await filled("options", 10);
  for (const options of [
    { deadShare: 2 },
    { deadShare: "1" },
    { historyBefore: -1 },
    { historyBefore: new Date("?") },
    { dryRun: "yes" },
    { dryrun: true },
  ])
    await failureWithHint(store.compact(options as never), "INVALID_ARGUMENT");
  const reader = await openSmall(home, { readOnly: true });
  await failure(reader.compact(), "READ_ONLY");
  assert.ok((await reader.compact({ dryRun: true })).freedBytes > 0);
  const empty = await openSmall(newFolder());
  assert.is((await empty.compact()).segments, 0);
  assert.is((await empty.compact({ historyBefore: new Date() })).segments, 0);
});

test("who gives up half-way leaves everything as it was", async () => {
  const files = new WatchedFiles();
  const { home, store, expected } = await filled("aborted", 60, 0.5, files);
  const abort = new AbortController();
  files.onOpen = (_, mode) => {
    if (mode === "create") abort.abort();
  };
  await failure(store.compact({ signal: abort.signal }), "ABORTED");
  files.onOpen = undefined;
  assert.equal(
    [...logFiles(home).keys()].filter((name) => name.includes("new-")),
    [],
  );
  await expected.undelete(store, [...expected.deleted.keys()][0]!);
  await expected.checkEverywhere(home, store);
  await freed(store, home);
});

test("it tells how far it is, and closing waits for it", async () => {
  const { store, expected, home } = await filled("progress");
  const told: { done: number; total?: number }[] = [];
  const compacted = store.compact({ onProgress: (progress) => told.push(progress) });
  const closed = store.close();
  assert.ok((await compacted).freedBytes > 0);
  await closed;
  assert.ok(told.every(({ done, total }) => done <= total!));
  await expected.check(await openSmall(home));
});

test("without room for a new file nothing is done", async () => {
  const files = new WatchedFiles();
  const { home, store, expected } = await filled("no room", 40, 0.5, files);
  files.onFreeBytes = () => 2 * 1024 * 1024;
  const before = [...logFiles(home).keys()].filter((name) => name.includes("-"));
  await failureWithHint(store.compact(), "NO_SPACE");
  files.onFreeBytes = undefined;
  assert.equal(
    [...logFiles(home).keys()].filter((name) => name.includes("-")),
    before,
  );
  await expected.undelete(store, [...expected.deleted.keys()][0]!);
  await expected.checkEverywhere(home, store);
  await freed(store, home);
});

test("a second copy of a blob goes where the first can be read, and every version keeps its count", async () => {
  const home = newFolder();
  const store = await openSmall(home);
  const expected = new Expected();
  const value = { text: "twice ".repeat(400) };
  await expected.save(store, "early", value);
  await expected.delete(store, await expected.save(store, "dead", "y".repeat(2000)));
  await writeAgain(store, "early:0");
  await expected.save(store, "late", value);
  for (let i = 0; i < 12; i++) await expected.save(store, "more", `${i} `.repeat(1000));
  await store.compact();
  assert.is((await store.verify({ full: true })).blobs, 13);
  await expected.checkEverywhere(home, store);
  await expected.delete(store, "late:0");
  await store.compact();
  await expected.checkEverywhere(home, store);
});

test("where the second copy is damaged, the first one stays, and is found", async () => {
  const home = newFolder();
  const store = await openSmall(home);
  const expected = new Expected();
  await expected.save(store, "early", "twice ".repeat(400));
  await expected.delete(store, await expected.save(store, "dead", "y".repeat(2000)));
  for (let i = 0; i < 5; i++) await expected.save(store, "more", `${i} `.repeat(2000));
  await writeAgain(store, "early:0");
  damageText(segmentsOf(home).at(-1)!, "twice ");
  for (let i = 5; i < 10; i++) await expected.save(store, "more", `${i} `.repeat(2000));
  assert.is((await store.compact()).blobs, 1);
  for (const [ref, value] of expected.live) assert.equal(await store.load(ref), value);
  await store.rebuildIndex();
  for (const [ref, value] of expected.live) assert.equal(await store.load(ref), value);
});

test("once that is decided, what is to go can't be had any more, but be saved again", async () => {
  const files = new WatchedFiles();
  const { home, store, expected } = await filled("decided", 40, 0.5, files);
  const value = "nobody else has it ".repeat(100);
  const ref = await expected.save(store, "own", value);
  await expected.delete(store, ref);
  let acting: Promise<unknown> | undefined;
  files.onOpen = (path, mode) => {
    if (mode !== "create" || !path.includes("new-c0c0c0c0") || acting) return;
    acting = failure(store.undelete(ref), "NOT_FOUND").then(() => expected.save(store, "again", value));
  };
  await store.compact();
  assert.ok(acting);
  await acting;
  await expected.checkEverywhere(home, store);
});

/** The blob of a version once more at the end of the log, as repair does it. */
async function writeAgain(store: ArtifactStore, ref: string): Promise<void> {
  const handle = track({
    ...(await openCore(store.home, { application: "artifact" })),
    close: async () => {},
  });
  const { core } = handle;
  const [name, version] = ref.split(":") as [string, string];
  const row = core.row(versionKey(name, Number(version)))!;
  const blob = core.prepareBlob(Buffer.from(await core.blob(row)));
  await core.commit({ run: (t) => t.writeBlob(blob), bytes: 0, durable: true });
  await handle.release();
}

test("the key-value engine gives the space of old values back", async () => {
  const home = newFolder();
  const engine = track(await openEngine(home));
  const value = (i: number) => `${i} `.repeat(4000);
  for (let i = 0; i < 10; i++) await engine.put(["a", i], value(i));
  for (let i = 0; i < 10; i += 2) await engine.put(["a", i], i);
  await engine.del(["a", 1]);
  const { freedBytes, blobs } = await engine.compact();
  assert.is(blobs, 6);
  assert.ok(freedBytes > 6 * 8000);
  for (let i = 0; i < 10; i++)
    assert.is(await engine.get(["a", i]), i === 1 ? undefined : i % 2 === 0 ? i : value(i));
  assert.ok((await engine.verify({ full: true })).ok);
  assert.ok((await engine.compact({ historyBefore: 100 })).records >= 7);
  await engine.rebuildIndex();
  for (let i = 0; i < 10; i++)
    assert.is(await engine.get(["a", i]), i === 1 ? undefined : i % 2 === 0 ? i : value(i));
  assert.ok((await engine.verify({ full: true })).ok);
});

test.run();
