import { inspect } from "node:util";
import * as assert from "uvu/assert";
import { Catalog } from "../../engine/index/catalog.ts";
import { BLOBS_RANGE } from "../../engine/index/raw-rows.ts";
import { APPLICATION_SPACE } from "../../engine/index/rows.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { LogReader } from "../../engine/log/reader.ts";
import type { LogProblem, ScannedBatch } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import { LOG_START, listSegments } from "../../engine/log/segment.ts";
import type { LoadOptions } from "../../engine/maintenance/bulk/load.ts";
import { loadIndex } from "../../engine/maintenance/bulk/load.ts";
import { gapOf } from "../../engine/maintenance/gap.ts";
import type { Replay, ReplayOptions } from "../../engine/maintenance/replay.ts";
import { applyBatch, replay } from "../../engine/maintenance/replay.ts";
import { newFolder } from "../helpers/folders.ts";
import { track } from "../helpers/stores.ts";
import { identity } from "../log/support.ts";
import type { RecordLog } from "./record-log.ts";

/** Indexes made from logs in all ways that there are, and what they have in them. */

/** As small as runs can be, so that a short log has several. */
export const SMALL_RUNS = { rowBytes: 0, blobs: 0 };
/** A new index that knows whether it was begun again, in the order of the log. */
export class WatchedCatalog extends Catalog {
  begunAgain = false;

  override clear(): void {
    this.begunAgain = true;
    super.clear();
  }
}

export function newIndex(): { folder: string; catalog: WatchedCatalog } {
  const folder = newFolder();
  const catalog = new WatchedCatalog(folder);
  track({ close: () => catalog.release() });
  catalog.begin(identity.storeId);
  return { folder, catalog };
}

/** Everything that an index can be asked for, a line for each row. */
export function dump(catalog: Catalog): string[] {
  const rows = [...catalog.rows({ start: Buffer.from([APPLICATION_SPACE]), end: Buffer.from([0xff]) })];
  const facts = [catalog.applied(), catalog.gaps.all(), catalog.storeId()];
  const lines = [...facts, ...rows, ...catalog.blobs()].map((each) =>
    inspect(each, { depth: 9, compact: true }),
  );
  // Also what is not shown to anybody who asks.
  catalog.visit({ start: BLOBS_RANGE.start }, (entry) => {
    lines.push(`${entry.key().toString("hex")} ${entry.copyOfValue().toString("hex")}`);
  });
  return lines;
}

/** The first line that differs tells enough; a comparison of everything takes minutes. */
export function checkLines(found: string[], expected: string[], what: string): void {
  const differing = expected.findIndex((line, i) => line !== found[i]);
  if (differing >= 0) assert.is(found[differing], expected[differing], what);
  assert.is(found.length, expected.length, what);
}

export interface Made {
  result: Replay;
  catalog: WatchedCatalog;
  folder: string;
}

export function readIn(log: RecordLog, make: (reader: LogReader, numbers: number[]) => Replay): Replay {
  const reader = new LogReader(nodeFileSystem, log.folder, identity);
  try {
    return make(reader, listSegments(nodeFileSystem, log.folder));
  } finally {
    reader.close();
  }
}

/** Record by record, as commits do it: what every other way has to agree with. */
export function inOrder(log: RecordLog, durableSequence: number): Made {
  const { folder, catalog } = newIndex();
  const result = readIn(log, (reader, ids) => {
    const made: Replay = { position: LOG_START, torn: false, problems: [], batches: 0 };
    const scan = scanLog(reader, ids, LOG_START, durableSequence, undefined, "views");
    let next = scan.next();
    for (; !next.done; next = scan.next()) {
      const found = next.value;
      catalog.transact(() => applyFound(found, reader, ids, catalog, made));
    }
    Object.assign(made, next.value);
    catalog.transact(() => catalog.setApplied(made.position));
    return made;
  });
  return { result, catalog, folder };
}

type Found = { batch: ScannedBatch } | { problem: LogProblem };

function applyFound(found: Found, reader: LogReader, ids: number[], catalog: Catalog, made: Replay): void {
  if ("problem" in found) {
    made.problems.push(found.problem);
    const gap = gapOf(reader, ids, found.problem, made.position);
    if (gap) catalog.gaps.note(gap);
    return;
  }
  applyBatch(catalog, found.batch, made.problems);
  made.batches++;
  made.position = found.batch.end;
}

/** In runs that are sorted and put into the index one after another. */
export function inRuns(log: RecordLog, options: ReplayOptions): Made {
  const { folder, catalog } = newIndex();
  const result = readIn(log, (reader, ids) => replay(reader, ids, catalog, LOG_START, options));
  return { result, catalog, folder };
}

export function inBulk(log: RecordLog, options: Partial<LoadOptions>): Made {
  const { folder, catalog } = newIndex();
  const result = readIn(log, (reader, numbers) =>
    loadIndex(reader, numbers, catalog, { scratchFolder: folder, ...options }),
  );
  return { result, catalog, folder };
}
