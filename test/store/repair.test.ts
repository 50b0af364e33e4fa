import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, RepairReport } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-key.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { openEngine } from "../../engine/key-value.ts";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  RecordKind,
} from "../../engine/log/format.ts";
import { openCore } from "../../engine/open.ts";
import { cutFile, damageText, flipByte, marked, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { copyHome, fingerprint, newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { COUNT, damageBatch, filledHome, isWhole, STRIDE } from "./repair-support.ts";

const test = suite("repair");
test.after.each(closeAll);
test.after.each(killPrograms);

/** As it is told and found, at once, in another process's eyes, and from nothing but the log. */
async function wholeEverywhere(home: string, store: ArtifactStore, report: RepairReport): Promise<void> {
  assert.equal(report.notRepaired, []);
  assert.ok(report.ok);
  assert.ok(report.repaired.length > 0);
  await isWhole(store);
  assert.equal((await store.verify({ full: true })).problems, []);
  await store.save("later", 1);
  await store.close();
  const copy = copyHome(home);
  for (const name of readdirSync(copy)) if (name !== "log") rmSync(join(copy, name), { recursive: true });
  const again = await openTestStore(copy);
  await isWhole(again);
  assert.is(await again.load("later"), 1);
  assert.equal((await again.verify({ full: true })).problems, []);
}

test("a damaged value and a damaged batch come back from a backup, and the damaged file is kept", async () => {
  const { home, backup } = await filledHome();
  const [segment] = segmentsOf(home);
  damageText(segment!, "MARK-0004");
  damageBatch(segment!, 6);
  const damaged = readFileSync(segment!);
  const store = await openTestStore(home);
  const report = await store.repair({ from: backup });
  assert.equal(report.quarantined.length, 1);
  assert.ok(report.quarantined[0]!.startsWith(join(home, "quarantine", "0000000001-")));
  assert.equal(readFileSync(report.quarantined[0]!), damaged);
  assert.ok(report.repaired.some(({ refs }) => refs?.includes("n/4:0")));
  assert.ok(report.repaired.some(({ kind, segment }) => kind === "batch" && segment === 1));
  await wholeEverywhere(home, store, report);
});

test("what is damaged in both copies, but not in the same places, comes out whole", async () => {
  for (const damage of [damageBatch, (file: string, n: number) => damageText(file, marked(n).slice(0, 9))]) {
    const { home, backup } = await filledHome();
    for (const n of [1, 4, 8]) damage(segmentsOf(home)[0]!, n);
    for (const n of [0, 5, 9]) damage(segmentsOf(backup)[0]!, n);
    const store = await openTestStore(home);
    const report = await store.repair({ from: backup });
    assert.is((await store.verify()).healed, 0, "the log itself is whole again");
    await wholeEverywhere(home, store, report);
  }
});

test("two damaged backups together have what one of them lacks", async () => {
  const { home, backup } = await filledHome();
  const second = copyHome(backup);
  for (const n of [2, 3]) damageBatch(segmentsOf(home)[0]!, n);
  damageBatch(segmentsOf(backup)[0]!, 2);
  damageBatch(segmentsOf(second)[0]!, 3);
  const store = await openTestStore(home);
  const partly = await store.repair({ from: backup });
  assert.is(partly.ok, false);
  await isWhole(store, [2]);
  // The index still knows what the log has lost.
  await failureWithHint(store.load("n/2"), "CORRUPTION");
  await wholeEverywhere(home, store, await store.repair({ from: [backup, join(second, "log")] }));
});

test("a missing, a truncated and an empty segment and a damaged header are put back", async () => {
  const damages: ((file: string) => void)[] = [
    (file) => rmSync(file),
    (file) => cutFile(file, sizeOf(file) - 300),
    (file) => cutFile(file, 0),
    (file) => flipByte(file, 20),
    (file) => flipByte(file, 50),
  ];
  for (const [i, damage] of damages.entries()) {
    // Each kind of damage once, and each place; or all of them.
    for (const place of STRIDE === 1 ? [0, 1, 2, -1] : i === 0 ? [1, -1] : [[0, 1, 2, -1][i % 4]!]) {
      const { home, backup } = await filledHome(1500);
      damage(segmentsOf(home).at(place)!);
      const store = await openTestStore(home);
      try {
        await wholeEverywhere(home, store, await store.repair({ from: backup }));
      } catch (error) {
        (error as Error).message = `segment ${place}, damage ${i}: ${(error as Error).message}`;
        throw error;
      }
      await closeAll();
    }
  }
});

test("a backup that is older repairs what it has, and the report tells what is left, with its refs", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let n = 0; n < 5; n++) await store.save(`n/${n}`, marked(n), { tags: { n: String(n) } });
  const backup = copyHome(home);
  for (let n = 5; n < COUNT; n++) await store.save(`n/${n}`, marked(n), { tags: { n: String(n) } });
  for (const n of [2, 7]) damageText(segmentsOf(home)[0]!, `MARK-000${n}`);
  const before = fingerprint(backup);
  const report = await store.repair({ from: backup });
  assert.equal(fingerprint(backup), before, "a source is only read");
  assert.is(report.ok, false);
  assert.equal(
    report.repaired.map(({ kind, segment, refs }) => ({ kind, segment, refs })),
    [{ kind: "record", segment: 1, refs: ["n/2:0"] }],
  );
  assert.is(report.notRepaired.length, 1);
  const [left] = report.notRepaired;
  assert.equal(left!.refs, ["n/7:0"]);
  assert.match(left!.reason, "no copy");
  await isWhole(store, [7]);
  await failureWithHint(store.load("n/7"), "CORRUPTION");
  const { problems } = await store.verify();
  assert.equal(
    problems.map(({ segment, offset }) => [segment, offset]),
    [[left!.segment, left!.offset]],
  );
});

test("a store that has lost its newest operations, and every sign of them, gets them back from a longer copy", async () => {
  for (const segmentBytesMax of [undefined, 1500]) {
    const { home, backup } = await filledHome(segmentBytesMax);
    for (const name of readdirSync(home)) if (name !== "log") rmSync(join(home, name), { recursive: true });
    const segments = segmentsOf(home);
    if (segmentBytesMax) for (const file of segments.slice(2)) rmSync(file);
    else cutFile(segments[0]!, readFileSync(segments[0]!).indexOf("MARK-0006"));
    const store = await openTestStore(home);
    assert.is(await store.has("n/9"), false);
    const foreseen = await store.repair({ from: backup, dryRun: true });
    assert.match(foreseen.repaired.at(-1)!.message, /ended at operation \d+; .* to 10/);
    assert.is(await store.has("n/9"), false);
    await wholeEverywhere(home, store, await store.repair({ from: backup }));
  }
});

test("a copy that was used on by itself gives nothing that happened there only", async () => {
  for (const place of ["in the middle", "at the end"]) {
    const { home, backup } = await filledHome();
    const fork = await openTestStore(backup);
    for (let n = 0; n < 3; n++) await fork.save("n/9", `fork${n}`);
    await fork.close();
    const store = await openTestStore(home);
    await store.save("n/9", "ours0");
    const file = segmentsOf(home)[0]!;
    const [from, to] = [readFileSync(file).lastIndexOf("VBAT"), sizeOf(file)];
    if (place === "in the middle") await store.save("n/9", "ours1");
    // Nothing is left of it that could be compared.
    writeFileSync(file, readFileSync(file).fill(0, from, to));
    damageText(file, "MARK-0003");
    const report = await store.repair({ from: backup });
    assert.is(report.ok, false, "the damaged batch is nowhere else");
    assert.ok(report.repaired.some(({ refs }) => refs?.includes("n/3:0")));
    assert.is(await store.load("n/3"), marked(3));
    await store.rebuildIndex();
    for await (const artifact of store.list({ allVersions: true }))
      assert.not.match(String(await artifact.value()), "fork", `${place}: ${artifact.ref}`);
    assert.is(await store.has("n/9:1"), false);
    assert.is(await store.has("n/9:2"), place === "in the middle");
    await closeAll();
  }
});

test("a damaged row of the index is made again, and nothing is moved", async () => {
  const { home } = await filledHome();
  const core = await openSeamStore(home);
  const handle = await openCore(home, { application: "artifact", familyOf });
  const { catalog } = handle.core;
  const { key, row } = catalog.first({ start: Buffer.from("an/3"), end: Buffer.from("an/4") })!;
  catalog.transact(() => {
    const place = { ...row.place, offset: row.place.offset + 8 };
    catalog.apply(
      {
        kind: RecordKind.put,
        key,
        tag: row.tag,
        weak: false,
        references: row.references,
        place,
        content: row.inline,
      },
      row.sequence,
      row.time,
    );
  });
  await handle.release();
  assert.is((await core.verify()).ok, false);
  const report = await core.repair();
  assert.ok(report.ok && report.indexRebuilt);
  assert.equal(report.quarantined, []);
  await isWhole(core);
});

test("a whole store is left as it is, and a dry run leaves a damaged one so", async () => {
  const { home, backup } = await filledHome();
  const store = await openTestStore(home);
  const log = () => fingerprint(join(home, "log"));
  const whole = log();
  const nothing = await store.repair({ from: backup });
  assert.equal(nothing, {
    ok: true,
    dryRun: false,
    repaired: [],
    notRepaired: [],
    quarantined: [],
    indexRebuilt: false,
  });
  assert.equal(log(), whole);
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  damageBatch(segmentsOf(home)[0]!, 6);
  const before = log();
  const foreseen = await store.repair({ from: backup, dryRun: true });
  assert.ok(foreseen.ok && foreseen.dryRun);
  const alone = await store.repair({ dryRun: true });
  assert.equal(alone.repaired, []);
  assert.is(alone.ok, false);
  assert.match(alone.notRepaired[0]!.reason, "none was given");
  assert.equal(log(), before);
  assert.not(existsSync(join(home, "quarantine")));
  const done = await store.repair({ from: backup });
  assert.equal(done.repaired, foreseen.repaired);
});

test("what can't be a source is told with a hint, and nothing is changed", async () => {
  const { home, backup } = await filledHome();
  damageText(segmentsOf(home)[0]!, "MARK-0004");
  const store = await openTestStore(home);
  const before = fingerprint(join(home, "log"));
  const file = join(newFolder(), "file");
  writeFileSync(file, "x");
  const newer = copyHome(backup);
  const bytes = readFileSync(segmentsOf(newer)[0]!);
  const header = decodeSegmentHeader(bytes, "");
  encodeSegmentHeader({ ...header, formatVersion: FORMAT_VERSION + 1 }).copy(bytes);
  writeFileSync(segmentsOf(newer)[0]!, bytes);
  const engineFolder = newFolder();
  const engine = await openEngine(engineFolder);
  await engine.put("a", 1);
  await engine.close();
  const beheaded = copyHome(backup);
  flipByte(segmentsOf(beheaded)[0]!, 20);
  const wrong: [unknown, VarveErrorCode][] = [
    [join(home, "nowhere"), "NOT_FOUND"],
    [newFolder(), "NOT_FOUND"],
    [file, "INVALID_ARGUMENT"],
    [home, "INVALID_ARGUMENT"],
    [join(home, "log"), "INVALID_ARGUMENT"],
    [store, "INVALID_ARGUMENT"],
    [engineFolder, "INVALID_ARGUMENT"],
    [newer, "NOT_SUPPORTED"],
    [beheaded, "CORRUPTION"],
    [3, "INVALID_ARGUMENT"],
    ["", "INVALID_ARGUMENT"],
    [[backup, {}], "INVALID_ARGUMENT"],
  ];
  for (const [from, code] of wrong) await failureWithHint(store.repair({ from: from as string }), code);
  assert.equal(fingerprint(join(home, "log")), before);
  assert.not(existsSync(join(home, "quarantine")));
  const readOnly = await openTestStore(home, { readOnly: true });
  await failureWithHint(readOnly.repair({ from: backup }), "READ_ONLY");
});

test.run();
