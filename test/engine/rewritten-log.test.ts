import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { decodeSegmentHeader } from "../../engine/log/format.ts";
import type { ScannedRecord } from "../../engine/log/scan.ts";
import { listSegments, segmentPath } from "../../engine/log/segment.ts";
import { damageText, flipByte } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { deadBlobs, rewriteSegments, withoutBlobs } from "../helpers/rewriting.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";

const test = suite("stores with rewritten segments");
test.after.each(closeAll);

const SEGMENT_BYTES_MAX = 1_500;
const NAMES = 12;
/** Deleted, so that their values are dead. */
const DELETED = [1, 4, 5, 9];
const LEFT = Array.from({ length: NAMES }, (_, n) => n).filter((n) => !DELETED.includes(n));

/** Each its own bytes, too many for a row of the index. */
const marked = (n: number, version = 0) => `MARK-${n}-${version} `.repeat(40);

const logOf = (home: string) => join(home, "log");
const idsOf = (home: string) => listSegments(nodeFileSystem, logOf(home));
const openSmall = (home: string) => openSeamStore(home, { segmentBytesMax: SEGMENT_BYTES_MAX });

async function fill(store: ArtifactStore): Promise<void> {
  for (let n = 0; n < NAMES; n++) {
    await store.save(`n/${n}`, marked(n), { tags: { n: String(n) } });
    if (n === 2) for (const mark of ["once", "twice"]) await store.annotate("n/2:0", { tags: { mark } });
  }
  for (const n of DELETED) await store.delete(`n/${n}:0`);
  await store.annotate("n/3:0", { tags: { again: "yes" } });
  await store.save("n/0", marked(0, 1));
  await store.setAlias("n/0", "first", 0);
}

async function newHome(): Promise<string> {
  const home = newFolder();
  const store = await openSmall(home);
  await fill(store);
  await store.close();
  return home;
}

/** What everybody may know of a store: all that lives in it, and that the rest was deleted. */
async function stateOf(store: ArtifactStore): Promise<unknown> {
  const state = [];
  for (const deleted of [false, true])
    for await (const artifact of store.list({ allVersions: true, deleted })) {
      const { ref, tags, version, createdAt, bytes } = JSON.parse(JSON.stringify(artifact));
      const value = deleted ? undefined : await store.load(ref);
      state.push({ deleted, ref, tags, version, createdAt, bytes, value });
    }
  return [state, await store.aliases("n/0")];
}

/** Of all that is sealed, what `runs` says, by places in the list of segments. */
async function rewrite(home: string, runs: readonly (readonly [number, number])[]): Promise<number[]> {
  const log = logOf(home);
  const isLive = withoutBlobs(...deadBlobs(log));
  // And a batch that is history, so that a sequence is left out.
  const keeps = (record: ScannedRecord) => isLive(record) && !record.payload?.includes("once");
  const before = idsOf(home);
  const made = [];
  for (const [from, to] of runs) made.push(await rewriteSegments(log, before.slice(from, to), { keeps }));
  return made;
}

/** Nothing but the log, as a copy: what opens it makes the index anew. */
function logOnly(home: string): string {
  const copy = join(newFolder(), "copy");
  cpSync(logOf(home), logOf(copy), { recursive: true });
  return copy;
}

async function isWhole(store: ArtifactStore): Promise<void> {
  for (const full of [false, true]) assert.equal((await store.verify({ full })).problems, []);
}

test("the state is that of the log that was not rewritten, from the log, after a rebuild, and when read-only", async () => {
  const home = await newHome();
  const store = await openSmall(home);
  const expected = await stateOf(store);
  await store.close();
  const sealed = idsOf(home).length - 1;
  assert.ok(sealed >= 5, `${sealed}`);
  for (const runs of [
    [[0, sealed]],
    [[1, 3]],
    [
      [0, 1],
      [1, 2],
      [2, sealed],
    ],
  ] as [number, number][][]) {
    const rewritten = copyHome(home);
    await rewrite(rewritten, runs);
    for (const readOnly of [true, false]) {
      const opened = await openTestStore(logOnly(rewritten), { readOnly });
      assert.equal(await stateOf(opened), expected);
      await isWhole(opened);
      if (readOnly) continue;
      await opened.rebuildIndex();
      assert.equal(await stateOf(opened), expected);
      assert.is((await opened.save("n/0", 1)).version, 2);
      await isWhole(opened);
    }
  }
});

test("saving goes on, and what was deleted stays so", async () => {
  const home = await newHome();
  await rewrite(home, [[0, idsOf(home).length - 1]]);
  const copy = logOnly(home);
  const store = await openSmall(copy);
  for (let n = 0; n < NAMES; n++) await store.save(`n/${n}`, marked(n, 7));
  assert.is(await store.load("n/4:1"), marked(4, 7));
  await failureWithHint(store.load("n/4:0"), "NOT_FOUND");
  await isWhole(store);
  const expected = await stateOf(store);
  await store.close();
  // Once more, with what is rewritten already.
  await rewrite(copy, [[0, idsOf(copy).length - 1]]);
  assert.is(idsOf(copy).length, 2);
  const again = await openTestStore(logOnly(copy));
  assert.equal(await stateOf(again), expected);
  await isWhole(again);
});

test("a segment that was rewritten while what it took the place of is there", async () => {
  const home = await newHome();
  const log = logOf(home);
  const ids = idsOf(home).slice(0, -1);
  await rewriteSegments(log, ids, { keeps: withoutBlobs(...deadBlobs(log)), originals: "kept" });
  for (const id of ids) writeFileSync(segmentPath(log, id), "nobody looks at it");
  const store = await openTestStore(logOnly(home));
  for (const n of LEFT) assert.is(await store.load(`n/${n}:0`), marked(n));
  await isWhole(store);
});

test("one of another store that got among them hides nothing from stats, verify and repair", async () => {
  const home = await newHome();
  const other = await newHome();
  const foreign = await rewriteSegments(logOf(other), idsOf(other).slice(0, 3));
  cpSync(segmentPath(logOf(other), foreign), segmentPath(logOf(home), foreign));
  const own = readdirSync(logOf(home)).filter((name) => !name.includes("-"));
  const store = await openSmall(home);
  assert.is((await store.stats()).segments, own.length);
  const whole = await store.verify({ full: true });
  assert.equal(whole.problems, []);
  assert.is(whole.segments, own.length);
  damageText(segmentPath(logOf(home), 1), marked(0));
  const { problems } = await store.verify();
  assert.equal(
    problems.flatMap(({ refs = [] }) => refs),
    ["n/0:0"],
  );
  const values = newFolder();
  const another = await openTestStore(values);
  await another.save("same", marked(0));
  await another.close();
  const report = await store.repair({ from: values });
  assert.equal([report.ok, report.notRepaired], [true, []]);
  assert.is(await store.load("n/0:0"), marked(0));
  await store.close();
});

test("a header that can't be read gives way to what it took the place of, while that is there", async () => {
  const home = await newHome();
  const log = logOf(home);
  const before = await openTestStore(logOnly(home));
  const expected = await stateOf(before);
  const keeps = withoutBlobs(...deadBlobs(log));
  const id = await rewriteSegments(log, idsOf(home).slice(0, -1), { keeps, originals: "kept" });
  flipByte(segmentPath(log, id), 100);
  const store = await openTestStore(logOnly(home));
  assert.equal(await stateOf(store), expected);
  await isWhole(store);
  assert.is((await store.save("n/0", 1)).version, 2);
});

test("an index that has the log up to somewhere is brought up to the end, wherever segments were rewritten", async () => {
  for (const where of ["behind it", "in it", "at its end"] as const) {
    const home = newFolder();
    const early = await openSmall(home);
    for (let n = 0; n < NAMES; n++) await early.save(`early/${n}`, marked(n));
    await early.close();
    const known = idsOf(home).length;
    const copy = copyHome(home);
    const late = await openSmall(copy);
    await fill(late);
    const expected = await stateOf(late);
    await late.close();
    const log = logOf(copy);
    const ids = idsOf(copy);
    const run = {
      "behind it": ids.slice(known, -1),
      "in it": ids.slice(1, 3),
      "at its end": ids.slice(known - 2, -1),
    };
    await rewriteSegments(log, run[where], { keeps: withoutBlobs(...deadBlobs(log)) });
    // The index that was closed in order meets that log after a reboot.
    rmSync(logOf(home), { recursive: true });
    cpSync(log, logOf(home), { recursive: true });
    rmSync(join(home, "lock"), { recursive: true });
    const store = await openTestStore(home);
    assert.equal(await stateOf(store), expected, where);
    await isWhole(store);
    assert.is((await store.save("early/0", 1)).version, 1);
  }
});

test("whatever byte of one is flipped, every value is right or CORRUPTION, and what is lost is told", async () => {
  const home = await newHome();
  const [id] = await rewrite(home, [[0, 3]]);
  const copy = logOnly(home);
  const path = segmentPath(logOf(copy), id!);
  const whole = readFileSync(path);
  const step = process.env.VARVE_TEST_LONG ? 1 : 97;
  for (let at = 0; at < whole.length; at += step) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    await checkDamaged(copy, path, bytes, `byte ${at}`);
    if (at % (step * 4) === 0) await checkDamaged(copy, path, whole.subarray(0, at), `${at} bytes`);
  }
});

async function checkDamaged(home: string, path: string, bytes: Buffer, what: string): Promise<void> {
  for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
  writeFileSync(path, bytes);
  const store = await openTestStore(home, { readOnly: true });
  const lost = [];
  for (const n of LEFT) {
    const loaded = await store.load(`n/${n}:0`).catch((error: { code: string }) => error.code);
    if (loaded === marked(n)) continue;
    assert.ok(loaded === "CORRUPTION" || loaded === "NOT_FOUND", `${what}: ${loaded}`);
    lost.push(n);
  }
  const { problems } = await store.verify({ full: true });
  if (lost.length > 0) assert.ok(problems.length > 0, what);
  for (const { segment } of problems) assert.ok(segment === undefined || Number.isInteger(segment), what);
  assert.is(await store.load("n/0:1"), marked(0, 1), what);
  await store.close();
}

test("numbers are not given again where a rewritten segment lost its end or is gone", async () => {
  for (const damage of ["cut", "gone"]) {
    const home = newFolder();
    const store = await openSmall(home);
    for (let i = 0; i < 10; i++) await store.save("one", marked(i));
    for (let i = 0; i < 4; i++) await store.save("other", marked(i, 1));
    await store.close();
    const [id] = await rewrite(home, [[0, 4]]);
    const path = segmentPath(logOf(home), id!);
    if (damage === "gone") rmSync(path);
    else truncateSync(path, 200);
    const copy = await openTestStore(logOnly(home));
    const { version } = await copy.save("one", "new");
    assert.ok(version >= 10, `${damage}: ${version}`);
  }
});

test("when the newest segment is lost, the log goes on behind a rewritten one", async () => {
  const home = await newHome();
  const last = idsOf(home).at(-1)!;
  const [id] = await rewrite(home, [[0, idsOf(home).length - 1]]);
  const copy = logOnly(home);
  rmSync(segmentPath(logOf(copy), last));
  for (let round = 0; round < 2; round++) {
    const store = await openTestStore(copy);
    await store.save("behind", marked(round, 3));
    assert.is(await store.load("behind"), marked(round, 3));
    await isWhole(store);
    await store.close();
    for (const name of ["lock"]) rmSync(join(copy, name), { recursive: true });
  }
  assert.is(idsOf(copy)[0], id);
  const [, second] = idsOf(copy);
  const { previousNumber } = decodeSegmentHeader(readFileSync(segmentPath(logOf(copy), second!)), "it");
  assert.is(previousNumber, last - 1);
  await isWhole(await openTestStore(logOnly(copy)));
});

test("verify in parts goes on where it was when segments are rewritten in between", async () => {
  const home = await newHome();
  const copy = logOnly(home);
  const store = await openTestStore(copy, { readOnly: true });
  const first = await store.verify({ timeBudget: 0, full: true });
  assert.is(first.complete, false);
  await rewrite(copy, [[0, 3]]);
  const problems = [];
  let next = first.next;
  for (let part = 0; next && part < 1000; part++) {
    const report = await (await openTestStore(copy, { readOnly: true })).verify({
      timeBudget: 0,
      after: next,
    });
    problems.push(...report.problems);
    next = report.next;
  }
  assert.equal(problems, []);
  assert.is(next, undefined);
});

test("a damaged one is repaired from a copy of it, wherever it is damaged", async () => {
  const home = await newHome();
  const [id] = await rewrite(home, [[0, 4]]);
  const backup = logOnly(home);
  const bytes = readFileSync(segmentPath(logOf(home), id!));
  const damages: ((path: string) => void)[] = [
    (path) => damageText(path, "MARK-2"),
    (path) => flipByte(path, bytes.indexOf("MARK-3") - 10),
    (path) => flipByte(path, 20),
    (path) => flipByte(path, 130),
    (path) => truncateSync(path, bytes.length - 100),
    (path) => truncateSync(path, 60),
    (path) => writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(100)])),
    (path) => rmSync(path),
  ];
  for (const [i, damage] of damages.entries()) {
    const copy = logOnly(home);
    const path = segmentPath(logOf(copy), id!);
    damage(path);
    const store = await openTestStore(copy);
    assert.ok((await store.verify({ full: true })).problems.length > 0, `damage ${i}`);
    const foreseen = await store.repair({ from: backup, dryRun: true });
    const report = await store.repair({ from: backup });
    assert.equal([report.ok, foreseen.ok, report.notRepaired], [true, true, []], `damage ${i}`);
    assert.equal(readFileSync(path), bytes, `damage ${i}`);
    assert.is(report.quarantined.length, existsSync(path) && i < damages.length - 1 ? 1 : 0, `damage ${i}`);
    for (const n of LEFT) assert.is(await store.load(`n/${n}:0`), marked(n), `damage ${i}`);
    await isWhole(store);
    await store.close();
  }
});

test("with copies of what it took the place of: values come back from them, and all of one that is gone", async () => {
  const home = await newHome();
  const backup = logOnly(home);
  const [id] = await rewrite(home, [[0, 4]]);
  const path = (copy: string) => segmentPath(logOf(copy), id!);
  const value = logOnly(home);
  damageText(path(value), "MARK-2");
  const store = await openTestStore(value);
  const report = await store.repair({ from: backup });
  assert.equal(report.notRepaired, []);
  assert.is(await store.load("n/2"), marked(2));
  const gone = logOnly(home);
  rmSync(path(gone));
  const second = await openTestStore(gone);
  assert.is((await failureWithHint(second.load("n/2:0"), "NOT_FOUND")).code, "NOT_FOUND");
  assert.equal((await second.repair({ from: backup })).notRepaired, []);
  for (const n of LEFT) assert.is(await second.load(`n/${n}:0`), marked(n));
  await isWhole(second);
  // Of a batch that is damaged in it, nobody has a copy.
  const batch = logOnly(home);
  flipByte(path(batch), 130);
  const third = await openTestStore(batch);
  const left = await third.repair({ from: backup });
  assert.is(left.ok, false);
  assert.ok(left.notRepaired.some(({ kind, segment }) => kind === "batch" && segment === 1));
});

test.run();
