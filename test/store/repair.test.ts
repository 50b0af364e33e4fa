import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, RepairReport } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-record.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";
import type { VarveError, VarveErrorCode } from "../../engine/errors.ts";
import { openEngine } from "../../engine/key-value.ts";
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  FORMAT_VERSION,
  RecordKind,
} from "../../engine/log/format.ts";
import { openCore } from "../../engine/open.ts";
import { cutFile, damageText, flipByte, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, filesUnder, fingerprint, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, openSeamStore, openTestStore, track } from "../helpers/stores.ts";

const test = suite("repair");

test.after.each(closeAll);
test.after.each(killPrograms);

const marked = (n: number) => `MARK-${String(n).padStart(4, "0")}-${"x".repeat(400)}`;
const COUNT = 10;
/** Of the steps at which a repair fails or is killed, every so many-th; 1 takes minutes. */
const STRIDE = Number(process.env.VARVE_TEST_REPAIR_STRIDE ?? 5);

/** Ten artifacts `n/0` … `n/9`, by default in one segment, closed in order, and a backup of it. */
async function filledHome(segmentBytesMax?: number): Promise<{ home: string; backup: string }> {
  const home = newFolder();
  const store = await openSeamStore(home, segmentBytesMax === undefined ? {} : { segmentBytesMax });
  for (let n = 0; n < COUNT; n++) await store.save(`n/${n}`, marked(n), { tags: { n: String(n) } });
  await store.close();
  return { home, backup: copyHome(home) };
}

async function isWhole(store: ArtifactStore, but: number[] = []): Promise<void> {
  for (let n = 0; n < COUNT; n++) {
    if (but.includes(n)) continue;
    assert.is(await store.load(`n/${n}`), marked(n), `n/${n}`);
    assert.equal((await store.get(`n/${n}`)).tags, { n: String(n) });
  }
}

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

/** The byte before the value is one of the digest in the blob's header. */
function damageBatch(file: string, n: number): void {
  flipByte(file, readFileSync(file).indexOf(marked(n).slice(0, 9)) - 10);
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

test("values come from the log itself and from other stores, by digest, small and large", async () => {
  const large = Buffer.alloc(300_000, "LARGE---").map((byte, i) => (i > 8 ? byte ^ i : byte));
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("small", marked(1));
  await store.save("large", large);
  await store.save("gone", marked(2));
  const other = await openTestStore(newFolder());
  await other.save("elsewhere", [1, 2, 3]);
  await other.save("large", large);
  await other.save("small", marked(1));
  const [segment] = segmentsOf(home);
  damageText(segment!, "MARK-0001");
  damageText(segment!, "LARGE---");
  damageText(segment!, "MARK-0002");
  await failureWithHint(store.load("large"), "CORRUPTION");
  const report = await store.repair({ from: other });
  assert.equal(report.repaired.flatMap(({ refs }) => refs ?? []).sort(), ["large:0", "small:0"]);
  assert.equal(
    report.notRepaired.flatMap(({ refs }) => refs ?? []),
    ["gone:0"],
  );
  assert.is(report.ok, false);
  const isThere = async (opened: ArtifactStore) => {
    assert.is(await opened.load("small"), marked(1));
    assert.ok(Buffer.from(large).equals(await opened.load<Uint8Array>("large")));
    await failureWithHint(opened.load("gone"), "CORRUPTION");
  };
  await isThere(store);
  const verified = await store.verify({ full: true });
  assert.equal(
    verified.problems.flatMap(({ refs }) => refs ?? []),
    ["gone:0"],
  );
  assert.is(verified.healed, 2);
  await store.rebuildIndex();
  await isThere(store);
  await store.close();
  await isThere(await openTestStore(copyHome(home)));
});

test("bytes that only claim to be the value are not taken", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", marked(1));
  const other = newFolder();
  const liar = await openTestStore(other);
  await liar.close();
  const { core, release } = await openCore(other, { application: "artifact", familyOf });
  const digest = Buffer.from((await store.get("a")).digest.slice("sha256:".length), "hex");
  const lie = { ...core.prepareBlob(Buffer.from(encodeValue(marked(2)))), digest };
  await core.commit({ run: (transaction) => transaction.writeBlob(lie), bytes: 0, durable: true });
  await release();
  damageText(segmentsOf(home)[0]!, "MARK-0001");
  for (const dryRun of [true, false]) {
    const report = await store.repair({ from: other, dryRun });
    assert.equal([report.ok, report.repaired], [false, []]);
  }
  await failureWithHint(store.load("a"), "CORRUPTION");
});

test("the damaged file has its second name on the disk before a synced one takes the first", async () => {
  const { home, backup } = await filledHome(1500);
  damageText(segmentsOf(home)[1]!, "MARK-");
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files });
  files.calls.length = 0;
  assert.ok((await store.repair({ from: backup })).ok);
  const steps = files.calls.filter((call) => !call.startsWith("append"));
  assert.equal(steps.slice(0, 6), [
    "sync new.tmp",
    `syncFolder ${basename(home)}`,
    "link 0000000002.varve",
    "syncFolder quarantine",
    "replace 0000000002.varve",
    "syncFolder log",
  ]);
});

test("an older sound copy of a value in the own log is found when the newer is damaged", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  await store.save("a", marked(1));
  const [segment] = segmentsOf(home);
  const place = readFileSync(segment!).indexOf("MARK-0001") + 2;
  flipByte(segment!, place);
  await store.save("b", marked(1));
  assert.is(readFileSync(segment!).toString("latin1").split("MARK-0001").length, 2, "written a second time");
  flipByte(segment!, place);
  flipByte(segment!, readFileSync(segment!).lastIndexOf("MARK-0001") + 2);
  await failureWithHint(store.load("b"), "CORRUPTION");
  const report = await store.repair();
  assert.ok(report.ok);
  assert.equal(report.repaired.flatMap(({ refs }) => refs ?? []).sort(), ["a:0", "b:0"]);
  assert.equal(report.quarantined, []);
  for (const name of ["a", "b"]) assert.is(await store.load(name), marked(1));
  assert.ok((await store.verify({ full: true })).ok);
});

test("a value whose whole batch was lost comes back from another store for those that share it", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (const name of ["lost", "b"]) await store.save(name, marked(1));
  const other = await openTestStore(newFolder());
  await other.save("x", marked(1));
  damageBatch(segmentsOf(home)[0]!, 1);
  await store.rebuildIndex();
  await failureWithHint(store.load("b"), "CORRUPTION");
  const report = await store.repair({ from: other });
  assert.is(report.ok, false, "the batch is lost");
  assert.equal(
    report.notRepaired.map(({ kind }) => kind),
    ["batch"],
  );
  assert.is(await store.load("b"), marked(1));
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

test("the key-value engine is repaired too, and names the keys", async () => {
  const folder = newFolder();
  const engine = track(await openEngine(folder));
  for (let n = 0; n < COUNT; n++) await engine.put(["k", n], n === 7 ? marked(7).repeat(20) : marked(n));
  const backup = copyHome(folder);
  await engine.put("later", marked(COUNT));
  for (const n of [4, 7, COUNT]) damageText(segmentsOf(folder)[0]!, `MARK-${String(n).padStart(4, "0")}`);
  const report = await engine.repair({ from: backup });
  assert.equal(
    report.notRepaired.map(({ key, reason }) => ({ key, reason })),
    [
      { key: undefined, reason: "no copy that was given has it sound" },
      { key: "later", reason: "no copy that was given has it sound" },
    ],
  );
  assert.equal(
    report.repaired.flatMap(({ key }) => (key ? [key] : [])),
    [
      ["k", 4],
      ["k", 7],
    ],
  );
  assert.is(await engine.get(["k", 7]), marked(7).repeat(20));
  assert.is(await engine.get(["k", 4]), marked(4));
  await failureWithHint(engine.get("later"), "CORRUPTION");
});

/** Every file of the log that was there at the start is there still, by whatever name: extra copies, never fewer. */
function nothingIsGone(home: string, before: Map<string, Buffer>): void {
  const kept = existsSync(join(home, "quarantine")) ? filesUnder(join(home, "quarantine")) : [];
  const now = [...segmentsOf(home), ...kept].map((file) => readFileSync(file));
  for (const [file, bytes] of before) {
    const isThere = now.some((other) => other.subarray(0, bytes.length).equals(bytes));
    assert.ok(isThere, `${file} is gone`);
    assert.ok(existsSync(file), `${file} has no file under its name`);
  }
}

async function damagedHome(): Promise<{ home: string; backup: string; before: Map<string, Buffer> }> {
  const { home, backup } = await filledHome(1500);
  const segments = segmentsOf(home);
  damageBatch(segments[0]!, 1);
  damageBatch(segments.at(-1)!, COUNT - 1);
  return { home, backup, before: new Map(segments.map((file) => [file, readFileSync(file)])) };
}

test("whichever call of the disk fails, nothing is gone, and a second repair brings all back", async () => {
  let calls = Number.POSITIVE_INFINITY;
  for (let failing = 1; failing <= calls; failing += Math.ceil(STRIDE / 2)) {
    const { home, backup, before } = await damagedHome();
    const files = new WatchedFiles();
    const store = await openSeamStore(home, { files });
    let count = 0;
    const fail = () => {
      if (++count === failing) throw systemError("EIO", "repairing");
    };
    for (const name of ["publish", "link", "replace", "syncFolder", "makeFolder", "remove"] as const) {
      const call = files[name].bind(files) as (...values: string[]) => void;
      files[name] = (...values: string[]) => {
        fail();
        call(...values);
      };
    }
    files.onSync = fail;
    files.onAppend = (pieces, write) => {
      fail();
      write(pieces);
    };
    const outcome = await store.repair({ from: backup }).then(
      ({ ok }) => ok,
      (error) => error,
    );
    if (count < failing) calls = count;
    else assert.is((outcome as VarveError).code, "IO", `call ${failing} of ${files.calls}`);
    await store.close();
    nothingIsGone(home, before);
    const again = await openTestStore(home);
    if (count < failing) assert.is(outcome, true);
    else assert.ok((await again.repair({ from: backup })).ok, `call ${failing}`);
    await isWhole(again);
    assert.equal((await again.verify()).problems, []);
    assert.equal(
      readdirSync(join(home, "log")).filter((name) => name.endsWith(".tmp")),
      [],
    );
    await closeAll();
  }
  assert.ok(calls > 10, `${calls}`);
});

test("wherever it is killed, nothing is gone, and a second repair brings all back", async () => {
  const { home: probe, backup: probed } = await damagedHome();
  const [{ calls }] = await new Program("../store/repair-program.ts", [probe, probed, "1e9"]).rest();
  assert.ok(calls > 10, `${calls}`);
  for (let last = Math.ceil(STRIDE / 2); last <= calls; last += STRIDE) {
    const { home, backup, before } = await damagedHome();
    const program = new Program("../store/repair-program.ts", [home, backup, String(last)]);
    await program.ended();
    assert.is(program.process.signalCode, "SIGKILL", program.errors);
    nothingIsGone(home, before);
    const again = await openTestStore(home);
    await again.save("later", 1);
    assert.ok((await again.repair({ from: backup })).ok, `killed behind call ${last}`);
    await isWhole(again);
    assert.is(await again.load("later"), 1);
    assert.equal((await again.verify()).problems, []);
    await again.close();
    const copy = await openTestStore(copyHome(home));
    await isWhole(copy);
    await closeAll();
  }
});

test("others read and save while it repairs, and see what came back", async () => {
  const { home, backup } = await filledHome(1500);
  const store = await openTestStore(home);
  const other = new Program("../store/repair-user.ts", [home]);
  await other.expect();
  damageText(segmentsOf(home)[0]!, marked(0).slice(0, 9));
  // What stays damaged lets the index be kept: only the raised epoch tells others to open the file again.
  for (const each of [home, backup]) damageBatch(segmentsOf(each)[0]!, 1);
  other.tell("save");
  await other.expect();
  const report = await store.repair({ from: backup });
  assert.equal([report.ok, report.indexRebuilt, report.quarantined.length], [false, false, 1]);
  other.tell("load");
  const { saved, values, failed, corrupt } = await other.expect();
  assert.equal(failed, []);
  assert.equal(values, [marked(0), marked(COUNT - 1)]);
  assert.ok(corrupt > 0, "it had the damaged file open");
  await other.end();
  for (let n = 0; n < saved; n++) assert.is(await store.load(`other:${n}`), n);
  const { healed, problems } = await store.verify();
  assert.equal([healed, problems.filter(({ kind }) => kind === "batch").length], [0, 1]);
});

test.run();
