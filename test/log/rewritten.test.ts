import { appendFileSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { decodeSegmentHeader, RecordKind } from "../../engine/log/format.ts";
import { isRetired, LogReader } from "../../engine/log/reader.ts";
import type { ScannedBatch, ScannedRecord } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import {
  createSegment,
  LOG_START,
  listSegments,
  nextNumber,
  segmentGeneration,
  segmentId,
  segmentPath,
} from "../../engine/log/segment.ts";
import { gapOf } from "../../engine/maintenance/gap.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { rewriteSegments } from "../helpers/rewriting.ts";
import { HandmadeLog, identity } from "./support.ts";

const test = suite("rewritten segments");
test.after.each(removeFolders);

/** Four segments: of batches 1–3, 4–6, 7–9 and 10. */
function fourSegments(): HandmadeLog {
  const log = new HandmadeLog();
  for (let i = 0; i < 9; i++) {
    if (i === 3 || i === 6) log.roll();
    log.add(`value ${i}`);
  }
  log.roll();
  log.add("value 9");
  return log;
}

/** No blob of an even sequence, and nothing at all of batches 2, 6 and 9: 6 and 9 are last ones. */
const some = ({ kind }: ScannedRecord, sequence: number) =>
  ![2, 6, 9].includes(sequence) && (kind !== RecordKind.blob || sequence % 2 === 1);

const texts = (batches: readonly ScannedBatch[]) =>
  batches.flatMap(({ header, records }) =>
    records.map(({ kind, payload }) => `${header.sequence} ${kind} ${payload ?? "blob"}`),
  );

/** What is read of a log of which `keeps` says what was kept. */
function textsOf(log: HandmadeLog, keeps: (record: ScannedRecord, sequence: number) => boolean): string[] {
  const left = log.scan().batches.map((batch) => ({
    ...batch,
    records: batch.records.filter((record) => keeps(record, batch.header.sequence)),
  }));
  return texts(left);
}

const filePath = (log: HandmadeLog, id: number) => segmentPath(log.folder, id);
const ids = (log: HandmadeLog) => listSegments(nodeFileSystem, log.folder, identity);

test("it is read as what it stands for, without what was left out, and the log goes on behind it", async () => {
  for (const run of [[1], [2], [1, 2], [2, 3], [1, 2, 3]]) {
    const log = fourSegments();
    const [all, end] = [log.end, log.scan().end.position];
    const keeps = (record: ScannedRecord, sequence: number) =>
      !run.includes(Math.ceil(sequence / 3)) || some(record, sequence);
    const expected = textsOf(log, keeps);
    const id = await rewriteSegments(log.folder, run, { keeps: some });
    assert.is(segmentGeneration(id), 1);
    const scan = log.scan();
    assert.equal(scan.problems, []);
    assert.equal(texts(scan.batches), expected);
    assert.equal(scan.end, { position: end, torn: false });
    // And goes on being written.
    log.add("behind");
    assert.is(log.scan().batches.at(-1)!.header.sequence, all.sequence + 1);
    assert.equal(log.scan().problems, []);
  }
});

test("one of which nothing is left, one that is rewritten again, and one at the end of the log", async () => {
  const log = fourSegments();
  const empty = await rewriteSegments(log.folder, [2], { keeps: () => false });
  assert.is(readFileSync(filePath(log, empty)).length, 128);
  assert.equal(log.scan().problems, []);
  const second = await rewriteSegments(log.folder, [1, empty, 3], { keeps: some });
  assert.is(segmentGeneration(second), 2);
  assert.equal(ids(log), [second, 4]);
  assert.equal(log.scan().problems, []);
  const header = decodeSegmentHeader(readFileSync(filePath(log, second)), "it");
  assert.is(header.rewritten?.endSequence, 9);
  assert.is(header.rewritten?.lastNumber, 3);
  // The newest one is lost: the log goes on behind what is left, in a segment that says so.
  rmSync(filePath(log, 4));
  const { position, torn } = log.scan().end;
  assert.equal(position, {
    segment: second,
    offset: header.rewritten!.bytes,
    sequence: 9,
    time: 1007,
    chain: header.rewritten!.endChain,
  });
  assert.is(torn, false);
  const number = nextNumber(nodeFileSystem, log.folder, position.segment);
  assert.is(number, 4);
  const { previousNumber } = createSegment(nodeFileSystem, log.folder, number, position, identity, 1);
  assert.is(previousNumber, 3);
  assert.equal(log.scan().problems, []);
});

test("what it stands for may still be there, and does not count", async () => {
  const log = fourSegments();
  const expected = textsOf(log, (record, sequence) => sequence === 10 || some(record, sequence));
  const copy = readFileSync(log.path(2));
  const id = await rewriteSegments(log.folder, [1, 2, 3], { keeps: some, originals: "kept" });
  assert.equal(texts(log.scan().batches), expected);
  writeFileSync(log.path(2), "damaged");
  rmSync(log.path(1));
  assert.equal(texts(log.scan().batches), expected);
  assert.equal(log.scan().problems, []);
  // Where its own header can't be read, they count again.
  writeFileSync(log.path(2), copy);
  const bytes = readFileSync(filePath(log, id));
  bytes[60]! ^= 1;
  writeFileSync(filePath(log, id), bytes);
  assert.ok(log.scan().problems.length > 0);
  assert.equal(ids(log), [id, 2, 3, 4]);
});

test("with an unreadable header beside all that it stands for, nothing is missing", async () => {
  const log = fourSegments();
  const expected = texts(log.scan().batches);
  const id = await rewriteSegments(log.folder, [1, 2, 3], { keeps: some, originals: "kept" });
  for (const length of [0, 50, 127]) {
    writeFileSync(filePath(log, id), readFileSync(filePath(log, id)).subarray(0, length));
    assert.equal(texts(log.scan().batches), expected);
    assert.equal(log.scan().problems, []);
  }
});

/** Every record that is read is one of the log, and what is not read is told. */
function checkDamaged(log: HandmadeLog, expected: readonly string[], what: string): boolean {
  const { batches, problems, end } = log.scan();
  const sound = batches.map((batch) => ({ ...batch, records: batch.records.filter(({ sound }) => sound) }));
  const read = texts(sound);
  for (const text of read) assert.ok(expected.includes(text), `${what}: ${text}`);
  const isTold = problems.length > 0 || batches.some(({ sound }) => !sound);
  if (read.length < expected.length) assert.ok(isTold, what);
  // Never taken for a torn end: what lies behind is read.
  assert.is(read.at(-1), "10 2 value 9", what);
  assert.is(end.position.sequence, 10, what);
  return isTold;
}

/** Three segments as one, which has something left out, and a fourth behind it. */
async function rewrittenThree() {
  const log = fourSegments();
  const id = await rewriteSegments(log.folder, [1, 2, 3], { keeps: some });
  const path = filePath(log, id);
  return { log, id, path, expected: texts(log.scan().batches), whole: readFileSync(path) };
}

test("whatever byte of one is flipped, each record is right or told, and all behind is read", async () => {
  const { log, expected, path, whole } = await rewrittenThree();
  let told = 0;
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at % 8);
    writeFileSync(path, bytes);
    if (checkDamaged(log, expected, `byte ${at}`)) told++;
  }
  // Padding is not looked at.
  assert.ok(told > whole.length * 0.8, `${told} of ${whole.length}`);
});

test("wherever one is cut, or grown, that is damage, and all behind is read", async () => {
  const { log, id, expected, path, whole } = await rewrittenThree();
  for (let length = 0; length < whole.length; length++) {
    writeFileSync(path, whole.subarray(0, length));
    assert.ok(checkDamaged(log, expected, `${length} bytes`), `${length} bytes`);
  }
  for (const more of [Buffer.alloc(1), Buffer.alloc(64), log.lay("another").bytes]) {
    writeFileSync(path, whole);
    appendFileSync(path, more);
    assert.equal(
      log.scan().problems.map(({ kind, segment, offset }) => [kind, segment, offset]),
      [["segment", id, whole.length]],
    );
    checkDamaged(log, expected, "longer");
  }
});

/** What is read from a position on: sequences, and what is told. */
function readFrom(log: HandmadeLog, from: LogPosition): { sequences: number[]; problems: string[] } {
  const { batches, problems } = log.scan(from);
  return {
    sequences: batches.map(({ header }) => header.sequence),
    problems: problems.map(({ message }) => message),
  };
}

test("from any position in what it stands for, the log is read on where that was", async () => {
  const log = fourSegments();
  const before = [...log.ends];
  const first = await rewriteSegments(log.folder, [2, 3], { keeps: some });
  const kept = [1, 2, 3, 4, 5, 7, 8, 10];
  const check = (positions: readonly LogPosition[], left: readonly number[]) => {
    for (const position of positions) {
      const sequences = left.filter((sequence) => sequence > position.sequence);
      assert.equal(readFrom(log, position), { sequences, problems: [] }, `${position.sequence}`);
    }
  };
  check(before, kept);
  const between = log.scan().batches.map(({ end }) => end);
  check(between, kept);
  await rewriteSegments(log.folder, [1, first], { keeps: some });
  check(before, [1, 3, 4, 5, 7, 8, 10]);
  check(between, [1, 3, 4, 5, 7, 8, 10]);
});

test("from a position in one that can't be read any more, what it stood for is read on where that was", async () => {
  const log = fourSegments();
  const id = await rewriteSegments(log.folder, [1, 2, 3], { keeps: some, originals: "kept" });
  const positions = log.scan().batches.map(({ end }) => end);
  writeFileSync(filePath(log, id), "");
  for (const position of positions) {
    const sequences = Array.from({ length: 10 }, (_, i) => i + 1).filter((each) => each > position.sequence);
    assert.equal(readFrom(log, position), { sequences, problems: [] });
  }
});

/** Puts that gaps say can be lost, over all problems of a scan. */
function lostOf(log: HandmadeLog): number {
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  let before = LOG_START;
  let lost = 0;
  for (const found of scanLog(reader, ids(log), LOG_START)) {
    if ("batch" in found) before = found.batch.end;
    else lost += gapOf(reader, ids(log), found.problem, before)?.lost ?? 0;
  }
  reader.close();
  return lost;
}

test("the gap that damage leaves is at least what is missing, whether batches, the end or all of it", async () => {
  const log = fourSegments();
  const id = await rewriteSegments(log.folder, [1, 2, 3], { keeps: some });
  const path = filePath(log, id);
  const whole = readFileSync(path);
  const puts = () => texts(log.scan().batches).filter((text) => text.includes(" 2 ")).length;
  const all = puts();
  assert.is(lostOf(log), 0);
  for (let at = 128; at < whole.length; at += 24) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1;
    writeFileSync(path, bytes);
    const [missing, lost] = [all - puts(), lostOf(log)];
    assert.ok(lost >= missing && (missing > 0 || lost === 0), `byte ${at}: ${lost} for ${missing}`);
    writeFileSync(path, whole.subarray(0, at));
    assert.ok(lostOf(log) >= all - puts(), `${at} bytes`);
  }
  rmSync(path);
  assert.ok(lostOf(log) >= all - puts());
});

test("a segment that was rewritten is told apart from one that is missing", async () => {
  const log = fourSegments();
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const id = await rewriteSegments(log.folder, [1, 2], { originals: "kept" });
  assert.is(reader.segment(1).id, 1);
  rmSync(log.path(2));
  const failure = async (segment: number) => failureWithHint(() => reader.segment(segment), "CORRUPTION");
  assert.ok(isRetired(await failure(2)));
  assert.not.ok(isRetired(await failure(9)));
  const second = await rewriteSegments(log.folder, [id]);
  assert.ok(isRetired(await failure(id)));
  rmSync(log.path(3));
  assert.not.ok(isRetired(await failure(3)));
  writeFileSync(filePath(log, second), "");
  assert.not.ok(isRetired(await failure(second)));
  reader.close();
});

test("a scan does not take a file that goes under it for damage", async () => {
  const log = fourSegments();
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const scan = scanLog(reader, ids(log), LOG_START);
  scan.next();
  await rewriteSegments(log.folder, [2, 3]);
  let failure: unknown;
  try {
    for (const found of scan) assert.ok("batch" in found);
  } catch (error) {
    failure = error;
  }
  assert.ok(isRetired(failure));
  // Nor the one that it begins in.
  const known = ids(log);
  const [, , , position] = log.ends;
  await rewriteSegments(log.folder, [1]);
  const late = new LogReader(nodeFileSystem, log.folder, identity);
  const from = { ...position!, segment: 1 };
  assert.ok(isRetired(await failureWithHint(() => scanLog(late, known, from).next(), "CORRUPTION")));
  late.close();
  reader.close();
});

test("records of it are read by their places, with their checksums", async () => {
  const log = fourSegments();
  const id = await rewriteSegments(log.folder, [1, 2, 3], { keeps: some });
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const { batches } = log.scan();
  for (const { records, header } of batches)
    for (const record of records) {
      const text = await reader.read(record, record.kind, record.key);
      assert.is(String(text), `value ${header.sequence - 1}`);
    }
  reader.close();
  const [record] = batches[0]!.records;
  const bytes = readFileSync(filePath(log, id));
  bytes[record!.offset + 70]! ^= 1;
  writeFileSync(filePath(log, id), bytes);
  const error = await failureWithHint(
    () => reader.readSync(record!, record!.kind, record!.key),
    "CORRUPTION",
  );
  assert.match(error.message, "segment 1 of generation 1");
  assert.is(error.details?.segment, 1);
  reader.close();
});

test("that of another store, and one under another name, are damage", async () => {
  const log = fourSegments();
  const id = await rewriteSegments(log.folder, [2, 3], { originals: "kept" });
  const elsewhere = newFolder();
  const path = segmentPath(elsewhere, id);
  copyFileSync(filePath(log, id), path);
  const other = { ...identity, storeId: "f".repeat(32) };
  for (const name of [id, segmentId(2, 2), segmentId(3, 1), 2]) {
    const at = segmentPath(elsewhere, name);
    if (name !== id) copyFileSync(path, at);
    const reader = new LogReader(nodeFileSystem, elsewhere, name === id ? other : identity);
    await failureWithHint(() => reader.segment(name), "CORRUPTION");
    reader.close();
  }
});

test.run();
