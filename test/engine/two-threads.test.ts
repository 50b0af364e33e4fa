import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { putEnd, putKey, putMark, putValue } from "../../engine/index/raw-put.ts";
import { RecordKind } from "../../engine/log/format.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { LOG_START, listSegments, segmentGeneration } from "../../engine/log/segment.ts";
import type { Pieces } from "../../engine/maintenance/bulk/pieces.ts";
import { waitingPath } from "../../engine/maintenance/bulk/sorted.ts";
import type { Sorting } from "../../engine/maintenance/bulk/two-threads.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { plainCode } from "../helpers/plain-code.ts";
import { Random } from "../helpers/random.ts";
import { rewriteSegments } from "../helpers/rewriting.ts";
import { closeAll } from "../helpers/stores.ts";
import { identity } from "../log/support.ts";
import { checkLines, dump, inOrder, newIndex, SMALL_RUNS } from "./made-index.ts";
import { digestOf, keyOf, RecordLog, randomLog } from "./record-log.ts";

const test = suite("two threads");
test.after.each(async () => {
  await closeAll();
  removeFolders();
});

/** The engine's own code, compiled: from source there is no second thread. */
function compiled<T>(path: string): Promise<T> {
  return import(plainCode(join(import.meta.dirname, "../../engine", path))) as Promise<T>;
}

const { loadIndex } =
  await compiled<typeof import("../../engine/maintenance/bulk/load.ts")>("maintenance/bulk/load.ts");
const { middleOf } =
  await compiled<typeof import("../../engine/maintenance/bulk/split.ts")>("maintenance/bulk/split.ts");
const { RUNS_MAX, readSorted } = await compiled<
  typeof import("../../engine/maintenance/bulk/two-threads.ts")
>("maintenance/bulk/two-threads.ts");
const { SecondReader } = await compiled<typeof import("../../engine/maintenance/bulk/second-reader.ts")>(
  "maintenance/bulk/second-reader.ts",
);
const { REFUSED } = await compiled<typeof import("../../engine/maintenance/bulk/merged.ts")>(
  "maintenance/bulk/merged.ts",
);
const { PIECE_BYTES } = await compiled<typeof import("../../engine/maintenance/bulk/pieces.ts")>(
  "maintenance/bulk/pieces.ts",
);
const { LogReader } = await compiled<typeof import("../../engine/log/reader.ts")>("log/reader.ts");
const { nodeFileSystem } = await compiled<typeof import("../../engine/log/file.ts")>("log/file.ts");

/** Logs of each kind. */
const LOGS = Number(process.env.VARVE_TEST_REBUILDS ?? 3);

/** Of several segments, the last of which is short: the middle of the log lies before it. */
function longLog(random: Random): RecordLog {
  const log = randomLog(random, { batches: 90 });
  for (let i = 0; i < 3; i++) {
    log.roll();
    log.addRecords([{ kind: RecordKind.put, key: keyOf(random, 20), content: random.bytes(20) }]);
  }
  return log;
}

interface Reading {
  result: Sorting["result"];
  gaps: Sorting["gaps"];
  /** What all pieces say. */
  merged: Buffer;
  /** Where the second thread was to begin. */
  middle: LogPosition | undefined;
  /** Whether what it read is part of the whole, and it merged that. */
  isShared: boolean;
}

function bytesOf(pieces: Sorting["pieces"]): Buffer {
  const found: Buffer[] = [];
  for (let piece = pieces.next(); piece.used !== 0; piece = pieces.next()) {
    assert.ok(piece.used > 0, "it can't be merged");
    const { bytes, used } = piece;
    // Between their parts entries have bytes that say nothing.
    for (let at = 0; at < used; at = putEnd(bytes, at))
      found.push(
        Buffer.from([putMark(bytes, at)]),
        Buffer.from(putKey(bytes, at)),
        Buffer.from(putValue(bytes, at)),
      );
  }
  return Buffer.concat(found);
}

function readShared(log: RecordLog, folder = newFolder(), files = nodeFileSystem): Reading {
  const reader = new LogReader(files, log.folder, identity);
  try {
    const ids = listSegments(nodeFileSystem, log.folder);
    const stretch = { ids, from: LOG_START, durableSequence: log.end.sequence, until: undefined };
    const middle = middleOf(reader, ids, 0);
    const options = { scratchFolder: folder, runSize: SMALL_RUNS };
    const { result, gaps, pieces } = readSorted(reader, stretch, options, 0);
    const merged = bytesOf(pieces);
    pieces.close();
    return { result, gaps, merged, middle, isShared: pieces instanceof SecondReader };
  } finally {
    reader.close();
  }
}

/** Gives whether sorted rows were gone on with to the end. */
function checkMade(log: RecordLog, what: string): boolean {
  const durableSequence = log.end.sequence;
  const expected = inOrder(log, durableSequence);
  let isSorted = true;
  for (const runSize of [undefined, SMALL_RUNS]) {
    const { folder, catalog } = newIndex();
    const reader = new LogReader(nodeFileSystem, log.folder, identity);
    const ids = listSegments(nodeFileSystem, log.folder);
    const options = {
      scratchFolder: folder,
      durableSequence,
      twoThreadsFrom: 0,
      ...(runSize && { runSize }),
    };
    const result = loadIndex(reader, ids, catalog, options);
    reader.close();
    assert.equal(result, expected.result, what);
    checkLines(dump(catalog), dump(expected.catalog), what);
    assert.equal(
      readdirSync(folder).filter((name) => !name.endsWith(".mdb")),
      [],
      what,
    );
    if (catalog.begunAgain) isSorted = false;
  }
  return isSorted;
}

test("two threads make the index that one makes, each from its half of the log", () => {
  const random = new Random("two threads");
  for (let i = 0; i < LOGS; i++) {
    const log = longLog(random);
    const { result, isShared } = readShared(log);
    assert.ok(isShared, `log ${i} was not shared, seed ${random.seed}`);
    assert.equal([result.position, result.batches], [log.end, log.end.sequence]);
    assert.ok(checkMade(log, `log ${i}, seed ${random.seed}`));
  }
});

test("what is merged goes to and fro in as many pieces as it takes", () => {
  const log = new RecordLog();
  const references = Array.from({ length: 250 }, (_, i) => digestOf(i));
  // Some 11 MB of rows, in runs that each have some of the keys: one's later rows take the place of others.
  for (let i = 0; i < 1_500; i++) {
    const key = Buffer.from(`artifact/${(i * 7) % 1_400}`);
    log.addRecords([{ kind: RecordKind.put, key, references: references.slice(i % 50) }]);
    if (i === 900) log.roll();
  }
  log.roll();
  log.addRecords([{ kind: RecordKind.delete, key: Buffer.from("artifact/7") }]);
  const { merged, isShared } = readShared(log);
  assert.ok(isShared && merged.length > 4 * PIECE_BYTES);
  assert.ok(checkMade(log, "many pieces"));
});

test("where the second thread can't merge, the index is made again in the order of the log", () => {
  const log = longLog(new Random("no merge", 3));
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const ids = listSegments(nodeFileSystem, log.folder);
  const stretch = { ids, from: LOG_START, durableSequence: log.end.sequence, until: undefined };
  const options = { scratchFolder: newFolder(), runSize: SMALL_RUNS, firstRun: 1 };
  const second = SecondReader.start(reader, stretch, options)!;
  assert.equal(second.finish()?.result.position, log.end);
  second.merge({ rows: [{ run: 0, prefix: Buffer.alloc(0), path: join(newFolder(), "gone") }], blobs: [] });
  assert.is(second.next().used, REFUSED);
  second.close();
  reader.close();
  const { next } = SecondReader.prototype;
  SecondReader.prototype.next = function (this: Pieces) {
    const { bytes, used } = next.call(this);
    return { bytes, used: used > 0 ? used : REFUSED };
  };
  try {
    assert.is(checkMade(log, "no merge"), false);
  } finally {
    SecondReader.prototype.next = next;
  }
});

test("damage is told as by one thread, wherever it lies", () => {
  const random = new Random("two threads and damage");
  for (let i = 0; i < LOGS; i++) {
    const log = longLog(random);
    for (let left = 1 + random.below(4); left > 0; left--) log.damage(random);
    checkMade(log, `log ${i}, seed ${random.seed}`);
  }
});

test("what is lost of either half leaves its gap", () => {
  for (const half of [0, 1]) {
    const log = longLog(new Random("lost halves", 13));
    const { middle } = readShared(log);
    const batch = half === 0 ? log.ends[1]! : log.ends.find((end) => end.sequence === middle!.sequence + 2)!;
    // In the header of the batch behind it.
    log.flip(log.path(batch.segment), batch.offset + 8, 0);
    const { gaps, isShared } = readShared(log);
    assert.ok(isShared);
    assert.is(gaps.length, 1);
    checkMade(log, `half ${half}`);
  }
});

test("where the first half does not end at the second one, all is read again", () => {
  const log = longLog(new Random("no joint", 5));
  const { middle } = readShared(log);
  // The batch before the middle, whatever it is.
  log.flip(log.path(middle!.segment), middle!.offset - 1, 0);
  const last = log.ends.findLast((end) => end.segment === middle!.segment && end.offset < middle!.offset)!;
  log.flip(log.path(middle!.segment), last.offset + 8, 0);
  assert.is(readShared(log).isShared, false);
  checkMade(log, "no joint");
});

test("the second half begins in a segment as it was written, and the first one may have others", async () => {
  const log = longLog(new Random("rewritten", 11));
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const { segment } = middleOf(reader, listSegments(nodeFileSystem, log.folder), 0)!;
  reader.close();
  await rewriteSegments(log.folder, [segment]);
  const { middle, isShared } = readShared(log);
  assert.ok(middle!.segment > segment && segmentGeneration(middle!.segment) === 0);
  assert.ok(isShared);
  checkMade(log, "rewritten");
});

test("where the second thread fails, or there is none, one does it all", () => {
  const log = longLog(new Random("one thread", 7));
  const folder = newFolder();
  // Where its first run is to wait.
  writeFileSync(waitingPath(folder, "rows", RUNS_MAX), "");
  const failed = readShared(log, folder);
  assert.ok(failed.middle);
  const alone = readShared(log, newFolder(), { ...nodeFileSystem });
  const shared = readShared(log);
  assert.ok(shared.isShared);
  for (const { result, isShared } of [failed, alone]) {
    assert.is(isShared, false);
    assert.equal([result.position, result.batches], [log.end, log.end.sequence]);
  }
  assert.ok(failed.merged.equals(shared.merged), "what it merged is not the same");
});

test("a short log is read by one thread", () => {
  const log = longLog(new Random("short log", 9));
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  const ids = listSegments(nodeFileSystem, log.folder);
  assert.ok(middleOf(reader, ids, 1_000));
  assert.is(middleOf(reader, ids, 1_000_000_000), undefined);
  // What ends the log has to be read to its end.
  assert.is(middleOf(reader, ids.slice(0, 1), 0), undefined);
  reader.close();
});

test.run();
