import { readFileSync, rmSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Progress, VerifyProblem, VerifyReport } from "../../engine/api.ts";
import { openEngine } from "../../engine/key-value.ts";
import { cutFile, damageText, flipByte, marked, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore, track } from "../helpers/stores.ts";
import { COUNT, filledHome, inParts, type Verifiable } from "./verify-support.ts";

/** Part after part finds what one run finds, wherever it goes on. */
const test = suite("verify in parts");
test.after.each(closeAll);
test.after.each(killPrograms);

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
