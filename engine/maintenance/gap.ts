import { VarveError } from "../errors.ts";
import type { Gap } from "../index/gap.ts";
import type { BatchHeader } from "../log/format.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  DIGEST_BYTES,
  RECORD_HEADER_BYTES,
  RecordKind,
  readBatchHeader,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from "../log/format.ts";
import type { LogReader, OpenSegment } from "../log/reader.ts";
import type { LogProblem } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { SegmentCopy } from "./repair-copy.ts";

/** A put of the shortest key of a version, with the digest of its value and nothing else. */
const RECORD_BYTES_MIN = recordBytes(7, DIGEST_BYTES);
/** Of a segment of which nothing is known any more. */
const SEGMENT_BYTES = 256 * 1024 * 1024;

/** What is lost at least as much as anything can have been, where not even its bytes are known. */
export const LOST_MAX = Math.floor(SEGMENT_BYTES / RECORD_BYTES_MIN);

/**
 * What a problem of the log means for the numbers that are given out: how many puts can have been lost, and up to which
 * operation rows may lack what came behind them. Undefined where nothing of this log was lost.
 * @param before the last batch that was read before the problem came
 */
export function gapOf(
  reader: LogReader,
  numbers: readonly number[],
  problem: LogProblem,
  before: LogPosition,
): Gap | undefined {
  const { kind, segment, offset } = problem;
  // What is missing at the end is noted by who makes the log go on behind it.
  if (kind === "record" || kind === "missing") return undefined;
  const next = successor(reader, numbers, segment);
  if (kind === "batch") {
    const cut = next?.header.previousNumber === segment ? next.header.previousEnd : Number.POSITIVE_INFINITY;
    return { after: before.sequence, lost: lostPuts(reader.segment(segment), offset, cut, before.sequence) };
  }
  if (offset > 0) {
    if (!next) return { after: before.sequence, lost: 0 };
    return { after: next.header.previousSequence, lost: putsIn(next.header.previousEnd - offset) };
  }
  return gapBefore(reader, numbers, segment, before);
}

/** A segment that can't be read, or one that does not go on where the one before ends. */
function gapBefore(
  reader: LogReader,
  numbers: readonly number[],
  number: number,
  before: LogPosition,
): Gap | undefined {
  const opened = tryToOpen(reader, number);
  if (!opened) {
    // Where a later segment goes on, that tells what is missing.
    if (successor(reader, numbers, number)) return undefined;
    const lost = Math.min(LOST_MAX, putsIn(reader.unreadableBytes(number) - SEGMENT_HEADER_BYTES));
    return { after: before.sequence, lost };
  }
  const { previousNumber, previousEnd, previousSequence } = opened.header;
  const after = Math.max(before.sequence, previousSequence);
  const lacks = previousSequence > before.sequence;
  if (previousNumber === before.segment) {
    // What is damaged in a segment was told when it was read. One that is whole up to its end, but ends too early,
    // lacks what is only known to have been there.
    return { after, lost: lacks && before.offset === previousEnd ? LOST_MAX : 0 };
  }
  const between = Math.max(0, previousNumber - before.segment - 1);
  return { after, lost: lacks ? putsIn(previousEnd - SEGMENT_HEADER_BYTES) + between * LOST_MAX : 0 };
}

function successor(reader: LogReader, numbers: readonly number[], number: number): OpenSegment | undefined {
  for (const later of numbers) {
    const opened = later > number ? tryToOpen(reader, later) : undefined;
    if (opened) return opened;
  }
  return undefined;
}

function tryToOpen(reader: LogReader, number: number): OpenSegment | undefined {
  try {
    return number > 0 ? reader.segment(number) : undefined;
  } catch (error) {
    if (error instanceof VarveError && error.code === "CORRUPTION") return undefined;
    throw error;
  }
}

function putsIn(bytes: number): number {
  return Math.ceil(Math.max(0, bytes) / RECORD_BYTES_MIN);
}

/** How many puts there can have been from `from` up to the next whole batch. */
function lostPuts({ file, header }: OpenSegment, from: number, cut: number, sequence: number): number {
  const copy = new SegmentCopy(file);
  const { salt } = header;
  const end = Math.min(copy.size, cut);
  let lost = 0;
  for (let at = from; at < end; ) {
    const batch = readBatchHeader(copy.bytes(at, BATCH_HEADER_BYTES), 0, salt);
    if (batch) {
      if (at > from && batch.sequence > sequence && isWholeBatch(copy, at, batch, salt)) break;
      lost += batch.count;
      at += BATCH_HEADER_BYTES + batch.length;
      continue;
    }
    // Of a batch whose own header is damaged, the records may be whole.
    const { puts, at: next } = recordsFrom(copy, at + BATCH_HEADER_BYTES, salt, Number.POSITIVE_INFINITY);
    if (next > at + BATCH_HEADER_BYTES) {
      lost += puts;
      at = next;
      continue;
    }
    const found = nextBatch(copy, at + ALIGNMENT_BYTES, end, salt);
    lost += putsIn(found - at);
    at = found;
  }
  return lost;
}

function isWholeBatch(copy: SegmentCopy, at: number, { count, length }: BatchHeader, salt: bigint): boolean {
  const records = recordsFrom(copy, at + BATCH_HEADER_BYTES, salt, count);
  return records.count === count && records.at === at + BATCH_HEADER_BYTES + length;
}

function recordsFrom(copy: SegmentCopy, from: number, salt: bigint, countMax: number) {
  const found = { count: 0, puts: 0, at: from };
  while (found.count < countMax) {
    const record = copy.record(found.at, salt);
    const next = record && found.at + recordBytes(record.keyLength, record.payloadLength);
    if (!record || next! > copy.size) break;
    found.count++;
    if (record.kind === RecordKind.put) found.puts++;
    found.at = next!;
  }
  return found;
}

function nextBatch(copy: SegmentCopy, from: number, end: number, salt: bigint): number {
  for (let at = from; at + BATCH_HEADER_BYTES + RECORD_HEADER_BYTES <= end; at += ALIGNMENT_BYTES)
    if (readBatchHeader(copy.bytes(at, BATCH_HEADER_BYTES), 0, salt)) return at;
  return end;
}
