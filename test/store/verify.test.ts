import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { encodeKey } from "../../engine/key.ts";
import { openEngine } from "../../engine/key-value.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { openCore } from "../../engine/open.ts";
import { damageText, flipByte, marked, segmentsOf, sizeOf } from "../helpers/damage.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, newStore, openSeamStore, openTestStore, track } from "../helpers/stores.ts";
import { COUNT, filledHome, inParts, type Verifiable } from "./verify-support.ts";

const test = suite("verify");
test.after.each(closeAll);
test.after.each(killPrograms);

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

test.run();
