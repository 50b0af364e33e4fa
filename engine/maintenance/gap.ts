import type { Gap } from "../index/gap.ts";
import { findBatchHeader, readBatch } from "../log/batch.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  DIGEST_BYTES,
  KEY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RecordKind,
  readBatchHeader,
  readRecordHeader,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from "../log/format.ts";
import type { LogReader, OpenSegment } from "../log/reader.ts";
import type { LogProblem } from "../log/scan.ts";
import { standingFor, standsFor, successorCut } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { segmentNumber } from "../log/segment.ts";
import { Window } from "../log/window.ts";

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
  if (kind === "batch") {
    const cut = successorCut(reader, numbers, segment) ?? Number.POSITIVE_INFINITY;
    return { after: before.sequence, lost: lostPuts(reader.segment(segment), offset, cut, before.sequence) };
  }
  if (offset > 0) {
    const own = reader.readableSegment(segment)?.header.rewritten;
    if (own) return { after: own.endSequence, lost: putsIn(own.bytes - offset) };
    const next = reader.readableBehind(numbers, segment);
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
  const opened = reader.readableSegment(number);
  if (!opened) {
    // Where a later segment goes on, that tells what is missing.
    if (reader.readableBehind(numbers, number)) return undefined;
    const lost = Math.min(LOST_MAX, putsIn(reader.unreadableBytes(number) - SEGMENT_HEADER_BYTES));
    return { after: before.sequence, lost };
  }
  const { previousNumber, previousEnd, previousSequence } = opened.header;
  const after = Math.max(before.sequence, previousSequence);
  const lacks = previousSequence > before.sequence;
  const last = standingFor(reader, numbers, before.segment);
  if (previousNumber === before.segment || (last && standsFor(last, previousNumber))) {
    // What is damaged in a segment was told when it was read. One that is whole up to its end, but ends too early,
    // lacks what is only known to have been there.
    const end = last?.header.rewritten?.bytes ?? previousEnd;
    return { after, lost: lacks && before.offset === end ? LOST_MAX : 0 };
  }
  const known = last?.header.rewritten?.lastNumber ?? segmentNumber(before.segment);
  const between = Math.max(0, previousNumber - known - 1);
  return { after, lost: lacks ? putsIn(previousEnd - SEGMENT_HEADER_BYTES) + between * LOST_MAX : 0 };
}

function putsIn(bytes: number): number {
  return Math.ceil(Math.max(0, bytes) / RECORD_BYTES_MIN);
}

/** How many puts there can have been from `from` up to the next whole batch. */
function lostPuts(segment: OpenSegment, from: number, cut: number, sequence: number): number {
  const { salt } = segment.header;
  const end = Math.min(segment.file.size(), cut);
  const window = new Window(segment.file, end);
  let lost = 0;
  for (let at = from; at < end; ) {
    const batch = readBatchHeader(window.view(at, BATCH_HEADER_BYTES), 0, salt);
    if (batch) {
      if (at > from && batch.sequence > sequence && readBatch(window, segment, at, "views")) break;
      lost += batch.count;
      at += BATCH_HEADER_BYTES + batch.length;
      continue;
    }
    // Of a batch whose own header is damaged, the records may be whole.
    const records = recordsFrom(window, at + BATCH_HEADER_BYTES, salt);
    if (records.end > at + BATCH_HEADER_BYTES) {
      lost += records.puts;
      at = records.end;
      continue;
    }
    const next = findBatchHeader(window, at + ALIGNMENT_BYTES, salt)?.offset ?? end;
    lost += putsIn(next - at);
    at = next;
  }
  return lost;
}

function recordsFrom(window: Window, from: number, salt: bigint): { puts: number; end: number } {
  const found = { puts: 0, end: from };
  for (;;) {
    const record = readRecordHeader(window.view(found.end, RECORD_HEADER_BYTES + KEY_BYTES_MAX), 0, salt);
    const end = record && found.end + recordBytes(record.keyLength, record.payloadLength);
    if (!record || end! > window.end) return found;
    if (record.kind === RecordKind.put) found.puts++;
    found.end = end!;
  }
}
