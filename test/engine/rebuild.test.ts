import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Catalog } from "../../engine/index/catalog.ts";
import { trustIn } from "../../engine/index/mark.ts";
import { APPLICATION_SPACE } from "../../engine/index/rows.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { RecordKind } from "../../engine/log/format.ts";
import { loadIndex } from "../../engine/maintenance/bulk/load.ts";
import { replay } from "../../engine/maintenance/replay.ts";
import { removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll } from "../helpers/stores.ts";
import type { HandmadeRecord } from "../log/support.ts";
import { checkLines, dump, inBulk, inOrder, inRuns, newIndex, readIn, SMALL_RUNS } from "./made-index.ts";
import { digestOf, keyOf, RecordLog, randomLog } from "./record-log.ts";

const test = suite("rebuild");
test.after.each(async () => {
  await closeAll();
  removeFolders();
});

/** Random logs of each kind. */
const LOGS = Number(process.env.VARVE_TEST_REBUILDS ?? 8);

/** All ways of making an index make the same one; gives whether the sorted way was gone to its end. */
function checkSame(log: RecordLog, what: string, durableSequence = log.end.sequence): boolean {
  const expected = inOrder(log, durableSequence);
  const wanted = dump(expected.catalog);
  let isSorted = true;
  for (const make of [inRuns, inBulk])
    for (const runSize of [undefined, SMALL_RUNS]) {
      const made = make(log, { durableSequence, ...(runSize && { runSize }) });
      assert.equal(made.result, expected.result, what);
      checkLines(dump(made.catalog), wanted, what);
      assert.equal(
        readdirSync(made.folder).filter((name) => !name.endsWith(".mdb")),
        [],
        what,
      );
      if (made.catalog.begunAgain) isSorted = false;
    }
  return isSorted;
}

test("an index made from sorted rows is the one that the order of the log makes", () => {
  const random = new Random("sorted rows");
  for (let i = 0; i < LOGS; i++)
    assert.ok(
      checkSame(randomLog(random, {}), `log ${i}, seed ${random.seed}`),
      "sorted rows were not enough",
    );
});

test("where lmdb-js does not put entries as they lie, they are put one by one", () => {
  const random = new Random("one by one");
  const { rawPut } = Catalog.prototype;
  Catalog.prototype.rawPut = () => undefined;
  try {
    assert.ok(checkSame(randomLog(random, { unknown: 0.02 }), `seed ${random.seed}`));
  } finally {
    Catalog.prototype.rawPut = rawPut;
  }
});

test("a log that refers to blobs it has not, or not yet, makes the same index either way", () => {
  const random = new Random("unknown blobs");
  for (let i = 0; i < LOGS; i++) {
    const log = randomLog(random, { unknown: 0.02 });
    assert.ok(checkSame(log, `log ${i}, seed ${random.seed}`), "sorted rows were not enough");
  }
});

test("a reference before its blob is counted too, however far apart they are", () => {
  for (const filler of [0, 400]) {
    const log = new RecordLog();
    const late = digestOf(1);
    const put = (name: string): HandmadeRecord => ({
      kind: RecordKind.put,
      key: Buffer.from(name),
      references: [late],
    });
    log.addRecords([put("early")]);
    for (let i = 0; i < filler; i++) {
      log.addRecords([{ kind: RecordKind.blob, key: digestOf(100 + i), content: Buffer.from("value") }]);
      log.addRecords([{ kind: RecordKind.put, key: Buffer.from(`other${i}`), content: Buffer.alloc(200) }]);
    }
    log.addRecords([{ kind: RecordKind.blob, key: late, content: Buffer.from("late") }, put("later")]);
    assert.ok(checkSame(log, `${filler} between`));
    const { catalog } = inBulk(log, { runSize: SMALL_RUNS });
    assert.is(catalog.blob(late)?.referenceCount, 2);
    assert.equal(catalog.row(Buffer.from("early"))?.blob, catalog.blob(late)?.place);
  }
});

test("a damaged log makes the same index either way, with the same problems", () => {
  const random = new Random("damaged logs");
  let sorted = 0;
  for (let i = 0; i < LOGS; i++) {
    const log = randomLog(random, { damaged: 1 + random.below(4), batches: 60 });
    const durable = random.next() < 0.5 ? log.end.sequence : 0;
    if (checkSame(log, `log ${i}, seed ${random.seed}`, durable)) sorted++;
  }
  assert.ok(sorted > 0, "none was made from sorted rows");
});

test("a missing segment leaves a gap, noted either way", () => {
  const random = new Random("missing segment", 5);
  const log = randomLog(random, { batches: 30 });
  log.roll();
  log.addRecords([{ kind: RecordKind.put, key: Buffer.from("between") }]);
  const lost = log.end.segment;
  log.roll();
  log.addRecords([{ kind: RecordKind.put, key: Buffer.from("behind") }]);
  nodeFileSystem.remove(log.path(lost));
  assert.ok(checkSame(log, "missing segment"));
  const { catalog, result } = inBulk(log, {});
  assert.ok(catalog.gaps.all());
  assert.is(result.problems.length, 1);
  assert.ok(catalog.row(Buffer.from("behind")));
});

test("batches are whole where they are longer than what is read at once, and where the next good one is far away", () => {
  const log = new RecordLog();
  const put = (name: string, content: string): HandmadeRecord => ({
    kind: RecordKind.put,
    key: Buffer.from(name),
    content: Buffer.from(content),
  });
  const blob = (n: number, megabytes: number): HandmadeRecord => ({
    kind: RecordKind.blob,
    key: digestOf(n),
    content: Buffer.alloc(megabytes * 1024 * 1024, n),
  });
  log.addRecords([put("before", "a"), blob(1, 5), put("behind", "b")]);
  log.durable = 0;
  const { segment, offset } = log.end;
  log.addRecords([put("damaged", "c"), put("beside it", "d")]);
  for (let i = 2; i < 8; i++) log.addRecords([blob(i, 1)]);
  log.durable = undefined;
  log.addRecords([put("last", "e")]);
  // In the payload of the first record.
  log.flip(log.path(segment), offset + 64 + 32 + "damaged".length, 0);
  assert.ok(checkSame(log, "long batches", 0));
  const { catalog, result } = inBulk(log, {});
  assert.equal(
    result.problems.map(({ kind, offset }) => [kind, offset]),
    [["record", offset + 64]],
  );
  const keys = [...catalog.rows({ start: Buffer.from([APPLICATION_SPACE]) })].map(({ key }) => String(key));
  assert.equal(keys, ["before", "behind", "beside it", "damaged", "last"]);
  assert.equal(String(catalog.row(Buffer.from("beside it"))?.inline), "d");
});

test("what a blob holds is looked at only where it tells the end of the log", () => {
  const log = new RecordLog();
  const add = (n: number, bytes: number) => {
    const { offset } = log.end;
    log.addRecords([
      { kind: RecordKind.blob, key: digestOf(n), content: Buffer.alloc(bytes, n) },
      { kind: RecordKind.put, key: Buffer.from(`a${n}`), references: [digestOf(n)] },
    ]);
    return offset;
  };
  add(1, 100);
  const durable = log.end.sequence;
  log.durable = durable;
  // Longer than what is read at once, too.
  for (const [n, bytes] of [100, 5_000_000, 100].entries())
    log.flip(log.path(), add(n + 2, bytes) + 64 + 32 + 32 + bytes - 1, 3);
  checkSame(log, "all durable");
  const whole = inBulk(log, { durableSequence: log.end.sequence });
  assert.equal([whole.result.problems, whole.result.position], [[], log.end]);
  assert.is(whole.catalog.blob(digestOf(4))?.referenceCount, 1);
  // The second one may be the torn end of a write that nobody was told of.
  checkSame(log, "one durable", durable);
  const torn = inBulk(log, { durableSequence: durable });
  assert.equal([torn.result.position, torn.result.torn], [log.ends[1], true]);
  // In between the one that was durable is taken as it is, and the next one is looked at.
  assert.equal(inBulk(log, { durableSequence: durable + 1 }).result.position, log.ends[2]);
});

test("an empty log makes an empty index that is up to date", () => {
  const log = new RecordLog();
  assert.ok(checkSame(log, "empty"));
  assert.equal(inBulk(log, {}).catalog.applied(), log.end);
});

test("what is appended to an index made from sorted rows goes on from it", () => {
  const random = new Random("appended", 11);
  const log = randomLog(random, { batches: 40 });
  const { catalog, result } = inBulk(log, { runSize: SMALL_RUNS });
  const blob = digestOf(77_777);
  log.addRecords([
    { kind: RecordKind.blob, key: blob, content: Buffer.from("value") },
    { kind: RecordKind.put, key: Buffer.from("artifact/new"), references: [blob, digestOf(1)] },
    { kind: RecordKind.delete, key: keyOf(random, 20) },
  ]);
  const added = readIn(log, (reader, numbers) => replay(reader, numbers, catalog, result.position));
  assert.is(added.batches, 1);
  checkLines(dump(catalog), dump(inOrder(log, 0).catalog), "appended");
});

test("a failure while an index is made leaves no files behind, and an index that nobody trusts", () => {
  const log = randomLog(new Random("failure", 3), {});
  const { folder, catalog } = newIndex();
  catalog.setApplied = () => {
    throw new Error("in the end");
  };
  const load = () =>
    readIn(log, (reader, numbers) =>
      loadIndex(reader, numbers, catalog, { scratchFolder: folder, runSize: SMALL_RUNS }),
    );
  assert.throws(load, /in the end/);
  assert.is(trustIn(folder), undefined);
  assert.equal(
    readdirSync(folder).filter((name) => !name.endsWith(".mdb")),
    [],
  );
});

test.run();
