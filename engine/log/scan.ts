import { isCorruption } from "../errors.ts";
import type { BytesGiven, ScannedBatch } from "./batch.ts";
import { findBatch, readBatch } from "./batch.ts";
import type { BatchHeader } from "./format.ts";
import { ALIGNMENT_BYTES, SEGMENT_HEADER_BYTES } from "./format.ts";
import type { LogReader, OpenSegment } from "./reader.ts";
import { isRetired } from "./reader.ts";
import type { LogPosition } from "./segment.ts";
import { LOG_START } from "./segment.ts";
import { segmentGeneration, segmentNumber, segmentText } from "./segment-id.ts";
import { Window } from "./window.ts";

export type { ScannedBatch, ScannedRecord } from "./batch.ts";

export interface LogProblem {
  /** "missing": the log ends before what is known to have been there. */
  kind: "record" | "batch" | "segment" | "missing";
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
 * that it was durable; otherwise it is reported as a problem, and the scan goes on behind it. Where the segment of
 * `from` was rewritten since, the scan goes on in the new one.
 * @param ids the segments of the log in effect, ascending
 * @param durableSequence what is known to have been durable, from elsewhere than the log
 * @param until where the log is known to end, though there be more bytes
 * @param given views spare the copies for who is done with a batch before the next. Then the payloads of blobs are left
 * out too, up to where the log is known to have been durable: behind it they tell where it ends, before it they are
 * checked by whoever loads or verifies them, and they are most of what there is to read.
 */
export function* scanLog(
  reader: LogReader,
  ids: readonly number[],
  from: LogPosition,
  durableSequence = 0,
  until?: LogPosition,
  given: BytesGiven = "copies",
): Generator<Found, ScanEnd> {
  let torn = false;
  const { ahead, after, position: start } = startOf(reader, ids, from);
  let position = start;
  for (const id of ahead) {
    // First, since to open another segment may close this one.
    const successorsCut = successorCut(reader, ahead, id);
    const opened = openOrProblem(reader, id);
    if ("problem" in opened) {
      yield opened;
      continue;
    }
    const { segment } = opened;
    if (segment.id !== position.segment) {
      const gap = entryProblem(segment, position);
      if (gap) yield { problem: gap };
      position = entryPosition(segment, position);
    }
    const known = until?.segment === segment.id ? until.offset : undefined;
    const cut = successorsCut ?? known;
    const scanned = yield* scanSegment(segment, position, cut, durableSequence, given, after);
    position = scanned.position;
    torn = scanned.torn;
  }
  if (position.sequence < durableSequence) yield { problem: shortLog(position, durableSequence) };
  return { position, torn };
}

/** A log that ends at a position before what is known to have been there. */
export function shortLog({ segment, offset, sequence }: LogPosition, durableSequence: number): LogProblem {
  const message = `the log ends at operation ${sequence}, but ${durableSequence} were there`;
  return { kind: "missing", segment, offset, message };
}

/**
 * The segments to be read from `from` on, and where. In one that was rewritten since, places are others, so it is read
 * from its beginning: what is up to `after` is known then.
 */
function startOf(
  reader: LogReader,
  ids: readonly number[],
  from: LogPosition,
): { ahead: number[]; position: LogPosition; after: number } {
  const ahead = ids.filter((id) => id >= from.segment);
  const known = { ahead, position: from, after: 0 };
  if (from.segment === 0 || ahead[0] === from.segment) return known;
  const segment = standingFor(reader, ids, from.segment);
  if (!segment) return known;
  const behind = ids.filter((each) => each > segment.id);
  const end = segment.header.rewritten && endOf(segment, from);
  if (end && end.sequence <= from.sequence) return { ahead: behind, position: end, after: 0 };
  return { ahead: [segment.id, ...behind], position: entryPosition(segment, from), after: from.sequence };
}

/** Where the log goes on behind a rewritten segment. */
export function endOf({ id, header }: OpenSegment, position: LogPosition): LogPosition {
  const { bytes, endSequence, endChain } = header.rewritten!;
  return { ...position, segment: id, offset: bytes, sequence: endSequence, chain: endChain };
}

/** The segment in effect that stands for another one now, which may be the same. Undefined where none can be read. */
export function standingFor(reader: LogReader, ids: readonly number[], id: number): OpenSegment | undefined {
  const number = segmentNumber(id);
  const now = ids.findLast((each) => segmentNumber(each) <= number);
  const segment = now === undefined ? undefined : reader.readableSegment(now);
  return segment && standsFor(segment, number) ? segment : undefined;
}

/** Whether a segment is, or stands for, the one of this number. */
export function standsFor(segment: OpenSegment, number: number): boolean {
  const { id, header } = segment;
  return segmentNumber(id) <= number && number <= (header.rewritten?.lastNumber ?? id);
}

function openOrProblem(reader: LogReader, id: number): { segment: OpenSegment } | { problem: LogProblem } {
  try {
    return { segment: reader.segment(id) };
  } catch (error) {
    if (!isCorruption(error) || isRetired(error)) throw error;
    return { problem: { kind: "segment", segment: id, offset: 0, message: error.message } };
  }
}

/** Where a segment takes the chain up, as its header says. @param position that has been read up to, in time */
export function entryPosition(segment: OpenSegment, position = LOG_START): LogPosition {
  const { previousSequence, previousChain } = segment.header;
  return {
    ...position,
    segment: segment.id,
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
    segment: segment.id,
    offset: 0,
    message: `${segmentText(segment.id)} goes on after operation ${previousSequence}, but segment ${previousNumber} ends at ${position.sequence}`,
  };
}

/**
 * Where a segment ends: a rewritten one says it itself, of others the next readable one does. Undefined for the last.
 */
export function successorCut(reader: LogReader, ids: readonly number[], id: number): number | undefined {
  if (segmentGeneration(id) > 0) return reader.readableSegment(id)?.header.rewritten?.bytes;
  const header = reader.readableBehind(ids, id)?.header;
  if (!header) return undefined;
  return header.previousNumber === id ? header.previousEnd : Number.POSITIVE_INFINITY;
}

/** Of a segment so much is read that it is worth having memory for it that is never given back. */
const LONG_BYTES = 1024 * 1024;

function* scanSegment(
  segment: OpenSegment,
  from: LogPosition,
  cut: number | undefined,
  durableSequence: number,
  given: BytesGiven,
  after: number,
): Generator<Found, ScanEnd> {
  const size = segment.file.size();
  const end = Math.min(size, cut ?? Number.POSITIVE_INFINITY);
  const window = new Window(segment.file, end);
  segment.busy++;
  try {
    if (given === "views" && end - from.offset > LONG_BYTES) window.useHashMemory();
    let position = from;
    const problem = sizeProblem(segment, size, cut);
    if (problem) yield { problem };
    while (position.offset < end) {
      const isDurable = cut !== undefined || durableSequence > position.sequence;
      const batch = readBatch(window, segment, position.offset, given, given === "copies" || !isDurable);
      const next = batch && follows(batch.header, position, segment) ? batch : undefined;
      if (next?.sound) {
        if (next.header.sequence > after) yield { batch: next };
        position = next.end;
        continue;
      }
      // From here on the window moves while a batch is held.
      const held = next && given === "views" ? readBatch(window, segment, position.offset) : next;
      const later = held ?? findBatch(window, segment, position.offset + ALIGNMENT_BYTES, position.sequence);
      const wasDurable = isDurable || isSaidDurable(window, segment, later, position.sequence);
      if (!wasDurable) return { position, torn: true };
      // Of a batch whose headers are whole, only the payloads that fail are lost; they are told by who applies it.
      if (!next) yield { problem: damagedBatch(segment, position.offset) };
      if (!later) return { position: behind(segment, position), torn: true };
      if (later.header.sequence > after) yield { batch: later };
      position = later.end;
    }
    return { position: behind(segment, position), torn: false };
  } finally {
    window.close();
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

/** Where the log goes on behind `position`, the end of the last batch of the segment. */
function behind(segment: OpenSegment, position: LogPosition): LogPosition {
  return segment.header.rewritten ? endOf(segment, position) : position;
}

/** Of a rewritten segment whole batches can have been left out. */
function follows(header: BatchHeader, { chain, sequence }: LogPosition, segment: OpenSegment): boolean {
  if (header.previousChain !== chain) return false;
  return segment.header.rewritten ? header.sequence > sequence : header.sequence === sequence + 1;
}

function damagedBatch(segment: OpenSegment, offset: number): LogProblem {
  return {
    kind: "batch",
    segment: segment.id,
    offset,
    message: `damaged batch at offset ${offset} of ${segmentText(segment.id)}`,
  };
}

/** A segment that is shorter than its cut, or a rewritten one that is not as long as it was written. */
function sizeProblem(segment: OpenSegment, size: number, cut: number | undefined): LogProblem | undefined {
  const isRewritten = segment.header.rewritten !== undefined;
  if (cut === undefined || cut === Number.POSITIVE_INFINITY || size === cut || (size > cut && !isRewritten))
    return undefined;
  const whose = isRewritten ? "header" : "successor";
  return {
    kind: "segment",
    segment: segment.id,
    offset: Math.min(size, cut),
    message: `${segmentText(segment.id)} has ${size} bytes, but its ${whose} says ${cut}`,
  };
}
