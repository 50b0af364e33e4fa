import { isCorruption } from "../errors.ts";
import type { BytesGiven, ScannedBatch } from "./batch.ts";
import { findBatch, readBatch } from "./batch.ts";
import type { BatchHeader } from "./format.ts";
import { ALIGNMENT_BYTES, SEGMENT_HEADER_BYTES } from "./format.ts";
import type { LogReader, OpenSegment } from "./reader.ts";
import type { LogPosition } from "./segment.ts";
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
 * that it was durable; otherwise it is reported as a problem, and the scan goes on behind it.
 * @param numbers the segments of the log, ascending
 * @param durableSequence what is known to have been durable, from elsewhere than the log
 * @param until where the log is known to end, though there be more bytes
 * @param given views spare the copies for who is done with a batch before the next. Then the payloads of blobs are left
 * out too, up to where the log is known to have been durable: behind it they tell where it ends, before it they are
 * checked by whoever loads or verifies them, and they are most of what there is to read.
 */
export function* scanLog(
  reader: LogReader,
  numbers: readonly number[],
  from: LogPosition,
  durableSequence = 0,
  until?: LogPosition,
  given: BytesGiven = "copies",
): Generator<Found, ScanEnd> {
  let position = from;
  let torn = false;
  const ahead = numbers.filter((number) => number >= from.segment);
  for (const number of ahead) {
    // First, since to open another segment may close this one.
    const successorsCut = successorCut(reader, ahead, number);
    const opened = openOrProblem(reader, number);
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
    const cut = successorsCut ?? known;
    const scanned = yield* scanSegment(segment, position, cut, durableSequence, given);
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

function openOrProblem(
  reader: LogReader,
  number: number,
): { segment: OpenSegment } | { problem: LogProblem } {
  try {
    return { segment: reader.segment(number) };
  } catch (error) {
    if (!isCorruption(error)) throw error;
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
export function successorCut(
  reader: LogReader,
  numbers: readonly number[],
  number: number,
): number | undefined {
  const header = reader.readableBehind(numbers, number)?.header;
  if (!header) return undefined;
  return header.previousNumber === number ? header.previousEnd : Number.POSITIVE_INFINITY;
}

function* scanSegment(
  segment: OpenSegment,
  from: LogPosition,
  cut: number | undefined,
  durableSequence: number,
  given: BytesGiven,
): Generator<Found, ScanEnd> {
  segment.busy++;
  try {
    const end = Math.min(segment.file.size(), cut ?? Number.POSITIVE_INFINITY);
    const window = new Window(segment.file, end);
    let position = from;
    if (cut !== undefined && cut !== Number.POSITIVE_INFINITY && cut > end)
      yield { problem: shortSegment(segment, end, cut) };
    while (position.offset < end) {
      const isDurable = cut !== undefined || durableSequence > position.sequence;
      const batch = readBatch(window, segment, position.offset, given, given === "copies" || !isDurable);
      const next = batch && follows(batch.header, position) ? batch : undefined;
      if (next?.sound) {
        yield { batch: next };
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
