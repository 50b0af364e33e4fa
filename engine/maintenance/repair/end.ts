import { rmSync } from "node:fs";
import { join } from "node:path";
import { isCorruption } from "../../errors.ts";
import type { LogFile } from "../../log/file.ts";
import type { BatchHeader } from "../../log/format.ts";
import { BATCH_HEADER_BYTES, readBatchHeader } from "../../log/format.ts";
import { scanLog } from "../../log/scan.ts";
import type { LogPosition } from "../../log/segment.ts";
import { listSegments, readSegmentHeader, segmentPath, syncFailure } from "../../log/segment.ts";
import { LogWriter } from "../../log/writer.ts";
import { indexFolder, listGenerations, logFolder } from "../home.ts";
import type { OwnLog, RepairSource } from "./sources.ts";

/** What a copy of the log has behind the place where ours ends. */
export interface Continuation {
  /** The `chain` of the first batch of it. */
  first: bigint;
  end: LogPosition;
}

/**
 * The longest continuation that a copy has: what a disk has lost, and nothing in the store knows of any more. Undefined
 * when none goes on where ours ends.
 */
export function continuation(sources: readonly RepairSource[], tail: LogPosition): Continuation | undefined {
  let furthest: Continuation | undefined;
  for (const source of sources) {
    const found = source.isSame ? behind(source, tail) : undefined;
    if (found && found.end.sequence > (furthest?.end.sequence ?? 0)) furthest = found;
  }
  return furthest;
}

function behind(source: RepairSource, tail: LogPosition): Continuation | undefined {
  const sequence = sequenceAt(source, tail);
  if (sequence === undefined) return undefined;
  let found: Continuation | undefined;
  for (const next of scanLog(source.reader, source.numbers, { ...tail, sequence })) {
    if ("problem" in next) break;
    const { header, end } = next.batch;
    found = { first: found?.first ?? header.chain, end };
  }
  return found;
}

/**
 * The sequence that a copy has at `tail`, where it goes on from there in the same segment or the next one. Ours may be a
 * higher one, when more is known to have been there.
 */
function sequenceAt({ reader, headers }: RepairSource, tail: LogPosition): number | undefined {
  const header = headers.get(tail.segment);
  if (!header) return undefined;
  const first = nextBatch(reader.segment(tail.segment).file, tail, header.salt);
  if (first) return first.sequence - 1;
  for (const { previousNumber, previousEnd, previousChain, previousSequence } of headers.values()) {
    const follows = header.rewritten
      ? previousNumber >= header.number && previousNumber <= header.rewritten.lastNumber
      : previousNumber === tail.segment && previousEnd === tail.offset;
    if (follows && previousChain === tail.chain) return previousSequence;
  }
  return undefined;
}

/** The header of the batch that goes on from `tail`. */
function nextBatch(file: LogFile, tail: LogPosition, salt: bigint): BatchHeader | undefined {
  const bytes = Buffer.alloc(BATCH_HEADER_BYTES);
  const got = file.read(bytes, tail.offset);
  const header = readBatchHeader(bytes.subarray(0, got), 0, salt);
  return header?.previousChain === tail.chain ? header : undefined;
}

/** Under the lock: whether our own log has another batch there, of a process that died before it could say so. */
export function goesOnOtherwise(own: OwnLog, tail: LogPosition, { first }: Continuation): boolean {
  const path = segmentPath(logFolder(own.folder), tail.segment);
  if (!own.files.exists(path)) return false;
  const file = own.files.open(path, "read");
  try {
    const { salt } = readSegmentHeader(file, path, tail.segment, own.identity);
    const next = nextBatch(file, tail, salt);
    return next !== undefined && next.chain !== first;
  } catch (error) {
    if (isCorruption(error)) return false;
    throw error;
  } finally {
    file.close();
  }
}

/**
 * Under the lock: ends the log at `end`, which may be further than it goes now, and begins a new segment, so that all
 * earlier ones are left alone by writers. What the earlier ones then lack is in sight until it was put there.
 */
export function sealLog(own: OwnLog, end: LogPosition, now: number): LogPosition {
  const folder = logFolder(own.folder);
  const newest = listSegments(own.files, folder, own.identity).at(-1);
  if (newest !== undefined) syncFile(own, segmentPath(folder, newest));
  const writer = new LogWriter(own.files, folder, own.identity);
  try {
    return writer.roll(end, now);
  } finally {
    writer.close();
  }
}

function syncFile({ files }: OwnLog, path: string): void {
  const file = files.open(path, "read");
  try {
    file.sync();
  } catch (error) {
    throw syncFailure(error);
  } finally {
    file.close();
  }
}

/** Whoever opens the store next makes the index anew, also if this process ends before it can. */
export function distrustIndexes(home: string): void {
  for (const generation of listGenerations(home))
    rmSync(join(indexFolder(home, generation), "trust.json"), { force: true });
}
