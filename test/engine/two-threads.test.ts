import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { RecordKind } from "../../engine/log/format.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { LOG_START, listSegments, segmentGeneration } from "../../engine/log/segment.ts";
import type { Part } from "../../engine/maintenance/bulk/part.ts";
import { waitingPath } from "../../engine/maintenance/bulk/sorted.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import { plainCode } from "../helpers/plain-code.ts";
import { Random } from "../helpers/random.ts";
import { rewriteSegments } from "../helpers/rewriting.ts";
import { closeAll } from "../helpers/stores.ts";
import { identity } from "../log/support.ts";
import { checkLines, dump, inOrder, newIndex, SMALL_RUNS } from "./made-index.ts";
import type { RecordLog } from "./record-log.ts";
import { keyOf, randomLog } from "./record-log.ts";

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
  part: Part;
  /** Where the second thread was to begin. */
  middle: LogPosition | undefined;
  /** Whether what it read is part of the whole. */
  isShared: boolean;
}

function readShared(log: RecordLog, folder = newFolder(), files = nodeFileSystem): Reading {
  const reader = new LogReader(files, log.folder, identity);
  try {
    const ids = listSegments(nodeFileSystem, log.folder);
    const stretch = { ids, from: LOG_START, durableSequence: log.end.sequence, until: undefined };
    const middle = middleOf(reader, ids, 0);
    const part = readSorted(reader, stretch, { scratchFolder: folder, runSize: SMALL_RUNS }, 0);
    return { part, middle, isShared: part.rows.some(({ run }) => run >= RUNS_MAX && run < 2 * RUNS_MAX) };
  } finally {
    reader.close();
  }
}

function checkMade(log: RecordLog, what: string): void {
  const durableSequence = log.end.sequence;
  const expected = inOrder(log, durableSequence);
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
  }
}

test("two threads make the index that one makes, each from its half of the log", () => {
  const random = new Random("two threads");
  for (let i = 0; i < LOGS; i++) {
    const log = longLog(random);
    const { part, isShared } = readShared(log);
    assert.ok(isShared, `log ${i} was not shared, seed ${random.seed}`);
    assert.equal([part.result.position, part.result.batches], [log.end, log.end.sequence]);
    checkMade(log, `log ${i}, seed ${random.seed}`);
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
    const { part, isShared } = readShared(log);
    assert.ok(isShared);
    assert.is(part.gaps.length, 1);
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
  for (const { part, isShared } of [failed, alone]) {
    assert.is(isShared, false);
    assert.equal([part.result.position, part.result.batches], [log.end, log.end.sequence]);
  }
  assert.ok(
    failed.part.rows.some(({ run }) => run >= 2 * RUNS_MAX),
    "it read nothing in its place",
  );
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
