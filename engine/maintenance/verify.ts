import { contentDigest } from "../blob/digest.ts";
import { VarveError } from "../errors.ts";
import type { Catalog } from "../index/catalog.ts";
import { APPLICATION_SPACE } from "../index/rows.ts";
import type { FileSystem } from "../log/file.ts";
import { RecordKind } from "../log/format.ts";
import type { LogReader, RecordPlace } from "../log/reader.ts";
import type { ScannedBatch } from "../log/scan.ts";
import { scanLog } from "../log/scan.ts";
import { LOG_START, listSegments } from "../log/segment.ts";
import { damagedPayload } from "./replay.ts";

export interface VerifyCoreOptions {
  /** Also compute the SHA-256 of every blob. */
  full?: boolean;
  signal?: AbortSignal | undefined;
  onProgress?: (bytes: number, total: number) => void;
}

export interface CoreProblem {
  kind: "record" | "batch" | "segment" | "blob" | "index" | "missing";
  message: string;
  segment?: number;
  offset?: number;
  /** The row that can't be read because of it. */
  key?: Buffer;
}

export interface CoreReport {
  segments: number;
  batches: number;
  records: number;
  blobs: number;
  bytes: number;
  problems: CoreProblem[];
}

interface VerifiedParts {
  files: FileSystem;
  folder: string;
  reader: LogReader;
  catalog: Catalog;
}

/** Batches and rows looked at between two turns of the event loop. */
const STEPS_PER_TURN = 256;

/**
 * Reads the log from its first byte, so that every checksum and the chain are tried, then the index: every row must
 * point at the record that it says. Damage is reported, never an error.
 */
export async function verifyLog(parts: VerifiedParts, options: VerifyCoreOptions): Promise<CoreReport> {
  const numbers = listSegments(parts.files, parts.folder);
  const report: CoreReport = {
    segments: numbers.length,
    batches: 0,
    records: 0,
    blobs: 0,
    bytes: 0,
    problems: [],
  };
  const applied = parts.catalog.applied() ?? LOG_START;
  let steps = 0;
  const scan = scanLog(parts.reader, numbers, LOG_START, applied.sequence);
  let next = scan.next();
  for (; !next.done; next = scan.next()) {
    if ("problem" in next.value) report.problems.push(next.value.problem);
    else checkBatch(parts, next.value.batch, report, options);
    if (++steps % STEPS_PER_TURN === 0) await turn(options, report);
  }
  if (next.value.position.sequence < applied.sequence)
    report.problems.push(shortLog(next.value.position.sequence, applied.sequence));
  await checkIndex(parts, report, options);
  return report;
}

function checkBatch(
  parts: VerifiedParts,
  batch: ScannedBatch,
  report: CoreReport,
  options: VerifyCoreOptions,
): void {
  report.batches++;
  report.bytes += batch.header.length;
  for (const record of batch.records) {
    report.records++;
    if (record.header.kind === RecordKind.blob) report.blobs++;
    if (!record.sound) report.problems.push(damagedPayload(record));
    else if (options.full && record.header.kind === RecordKind.blob) {
      const { segment, offset, key, header } = record;
      const problem = digestProblem(parts, { segment, offset, payloadLength: header.payloadLength }, key);
      if (problem) report.problems.push(problem);
    }
  }
}

function digestProblem(parts: VerifiedParts, place: RecordPlace, digest: Buffer): CoreProblem | undefined {
  if (contentDigest(parts.reader.readSync(place, RecordKind.blob, digest)).equals(digest)) return undefined;
  const { segment, offset } = place;
  return {
    kind: "blob",
    segment,
    offset,
    message: `the blob at offset ${offset} of segment ${segment} does not have its digest`,
  };
}

function shortLog(found: number, acknowledged: number): CoreProblem {
  return {
    kind: "missing",
    message: `the log ends at operation ${found}, but ${acknowledged} were acknowledged`,
  };
}

/** Every row of the index must be readable: its own record, and the blobs that it refers to. */
async function checkIndex(
  parts: VerifiedParts,
  report: CoreReport,
  options: VerifyCoreOptions,
): Promise<void> {
  const { catalog, reader } = parts;
  let steps = 0;
  let start = Buffer.from([APPLICATION_SPACE]);
  for (;;) {
    // A page at a time: an iterator must not be open across turns of the event loop.
    const page = pageOfRows(catalog, start, report);
    if (page.length === 0) return;
    for (const { key, row } of page) {
      const places: [RecordPlace, RecordKind, Uint8Array][] = [[row.place, RecordKind.put, key]];
      for (const digest of row.references) {
        const blob = catalog.blob(digest);
        if (blob) places.push([blob.place, RecordKind.blob, digest]);
        else
          report.problems.push({
            kind: "index",
            key,
            message: `the index lacks the blob sha256:${digest.toString("hex")}`,
          });
      }
      for (const [place, kind, recordKey] of places) {
        const problem = readProblem(reader, place, kind, recordKey);
        if (problem) report.problems.push({ ...problem, key });
      }
      if (++steps % STEPS_PER_TURN === 0) await turn(options, report);
    }
    start = Buffer.concat([page.at(-1)!.key, Buffer.from([0])]);
  }
}

function pageOfRows(catalog: Catalog, start: Buffer, report: CoreReport) {
  try {
    return [...catalog.rows({ start, end: Buffer.from([0xff]), limit: STEPS_PER_TURN })];
  } catch (error) {
    report.problems.push({ kind: "index", message: (error as Error).message });
    return [];
  }
}

function readProblem(
  reader: LogReader,
  place: RecordPlace,
  kind: RecordKind,
  key: Uint8Array,
): CoreProblem | undefined {
  try {
    reader.readSync(place, kind, key);
    return undefined;
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    return { kind: "record", segment: place.segment, offset: place.offset, message: error.message };
  }
}

async function turn(options: VerifyCoreOptions, report: CoreReport): Promise<void> {
  options.onProgress?.(report.bytes, report.bytes);
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (options.signal?.aborted)
    throw new VarveError("ABORTED", "the call was aborted", { cause: options.signal.reason });
}
