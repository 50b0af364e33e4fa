import type { Catalog } from "../index/catalog.ts";
import type { Change } from "../index/change.ts";
import type { SharedState } from "../index/shared-state.ts";
import { checksum } from "../log/checksum.ts";
import type { FileSystem } from "../log/file.ts";
import { BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "../log/format.ts";
import { GroupLayout } from "../log/layout.ts";
import type { OpenSegment } from "../log/reader.ts";
import { LogReader } from "../log/reader.ts";
import type { LogProblem, ScannedBatch, ScannedRecord } from "../log/scan.ts";
import { endOf, entryPosition, scanLog } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { createSegment, listSegments, nextNumber } from "../log/segment.ts";
import { changeOf } from "./replay.ts";

interface Doubtful {
  /** The end of what is known to be on the disk. */
  durable: LogPosition;
  batches: ScannedBatch[];
}

interface LaidBatch {
  sequence: number;
  time: number;
  /** With the places that the records have now. */
  changes: Change[];
}

export interface WrittenAgain {
  /** As it is now, with all of the log on the disk. */
  state: SharedState;
  /** Where the segment before was cut. */
  from: LogPosition;
  batches: LaidBatch[];
  /** Who died after it had written batches again moved some that are not in doubt: no index was turned to them. */
  moved: boolean;
}

/**
 * After a failed sync and under the lock: what came behind the last durable batch may be on the disk or not, and no
 * sync of its segment can tell any more. So it is read back, checked, and written to a new segment whose header cuts
 * the old one where it is certain. That segment gets its name when all of it is on the disk: whoever dies on the way,
 * the old one still holds what the next one to try needs.
 * @throws when the disk still fails
 */
export function writeAgain(files: FileSystem, folder: string, state: SharedState, now: number): WrittenAgain {
  const reader = new LogReader(files, folder, state.identity);
  try {
    const numbers = listSegments(files, folder, state.identity);
    const newest = newestReadable(reader, numbers);
    const { durable, batches } = findDoubtful(reader, newest, state);
    const number = nextNumber(files, folder, state.tail.segment);
    let layout: GroupLayout | undefined;
    const laid: LaidBatch[] = [];
    createSegment(files, folder, number, durable, state.identity, now, ({ salt }) => {
      const start = { ...durable, segment: number, offset: SEGMENT_HEADER_BYTES };
      layout = new GroupLayout(start, salt, durable.sequence);
      for (const batch of batches) {
        const next = layBatch(layout, batch, reader, salt);
        if (!next) break;
        laid.push(next);
      }
      return layout.pieces();
    });
    const tail = layout!.end;
    const durableSequence = tail.sequence;
    const settled = { ...state, tail, durableSequence, cutAtTail: false, syncFailed: false };
    const moved = durable.sequence > cutOf(reader, numbers, state.tail.segment);
    return { state: { ...settled, logEpoch: state.logEpoch + 1 }, from: durable, batches: laid, moved };
  } finally {
    reader.close();
  }
}

/**
 * Turns the rows of an index to where the batches are now, all at once. False where that can't be done: the index
 * lacks batches before them, or has some that are lost. To apply a batch again changes no count: of each key, what its
 * first record takes from the last one's references its last one gives back.
 */
export function pointAgain(catalog: Catalog, written: WrittenAgain): boolean {
  const { from, batches, moved } = written;
  const { tail } = written.state;
  const applied = catalog.applied()?.sequence ?? -1;
  if (moved || applied < from.sequence || applied > tail.sequence || catalog.gaps.all()) return false;
  catalog.transact(() => {
    for (const { changes, sequence, time } of batches)
      for (const change of changes) catalog.apply(change, sequence, time);
    catalog.setApplied(tail);
  });
  return true;
}

/** Undefined when nothing that anybody may have been waiting for is missing. */
export function lossOf({ state: { tail }, from }: WrittenAgain, known: number): LogProblem | undefined {
  if (tail.sequence >= known) return undefined;
  const lost = `${tail.sequence + 1} to ${known}`;
  return {
    kind: "batch",
    segment: from.segment,
    offset: from.offset,
    message: `after a failed sync the operations ${lost} could not be read back: they are lost; none of them was acknowledged as durable`,
  };
}

/**
 * The operation behind which a segment was cut by who began this before; infinite where nobody did. There may have been
 * several, and each may have known of more that was durable than the one before.
 */
function cutOf(reader: LogReader, ids: readonly number[], id: number): number {
  const next = ids.find((each) => each > id);
  if (next === undefined) return Number.POSITIVE_INFINITY;
  return reader.readableSegment(next)?.header.previousSequence ?? Number.NEGATIVE_INFINITY;
}

function newestReadable(reader: LogReader, numbers: readonly number[]): OpenSegment {
  let failure: unknown;
  for (const number of numbers.toReversed()) {
    try {
      return reader.segment(number);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure;
}

/** A segment gets its name when all before it is on the disk, so only the newest can hold what is in doubt. */
function findDoubtful(reader: LogReader, newest: OpenSegment, state: SharedState): Doubtful {
  const { previousSequence, rewritten } = newest.header;
  const { tail } = state;
  // One that was written to is lost, and what was rewritten is not in doubt.
  if (rewritten) return { durable: endOf(newest, tail), batches: [] };
  // Of no batch that may follow it is the time before that of the last one known.
  const entry = entryPosition(newest, tail);
  const durableSequence = Math.max(state.durableSequence, previousSequence);
  const until = state.cutAtTail ? tail : undefined;
  let durable = entry;
  const batches: ScannedBatch[] = [];
  for (const found of scanLog(reader, [newest.id], entry, durableSequence, until)) {
    if ("problem" in found) continue;
    if (found.batch.header.sequence > durableSequence) batches.push(found.batch);
    else durable = found.batch.end;
  }
  if (durable.sequence < durableSequence) durable = behindDamage(durable, batches[0], durableSequence, tail);
  return { durable, batches };
}

/** The last durable batch can't be read: what follows it, or the shared state, says where it ends. */
function behindDamage(
  read: LogPosition,
  next: ScannedBatch | undefined,
  durableSequence: number,
  tail: LogPosition,
): LogPosition {
  if (next?.header.sequence === durableSequence + 1) {
    const { length, previousChain } = next.header;
    const offset = next.end.offset - length - BATCH_HEADER_BYTES;
    return { ...read, offset, sequence: durableSequence, chain: previousChain };
  }
  return tail.sequence === durableSequence && tail.segment === read.segment ? tail : read;
}

/** Undefined for a batch that can't be read back whole, which ends the log. */
function layBatch(
  layout: GroupLayout,
  batch: ScannedBatch,
  reader: LogReader,
  salt: bigint,
): LaidBatch | undefined {
  const { sequence, time } = batch.header;
  if (sequence !== layout.end.sequence + 1 || !batch.records.every(({ sound }) => sound)) return undefined;
  const changes: Change[] = [];
  layout.beginBatch();
  for (const record of batch.records) {
    const { kind, flags, tag, referenceCount, key, sound } = record;
    const payload = payloadOf(record, reader);
    const payloadChecksum = checksum(payload, salt);
    const place = layout.addRecord({ kind, flags, tag, referenceCount, key, payload, payloadChecksum });
    const { segment } = layout.end;
    const payloadLength = payload.length;
    const header = { kind, flags, tag, referenceCount, payloadLength };
    changes.push(changeOf({ ...header, key, segment, offset: place, payload, sound }));
  }
  layout.endBatch(sequence, time);
  return { sequence, time, changes };
}

function payloadOf(record: ScannedRecord, reader: LogReader): Buffer {
  return record.payload ?? reader.readSync(record, record.kind, record.key);
}
