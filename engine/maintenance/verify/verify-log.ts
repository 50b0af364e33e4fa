import { contentDigest } from "../../blob/digest.ts";
import { isCorruption } from "../../errors.ts";
import type { Catalog } from "../../index/catalog.ts";
import type { FileSystem } from "../../log/file.ts";
import { RecordKind, SEGMENT_HEADER_BYTES } from "../../log/format.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import { isRetired } from "../../log/reader.ts";
import type { LogProblem, ScannedBatch, ScannedRecord } from "../../log/scan.ts";
import { entryPosition, scanLog } from "../../log/scan.ts";
import type { LogIdentity, LogPosition } from "../../log/segment.ts";
import { LOG_START, listSegments, segmentPath } from "../../log/segment.ts";
import type { PaceOptions } from "../pace.ts";
import { Pace } from "../pace.ts";
import { damagedPayload } from "../replay.ts";
import { checkIndex, readProblem } from "./check-index.ts";
import type { VerifyCursor } from "./cursor.ts";
import { decodeCursor, encodeCursor, notHere } from "./cursor.ts";
import type { CoreProblem, CoreReport } from "./report.ts";
import { RowCheck } from "./rows.ts";

export interface VerifyCoreOptions extends PaceOptions {
  /** Also compute the SHA-256 of every blob. */
  full?: boolean | undefined;
  /** The `next` of an earlier report. */
  after?: string | undefined;
}

export interface VerifiedParts {
  files: FileSystem;
  folder: string;
  identity: LogIdentity;
  reader: LogReader;
  catalog: Catalog;
}

/** What was there when this part of a verification began: what is written meanwhile is left to the next one. */
interface Extent {
  numbers: number[];
  applied: LogPosition;
  /** Bytes before each segment, and of all. */
  before: Map<number, number>;
  total: number;
}

interface Run extends VerifiedParts {
  full: boolean;
  pace: Pace;
  report: CoreReport;
  extent: Extent;
  rows: RowCheck;
}

/**
 * Reads the log from its first byte, so that every checksum and the chain are tried, then the index: every row must
 * point at the record that it says. Damage is reported, never an error.
 */
export async function verifyLog(parts: VerifiedParts, options: VerifyCoreOptions): Promise<CoreReport> {
  const { storeId } = parts.identity;
  const cursor = options.after === undefined ? undefined : decodeCursor(options.after, storeId);
  const from: VerifyCursor = cursor ?? { full: false, newest: 0, position: LOG_START };
  const full = options.full ?? from.full;
  const extent = extentOf(parts);
  if (from.newest > extent.applied.sequence) throw notHere("the log was longer then");
  const report: CoreReport = {
    segments: extent.numbers.length,
    batches: 0,
    records: 0,
    blobs: 0,
    bytes: 0,
    healed: 0,
    problems: [],
    complete: false,
    progress: { phase: "log", done: 0, total: extent.total, unit: "bytes" },
  };
  const rows = new RowCheck(parts.catalog, from.missing);
  const run: Run = { ...parts, full, pace: new Pace(options), report, extent, rows };
  const end = await walk(run, from);
  if (end) report.next = encodeCursor(end, storeId);
  report.complete = end === undefined;
  return report;
}

/** Where it stopped; undefined at the end. */
async function walk(run: Run, from: VerifyCursor): Promise<VerifyCursor | undefined> {
  const { pace } = run;
  const so = { full: run.full, newest: run.extent.applied.sequence };
  if (from.position) {
    const position = await readLog(run, entry(run, from.position));
    if (position) return { ...so, position, missing: run.rows.handedOn() };
    run.report.problems.push(...(await lackingRows(run)));
    run.report.progress.done = run.extent.total;
    pace.tell({ ...run.report.progress });
    if (pace.isOver()) return so;
  }
  const key = await checkIndex(run, pace, run.report, from.key);
  return key && { ...so, key };
}

/** Segments and index as they were at one moment: no segment was begun between the two looks at the folder. */
function extentOf({ files, folder, identity, catalog }: VerifiedParts): Extent {
  for (;;) {
    const numbers = listSegments(files, folder, identity);
    catalog.refresh();
    const applied = catalog.applied() ?? LOG_START;
    if (listSegments(files, folder, identity).join() !== numbers.join()) continue;
    const before = new Map<number, number>();
    let total = 0;
    for (const number of numbers) {
      before.set(number, total);
      total += files.sizeOf(segmentPath(folder, number));
    }
    return { numbers, applied, before, total };
  }
}

/**
 * Where to read on. When the segment was cut before that place since, because a sync had failed, what came behind the
 * cut was written again elsewhere: the segment is read anew.
 */
function entry({ reader, extent }: Run, from: LogPosition): LogPosition {
  const next = extent.numbers.find((number) => number > from.segment);
  if (!extent.numbers.includes(from.segment) || next === undefined) return from;
  const successor = reader.readableSegment(next)?.header;
  if (successor?.previousNumber !== from.segment || successor.previousEnd >= from.offset) return from;
  const segment = reader.readableSegment(from.segment);
  return segment ? entryPosition(segment, from) : from;
}

/** Where it stopped; undefined at the end. */
async function readLog(run: Run, from: LogPosition): Promise<LogPosition | undefined> {
  const { reader, extent, report, pace } = run;
  const { applied, numbers } = extent;
  let position = from;
  if (position.sequence < applied.sequence) {
    const scan = scanLog(reader, numbers, from, applied.sequence);
    try {
      for (let next = scan.next(); ; next = scan.next()) {
        if (next.done) return undefined;
        if ("problem" in next.value) {
          if (!wasTold(next.value.problem, from)) report.problems.push(next.value.problem);
          continue;
        }
        const { batch } = next.value;
        // Behind what the index has, somebody may be writing at this moment.
        if (batch.header.sequence > applied.sequence) break;
        position = batch.end;
        await checkBatch(run, batch);
        tellPlace(run, position);
        if (position.sequence >= applied.sequence) break;
        if (pace.isOver()) return position;
        if (pace.isDue()) await pace.turn();
      }
    } finally {
      scan.return({ position, torn: false });
    }
  }
  const behind = numbers.filter((number) => number > applied.segment);
  for (const found of scanLog(reader, behind, applied, 0))
    if ("problem" in found) report.problems.push(found.problem);
  return undefined;
}

/** Rows that are missing now may have been deleted behind where this run ends: the log is followed until that is told. */
async function lackingRows(run: Run): Promise<CoreProblem[]> {
  let end = run.extent.applied;
  while (run.rows.isWaiting) {
    const { numbers, applied } = extentOf(run);
    if (applied.sequence === end.sequence) return run.rows.lacking();
    for (const found of scanLog(run.reader, numbers, end, applied.sequence)) {
      if ("problem" in found) continue;
      if (found.batch.header.sequence > applied.sequence) break;
      for (const record of found.batch.records) run.rows.note(record, found.batch.header.sequence);
      if (run.pace.isDue()) await run.pace.turn();
    }
    end = applied;
  }
  return [];
}

/** A segment that is too short is told when its first batch is met. */
function wasTold({ kind, segment, offset }: LogProblem, from: LogPosition): boolean {
  return kind === "segment" && segment === from.segment && offset > 0 && from.offset > SEGMENT_HEADER_BYTES;
}

function tellPlace({ extent, report, pace }: Run, { segment, offset }: LogPosition): void {
  report.progress = { ...report.progress, done: (extent.before.get(segment) ?? 0) + offset };
  if (pace.isDue() || pace.isOver()) pace.tell(report.progress);
}

async function checkBatch(run: Run, batch: ScannedBatch): Promise<void> {
  const { report, full } = run;
  report.batches++;
  report.bytes += batch.header.length;
  for (const record of batch.records) {
    report.records++;
    const isBlob = record.header.kind === RecordKind.blob;
    if (isBlob) report.blobs++;
    const outdated = run.rows.note(record, batch.header.sequence);
    if (outdated) report.problems.push(outdated);
    if (!record.sound) await tellRecord(run, damagedPayload(record), record, isBlob);
    else if (full && isBlob) {
      const problem = await digestProblem(run, record);
      if (problem) await tellRecord(run, problem, record, true);
    }
  }
}

/** A damaged blob that was written again is no loss. */
async function tellRecord(
  run: Run,
  problem: CoreProblem,
  record: ScannedRecord,
  isBlob: boolean,
): Promise<void> {
  const { key, segment, offset } = record;
  const newest = isBlob ? run.catalog.blob(key)?.place : undefined;
  const isElsewhere = newest && (newest.segment !== segment || newest.offset !== offset);
  if (isElsewhere && !(await readProblem(run.reader, newest, RecordKind.blob, key))) run.report.healed++;
  else run.report.problems.push(isBlob ? { ...problem, digest: key } : problem);
}

async function digestProblem({ reader }: Run, record: ScannedRecord): Promise<CoreProblem | undefined> {
  const { segment, offset, key, header } = record;
  const place: RecordPlace = { segment, offset, payloadLength: header.payloadLength };
  const facts = { segment, offset };
  try {
    const bytes = await reader.read(place, RecordKind.blob, key);
    if (contentDigest(bytes).equals(key)) return undefined;
  } catch (error) {
    if (!isCorruption(error) || isRetired(error)) throw error;
    return { kind: "record", ...facts, message: error.message };
  }
  return {
    kind: "blob",
    ...facts,
    message: `the blob at offset ${offset} of segment ${segment} does not have its digest`,
  };
}
