import { appendFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Progress, VerifyProblem, VerifyReport } from "../../engine/api.ts";
import { encodeKey } from "../../engine/key.ts";
import { openEngine } from "../../engine/key-value.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { openCore } from "../../engine/open.ts";
import { cutFile, damageText, flipByte, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, newStore, openSeamStore, openTestStore, track } from "../helpers/stores.ts";

const test = suite("verify");

test.after.each(closeAll);
test.after.each(killPrograms);

const marked = (n: number) => `MARK-${String(n).padStart(4, "0")}-${"x".repeat(400)}`;
const COUNT = 12;

async function filledHome(segmentBytesMax = 1500): Promise<string> {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax });
  for (let n = 0; n < COUNT; n++) await store.save(`n/${n}`, marked(n));
  await store.close();
  return home;
}

interface Verifiable {
  verify(options: { full?: boolean; timeBudget?: number; after?: string }): Promise<VerifyReport>;
}

/** Part after part, each as short as can be. */
async function inParts(
  store: Verifiable,
  full: boolean,
  between: (part: number) => Promise<void> = async () => {},
): Promise<VerifyReport[]> {
  const reports: VerifyReport[] = [];
  for (let report = await store.verify({ full, timeBudget: 0 }); ; ) {
    reports.push(report);
    assert.ok(reports.length < 1_000, "it does not get on");
    if (report.complete) return reports;
    assert.type(report.next, "string");
    await between(reports.length);
    report = await store.verify({ timeBudget: 0, after: report.next! });
  }
}

/** By place, with the refs of all who tell of it. */
function placesOf(problems: readonly VerifyProblem[]): string[] {
  const places = new Map<string, Set<string>>();
  for (const { segment, offset, message, refs = [] } of problems) {
    const place = segment === undefined ? message : `${segment}/${offset}`;
    places.set(place, new Set([...(places.get(place) ?? []), ...refs]));
  }
  return [...places].map(([place, refs]) => `${place} ${[...refs].sort()}`).sort();
}

function sumOf(reports: readonly VerifyReport[], count: "batches" | "records" | "blobs" | "bytes"): number {
  return reports.reduce((sum, report) => sum + report[count], 0);
}

async function partsFindTheSame(store: ArtifactStore, label: string): Promise<void> {
  for (const full of [false, true]) {
    const whole = await store.verify({ full });
    assert.ok(whole.complete && whole.next === undefined);
    const reports = await inParts(store, full);
    assert.ok(reports.length > COUNT, `${reports.length} parts`);
    const problems = reports.flatMap((report) => report.problems);
    assert.equal(placesOf(problems), placesOf(whole.problems), label);
    for (const count of ["batches", "records", "blobs", "bytes"] as const)
      assert.is(sumOf(reports, count), whole[count], `${label}: ${count}`);
  }
}

test("in parts it finds what one run finds, in a sound store and in damaged ones", async () => {
  const damages: [string, (segments: string[]) => void][] = [
    ["sound", () => {}],
    ["a value", (segments) => damageText(segments[1]!, "MARK-")],
    [
      "batches",
      (segments) =>
        [0, 2].forEach((i) => void flipByte(segments[i]!, readFileSync(segments[i]!).indexOf("MARK-") - 10)),
    ],
    ["short segment", (segments) => cutFile(segments[1]!, sizeOf(segments[1]!) - 200)],
    ["missing segment", (segments) => rmSync(segments[2]!)],
    ["missing newest", (segments) => rmSync(segments.at(-1)!)],
    ["damaged header", (segments) => flipByte(segments[1]!, 20)],
  ];
  for (const [label, damage] of damages) {
    const home = await filledHome();
    damage(segmentsOf(home));
    const store = await openTestStore(home);
    assert.is((await store.verify()).ok, label === "sound");
    await partsFindTheSame(store, label);
    await store.rebuildIndex();
    await partsFindTheSame(store, `${label}, after a rebuild`);
    await closeAll();
  }
});

test("saves, segments and a rebuild in between hide nothing and are no damage", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home)[1]!, "MARK-");
  const store = await openSeamStore(home, { segmentBytesMax: 1500 });
  const whole = await store.verify({ full: true });
  const reports = await inParts(store, true, async (part) => {
    if (part > 30) return;
    await store.save(`n/${part % 5}`, marked(100 + part));
    if (part === 9) await store.rebuildIndex();
  });
  assert.equal(placesOf(reports.flatMap(({ problems }) => problems)), placesOf(whole.problems));
  assert.ok((await inParts(store, false)).length > 30);
});

test("what others write while it runs is no damage", async () => {
  const home = newFolder();
  const store = await openSeamStore(home, { segmentBytesMax: 10_000 });
  await store.save("n/0", 0);
  await store.save("n/9", 9);
  const other = new Program("../store/repair-user.ts", [home]);
  await other.expect();
  other.tell("save");
  await other.expect();
  let ended = false;
  const saving = (async () => {
    for (let n = 0; !ended; n++) await store.save("ours", [n, "x".repeat(n % 3_000)]);
  })();
  for (let round = 0; round < 1_000 && (round < 40 || segmentsOf(home).length < 4); round++) {
    const { problems, complete } = await store.verify({ full: round % 2 === 0 });
    assert.equal(problems, []);
    assert.ok(complete);
    // A short verification gives no turn to the saves.
    await new Promise((resolve) => setImmediate(resolve));
  }
  let after: string | undefined;
  do {
    const report = await store.verify({ timeBudget: 1, ...(after !== undefined && { after }) });
    assert.equal(report.problems, []);
    after = report.next;
  } while (after !== undefined);
  ended = true;
  await saving;
  other.tell("load");
  assert.equal((await other.expect()).failed, []);
  await other.end();
  assert.ok(readdirSync(join(home, "log")).length > 3, "segments were begun");
});

test("an index that lacks a row, or has an older one, is told, and deleted keys are not missed", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let n = 0; n < COUNT; n++) await engine.put(["k", n], n);
  for (const n of [2, 3]) await engine.del(["k", n]);
  await engine.put(["k", 4], "newer");
  await engine.put(["k", 3], "again");
  assert.equal((await engine.verify()).problems, []);
  for (const part of await inParts(engine as unknown as Verifiable, false)) assert.equal(part.problems, []);
  const { core, release } = await openCore(folder, { application: "keyvalue" });
  const key = (n: number) => Buffer.from(encodeKey(["k", n]));
  const put = (n: number, sequence: number, kind: RecordKind) => {
    const { place } = core.row(key(4))!;
    const change = {
      kind,
      key: key(n),
      tag: 0,
      weak: false,
      references: [],
      place,
      content: Buffer.alloc(1),
    };
    core.catalog.transact(() => core.catalog.apply(change, sequence, 1));
  };
  put(6, 0, RecordKind.delete);
  assert.match((await engine.verify()).problems[0]!.message, "the index lacks what operation 7 put");
  await engine.rebuildIndex();
  put(4, 5, RecordKind.put);
  assert.match((await engine.verify()).problems[0]!.message, /as of operation 5, but operation 15/);
  for (const reports of [await inParts(engine as unknown as Verifiable, false)])
    assert.match(reports.flatMap(({ problems }) => problems)[0]!.message, /as of operation 5/);
  await release();
});

test("what is deleted while it runs is not missed", async () => {
  const engine = track(await openEngine(newFolder()));
  for (let n = 0; n < COUNT; n++) await engine.put(n, n);
  const verifying = engine.verify();
  const deleting = engine.del(COUNT - 1);
  assert.equal((await verifying).problems, []);
  assert.ok(await deleting);
});

test("a batch that nobody has been told of yet is left to a later run", async () => {
  const home = await filledHome();
  const further = copyHome(home);
  const other = await openTestStore(further);
  await other.save("n/0", "being written");
  await other.close();
  const store = await openTestStore(home);
  const newest = segmentsOf(home).at(-1)!;
  appendFileSync(newest, readFileSync(segmentsOf(further).at(-1)!).subarray(sizeOf(newest)));
  const report = await store.verify();
  assert.equal([report.batches, report.problems], [COUNT, []]);
  await store.save("later", 1);
  const { batches, problems } = await store.verify();
  assert.equal([batches, problems], [COUNT + 2, []], "it was adopted");
});

test("progress has a true total: the bytes of the log, then the rows of the index", async () => {
  const home = await filledHome();
  const store = await openTestStore(home);
  const told: Progress[] = [];
  const report = await store.verify({ onProgress: (progress) => told.push({ ...progress }) });
  const logBytes = segmentsOf(home).reduce((sum, file) => sum + sizeOf(file), 0);
  const log = told.filter(({ phase }) => phase === "log");
  const index = told.filter(({ phase }) => phase === "index");
  assert.equal(log.at(-1), { phase: "log", done: logBytes, total: logBytes, unit: "bytes" });
  assert.equal(index.at(-1), { phase: "index", done: COUNT, total: COUNT, unit: "records" });
  assert.equal(report.progress, index.at(-1));
  const parts = await inParts(store, false);
  const done = parts.filter(({ progress }) => progress.phase === "log").map(({ progress }) => progress.done);
  assert.equal(
    done,
    [...done].sort((a, b) => a - b),
  );
  assert.ok(done[0]! < logBytes / 4 && done.at(-1) === logBytes, `${done}`);
});

test("an event loop with other things to do is not kept waiting, and an abort ends it", async () => {
  const store = await newStore();
  for (let n = 0; n < 40; n++) await store.save(`n/${n}`, Buffer.alloc(700_000, n + 1));
  let turns = 0;
  let ended = false;
  const beat = () => {
    turns++;
    if (!ended) setImmediate(beat);
  };
  beat();
  await store.verify({ full: true });
  ended = true;
  assert.ok(turns > 3, `${turns} turns`);
  const controller = new AbortController();
  const verifying = store.verify({ full: true, signal: controller.signal });
  controller.abort();
  await verifying.then(
    () => assert.unreachable("not aborted"),
    (error) => assert.is(error.code, "ABORTED"),
  );
  assert.ok((await store.verify()).ok);
});

test("a cursor of another store, of a longer log, or nonsense is refused", async () => {
  const home = await filledHome();
  const older = copyHome(home);
  const store = await openTestStore(home);
  const { next } = await store.verify({ timeBudget: 0 });
  await store.save("later", 1);
  const other = await openTestStore(await filledHome());
  const reports = await inParts(store, false);
  const last = reports.filter(({ progress }) => progress.phase === "log").at(-2)!.next!;
  await failureWithHint(other.verify({ after: next! }), "INVALID_ARGUMENT");
  const again = await openTestStore(older);
  assert.ok((await again.verify({ after: next! })).ok, "a copy is the same store");
  await failureWithHint(again.verify({ after: last }), "INVALID_ARGUMENT");
  const wrong: unknown[] = ["", "x", "e30.0", `${next}x`, next!.slice(1), `${next}.1`, 7];
  for (const after of wrong)
    await failureWithHint(store.verify({ after: after as string }), "INVALID_ARGUMENT");
  for (const timeBudget of [-1, Number.NaN, "30s"])
    await failureWithHint(store.verify({ timeBudget: timeBudget as number }), "INVALID_ARGUMENT");
});

test("a read-only store goes on where another left off", async () => {
  const home = await filledHome();
  damageText(segmentsOf(home).at(-1)!, "MARK-");
  const store = await openTestStore(home);
  const { next, ok } = await store.verify({ timeBudget: 0 });
  assert.ok(ok);
  await store.close();
  const readOnly = await openTestStore(home, { readOnly: true });
  const report = await readOnly.verify({ after: next! });
  assert.ok(report.complete);
  assert.is(report.problems.length, 1);
  assert.is(report.batches, COUNT - 1);
});

test("a damaged copy of a value that was saved again is told as healed, not as a problem", async () => {
  const store = await newStore();
  await store.save("a", marked(1));
  damageText(segmentsOf(store.home)[0]!, "MARK-0001");
  assert.is((await store.verify()).ok, false);
  await store.save("b", marked(1));
  for (const full of [false, true]) {
    const report = await store.verify({ full });
    assert.equal(report.problems, []);
    assert.is(report.healed, 1);
  }
  // The copy that counts is damaged too.
  const bytes = readFileSync(segmentsOf(store.home)[0]!);
  flipByte(segmentsOf(store.home)[0]!, bytes.lastIndexOf("MARK-0001") + 3);
  const { healed, problems } = await store.verify();
  assert.is(healed, 0);
  assert.equal(problems.flatMap(({ refs }) => refs ?? []).sort(), ["a:0", "b:0"]);
});

test("the key-value engine is verified in parts too, and names the keys", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let n = 0; n < COUNT; n++) await engine.put(["k", n], n === 7 ? marked(7).repeat(20) : marked(n));
  await engine.del(["k", 3]);
  damageText(segmentsOf(folder)[0]!, "MARK-0007");
  damageText(segmentsOf(folder)[0]!, "MARK-0005");
  const whole = await engine.verify({ full: true });
  assert.equal(
    whole.problems.flatMap(({ key }) => (key ? [key] : [])),
    [
      ["k", 5],
      ["k", 7],
    ],
  );
  const told: Progress[] = [];
  const reports = await inParts(engine as unknown as Verifiable, true);
  assert.equal(placesOf(reports.flatMap(({ problems }) => problems)), placesOf(whole.problems));
  await engine.verify({ onProgress: (progress) => told.push(progress) });
  assert.ok(told.every(({ total }) => total! > 0));
});

test.run();
