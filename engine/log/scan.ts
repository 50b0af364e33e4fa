import { VarveError } from "../errors.ts";
import { checksum, runningChecksum } from "./checksum.ts";
import type { BatchHeader, RecordHeader } from "./format.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  KEY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RecordKind,
  readBatchHeader,
  readRecordHeader,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from "./format.ts";
import type { LogReader, OpenSegment } from "./reader.ts";
import type { LogPosition } from "./segment.ts";
import { Window } from "./window.ts";

export interface ScannedRecord {
  header: RecordHeader;
  key: Buffer;
  segment: number;
  /** Of the record in its segment. */
  offset: number;
  /** Of a put or delete; blobs are checked where they lie. */
  payload: Buffer | undefined;
  /** Whether the payload agrees with its checksum. */
  sound: boolean;
}

export interface ScannedBatch {
  header: BatchHeader;
  records: ScannedRecord[];
  end: LogPosition;
}

export interface LogProblem {
  kind: "record" | "batch" | "segment";
  segment: number;
  offset: number;
  message: string;
}

export interface ScanEnd {
  position: LogPosition;
  /** There is something behind `position` in its segment that is no batch of the chain. */
  torn: boolean;
}

type Found = { batch: ScannedBatch } | { problem: LogProblem };

/**
 * Reads the batches behind `from` in order. A bad place is the torn end of the log only if no valid later batch says
 * that it was durable; otherwise it is reported as a problem, and the scan goes on behind it.
 * @param numbers the segments of the log, ascending
 * @param durableSequence what is known to have been durable, from elsewhere than the log
 * @param until where the log is known to end, though there be more bytes
 */
export function* scanLog(
  reader: LogReader,
  numbers: readonly number[],
  from: LogPosition,
  durableSequence = 0,
  until?: LogPosition,
): Generator<Found, ScanEnd> {
  let position = from;
  let torn = false;
  const ahead = numbers.filter((number) => number >= from.segment);
  for (let i = 0; i < ahead.length; i++) {
    const opened = openOrProblem(reader, ahead[i]!);
    if ("problem" in opened) {
      yield opened;
      continue;
    }
    const { segment } = opened;
    if (segment.number !== position.segment) {
      const gap = entryProblem(segment, position);
      if (gap) yield { problem: gap };
      position = entryPosition(segment, position);
    }
    const known = until?.segment === segment.number ? until.offset : undefined;
    const cut = successorCut(reader, ahead, i) ?? known;
    const scanned = yield* scanSegment(segment, position, cut, durableSequence);
    position = scanned.position;
    torn = scanned.torn;
  }
  return { position, torn };
}

function openOrProblem(
  reader: LogReader,
  number: number,
): { segment: OpenSegment } | { problem: LogProblem } {
  try {
    return { segment: reader.segment(number) };
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== "CORRUPTION") throw error;
    return { problem: { kind: "segment", segment: number, offset: 0, message: error.message } };
  }
}

/** Where a segment takes the chain up: at the place its header says, and never before where the scan already is. */
function entryPosition(segment: OpenSegment, position: LogPosition): LogPosition {
  const { previousSequence, previousChain } = segment.header;
  return {
    ...position,
    segment: segment.number,
    offset: SEGMENT_HEADER_BYTES,
    sequence: previousSequence,
    chain: previousChain,
  };
}

function entryProblem(segment: OpenSegment, position: LogPosition): LogProblem | undefined {
  const { previousSequence, previousChain, previousNumber } = segment.header;
  if (previousSequence === position.sequence && previousChain === position.chain) return undefined;
  return {
    kind: "segment",
    segment: segment.number,
    offset: 0,
    message: `segment ${segment.number} goes on after operation ${previousSequence}, but segment ${previousNumber} ends at ${position.sequence}`,
  };
}

/** Where the next readable segment says that this one ends; undefined for the last. */
function successorCut(reader: LogReader, numbers: readonly number[], i: number): number | undefined {
  for (const number of numbers.slice(i + 1)) {
    const opened = openOrProblem(reader, number);
    if ("problem" in opened) continue;
    const { header } = opened.segment;
    return header.previousNumber === numbers[i] ? header.previousEnd : Number.POSITIVE_INFINITY;
  }
  return undefined;
}

function* scanSegment(
  segment: OpenSegment,
  from: LogPosition,
  cut: number | undefined,
  durableSequence: number,
): Generator<Found, ScanEnd> {
  segment.busy++;
  try {
    const end = Math.min(segment.file.size(), cut ?? Number.POSITIVE_INFINITY);
    const window = new Window(segment.file, end);
    let position = from;
    if (cut !== undefined && cut !== Number.POSITIVE_INFINITY && cut > end)
      yield { problem: shortSegment(segment, end, cut) };
    while (position.offset < end) {
      const batch = readBatch(window, segment, position.offset);
      const next = batch && follows(batch.header, position) ? batch : undefined;
      if (next && isSound(next)) {
        yield { batch: next };
        position = next.end;
        continue;
      }
      const later = next ?? findBatch(window, segment, position.offset + ALIGNMENT_BYTES, position.sequence);
      const wasDurable =
        cut !== undefined ||
        durableSequence > position.sequence ||
        isSaidDurable(window, segment, later, position.sequence);
      if (!wasDurable) return { position, torn: true };
      // Of a batch whose headers are whole, only the payloads that fail are lost; they are told by who applies it.
      if (!next) yield { problem: damagedBatch(segment, position.offset) };
      if (!later) return { position, torn: true };
      yield { batch: later };
      position = later.end;
    }
    return { position, torn: false };
  } finally {
    segment.busy--;
  }
}

/** Whether `later` or a batch behind it says that what comes after `sequence` was on the disk. */
function isSaidDurable(
  window: Window,
  segment: OpenSegment,
  later: ScannedBatch | undefined,
  sequence: number,
): boolean {
  for (let batch = later; batch; batch = findBatch(window, segment, batch.end.offset, batch.end.sequence)) {
    if (batch.header.durableSequence > sequence) return true;
  }
  return false;
}

function isSound(batch: ScannedBatch): boolean {
  return batch.records.every((record) => record.sound);
}

function follows(header: BatchHeader, position: LogPosition): boolean {
  return header.previousChain === position.chain && header.sequence === position.sequence + 1;
}

function damagedBatch(segment: OpenSegment, offset: number): LogProblem {
  return {
    kind: "batch",
    segment: segment.number,
    offset,
    message: `damaged batch at offset ${offset} of segment ${segment.number}`,
  };
}

function shortSegment(segment: OpenSegment, size: number, cut: number): LogProblem {
  return {
    kind: "segment",
    segment: segment.number,
    offset: size,
    message: `segment ${segment.number} has ${size} bytes, but its successor says ${cut}`,
  };
}

/** The first whole batch at or behind `from` that is newer than `sequence`. */
function findBatch(
  window: Window,
  segment: OpenSegment,
  from: number,
  sequence: number,
): ScannedBatch | undefined {
  const salt = segment.header.salt;
  for (let at = from; at + BATCH_HEADER_BYTES <= window.end; at += ALIGNMENT_BYTES) {
    const bytes = window.view(at, BATCH_HEADER_BYTES);
    if (bytes[0] !== 0x56 || bytes[1] !== 0x42) continue;
    const header = readBatchHeader(bytes, 0, salt);
    if (!header || header.sequence <= sequence) continue;
    const batch = readBatch(window, segment, at);
    if (batch) return batch;
  }
  return undefined;
}

/** The batch at `offset`, or undefined if its structure is not whole; payloads that fail are marked in their records. */
export function readBatch(window: Window, segment: OpenSegment, offset: number): ScannedBatch | undefined {
  const salt = segment.header.salt;
  const header = readBatchHeader(window.view(offset, BATCH_HEADER_BYTES), 0, salt);
  if (!header || offset + BATCH_HEADER_BYTES + header.length > window.end) return undefined;
  const records: ScannedRecord[] = [];
  const sums = Buffer.alloc(Math.min(header.count, header.length / RECORD_HEADER_BYTES) * 8);
  const recordsEnd = offset + BATCH_HEADER_BYTES + header.length;
  let at = offset + BATCH_HEADER_BYTES;
  while (at < recordsEnd && records.length < header.count) {
    const record = readRecord(window, segment, at);
    if (!record) return undefined;
    sums.writeBigUInt64LE(record.header.checksum, records.length * 8);
    records.push(record);
    at += recordBytes(record.header.keyLength, record.header.payloadLength);
  }
  const whole = at === recordsEnd && records.length === header.count;
  if (!whole || checksum(sums, salt) !== header.recordsChecksum) return undefined;
  const { sequence, time, chain } = header;
  return { header, records, end: { segment: segment.number, offset: recordsEnd, sequence, time, chain } };
}

function readRecord(window: Window, segment: OpenSegment, offset: number): ScannedRecord | undefined {
  const salt = segment.header.salt;
  const head = window.view(offset, RECORD_HEADER_BYTES + KEY_BYTES_MAX);
  const header = readRecordHeader(head, 0, salt);
  if (!header) return undefined;
  const payloadOffset = offset + RECORD_HEADER_BYTES + header.keyLength;
  if (payloadOffset + header.payloadLength > window.end) return undefined;
  // The views of a window are overwritten by its next read.
  const key = Buffer.from(head.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.keyLength));
  if (header.kind === RecordKind.blob) {
    const sound =
      payloadChecksum(window, payloadOffset, header.payloadLength, salt) === header.payloadChecksum;
    return { header, key, segment: segment.number, offset, payload: undefined, sound };
  }
  const payload = Buffer.from(window.view(payloadOffset, header.payloadLength));
  return {
    header,
    key,
    segment: segment.number,
    offset,
    payload,
    sound: checksum(payload, salt) === header.payloadChecksum,
  };
}

function payloadChecksum(window: Window, from: number, length: number, salt: bigint): bigint {
  if (length <= window.pieceBytes) return checksum(window.view(from, length), salt);
  const running = runningChecksum(salt);
  for (const piece of window.pieces(from, length)) running.update(piece);
  return running.digest();
}
