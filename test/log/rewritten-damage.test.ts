import { appendFileSync, copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { LogReader } from "../../engine/log/reader.ts";
import { scanLog } from "../../engine/log/scan.ts";
import { LOG_START, segmentId, segmentPath } from "../../engine/log/segment.ts";
import { gapOf } from "../../engine/maintenance/gap.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { rewriteSegments } from "../helpers/rewriting.ts";
import { filePath, fourSegments, ids, readFrom, some, texts } from "./rewritten-support.ts";
import { type HandmadeLog, identity } from "./support.ts";

/** Nothing that can be read of a rewritten segment is wrong, and what can't be is told. */
const test = suite("damage of rewritten segments");
test.after.each(removeFolders);

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
