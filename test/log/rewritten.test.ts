import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { decodeSegmentHeader } from "../../engine/log/format.ts";
import { isRetired, LogReader } from "../../engine/log/reader.ts";
import type { ScannedRecord } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { createSegment, LOG_START, nextNumber, segmentGeneration } from "../../engine/log/segment.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import { rewriteSegments } from "../helpers/rewriting.ts";
import { filePath, fourSegments, ids, readFrom, some, texts } from "./rewritten-support.ts";
import { type HandmadeLog, identity } from "./support.ts";

const test = suite("rewritten segments");
test.after.each(removeFolders);

/** What is read of a log of which `keeps` says what was kept. */
function textsOf(log: HandmadeLog, keeps: (record: ScannedRecord, sequence: number) => boolean): string[] {
  const left = log.scan().batches.map((batch) => ({
    ...batch,
    records: batch.records.filter((record) => keeps(record, batch.header.sequence)),
  }));
  return texts(left);
}

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

test.run();
