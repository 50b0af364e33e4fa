import { findBatchHeader } from "../../log/batch.ts";
import { ALIGNMENT_BYTES, SEGMENT_HEADER_BYTES } from "../../log/format.ts";
import type { LogReader } from "../../log/reader.ts";
import { successorCut } from "../../log/scan.ts";
import type { LogPosition } from "../../log/segment.ts";
import { segmentGeneration } from "../../log/segment-id.ts";
import { Window } from "../../log/window.ts";

/** Where the second half of the log begins is looked for within so many bytes: more are seldom in one batch. */
const LOOKED_THROUGH_BYTES = 4 * 1024 * 1024;

/** What this thread has read before the other one has begun: so much more is its part. */
const HEAD_START_BYTES = 24 * 1024 * 1024;

/**
 * A batch near the middle of the log, from which it can be read while others read what is before it. Whether the log goes
 * on there is known when that was read: then it ended at this position. Undefined where there is none, or where the log is
 * shorter than `bytesMin`.
 *
 * It lies in a segment as it was written, and not in the last one: that it is cut at this place then changes nothing of
 * how it is read.
 */
export function middleOf(
  reader: LogReader,
  ids: readonly number[],
  bytesMin: number,
): LogPosition | undefined {
  const sizes = ids.map((id) => reader.readableSegment(id)?.file.size() ?? 0);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total < bytesMin) return undefined;
  const first = total / 2 + Math.min(HEAD_START_BYTES, total / 32);
  let before = 0;
  for (const [i, id] of ids.entries()) {
    const wanted = first - before;
    before += sizes[i]!;
    const isBehind = before > first && segmentGeneration(id) === 0;
    const found = isBehind ? batchBehind(reader, ids, id, wanted) : undefined;
    if (found) return found;
  }
  return undefined;
}

function batchBehind(
  reader: LogReader,
  ids: readonly number[],
  id: number,
  wanted: number,
): LogPosition | undefined {
  const cut = successorCut(reader, ids, id);
  const segment = reader.readableSegment(id);
  if (!segment || cut === undefined || !Number.isFinite(cut)) return undefined;
  const offset = Math.max(SEGMENT_HEADER_BYTES, Math.floor(wanted / ALIGNMENT_BYTES) * ALIGNMENT_BYTES);
  const window = new Window(segment.file, Math.min(cut, offset + LOOKED_THROUGH_BYTES));
  const found = findBatchHeader(window, offset, segment.header.salt);
  if (!found) return undefined;
  const { sequence, time, previousChain } = found.header;
  return { segment: id, offset: found.offset, sequence: sequence - 1, time, chain: previousChain };
}

/** Whether what was read up to `from` ends where it begins. */
export function isJoint(end: LogPosition, from: LogPosition): boolean {
  return (
    end.segment === from.segment &&
    end.offset === from.offset &&
    end.sequence === from.sequence &&
    end.chain === from.chain
  );
}
