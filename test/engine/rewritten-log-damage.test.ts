import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodeSegmentHeader } from "../../engine/log/format.ts";
import { segmentPath } from "../../engine/log/segment.ts";
import { damageText, flipByte } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { deadBlobs, rewriteSegments, withoutBlobs } from "../helpers/rewriting.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import {
  idsOf,
  isWhole,
  LEFT,
  logOf,
  logOnly,
  marked,
  newHome,
  openSmall,
  rewrite,
  stateOf,
} from "./rewritten-log-support.ts";

/** Rewritten segments that are damaged, gone, or of another store, and their repair. */
const test = suite("damage of rewritten segments");
test.after.each(closeAll);

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
