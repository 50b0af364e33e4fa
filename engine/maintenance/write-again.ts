import type { SharedState } from "../index/lock.ts";
import { checksum } from "../log/checksum.ts";
import type { FileSystem } from "../log/file.ts";
import { SEGMENT_HEADER_BYTES } from "../log/format.ts";
import { GroupLayout } from "../log/layout.ts";
import { LogReader } from "../log/reader.ts";
import type { ScannedBatch } from "../log/scan.ts";
import { scanLog } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { LOG_START, listSegments } from "../log/segment.ts";
import { LogWriter } from "../log/writer.ts";

interface Doubtful {
  /** The end of what is known to be on the disk. */
  durable: LogPosition;
  batches: ScannedBatch[];
}

/**
 * After a failed sync, once all users have closed the store and under the lock: what came behind the last durable batch
 * may be on the disk or not, and no sync of that segment can tell any more. So it is read back, checked, and written to
 * a new segment, whose header cuts the old one where it is certain.
 * @throws when the disk still fails; then nothing has changed
 */
export function writeAgain(files: FileSystem, folder: string, state: SharedState, now: number): SharedState {
  const reader = new LogReader(files, folder, state.identity);
  const writer = new LogWriter(files, folder, state.identity);
  try {
    const { durable, batches } = findDoubtful(reader, listSegments(files, folder), state);
    const start = writer.roll(durable, now);
    const layout = new GroupLayout(start, writer.salt, durable.sequence);
    for (const batch of batches) if (!layBatch(layout, batch, reader, writer.salt)) break;
    writer.append(layout.pieces(), start, layout.end);
    writer.sync();
    const tail = layout.end;
    return { ...state, tail, durableSequence: tail.sequence, cutAtTail: false, syncFailed: false };
  } finally {
    writer.close();
    reader.close();
  }
}

function findDoubtful(reader: LogReader, numbers: readonly number[], state: SharedState): Doubtful {
  const { durableSequence } = state;
  const until = state.cutAtTail ? state.tail : undefined;
  let durable = LOG_START;
  const batches: ScannedBatch[] = [];
  for (const found of scanLog(reader, numbers, LOG_START, durableSequence, until)) {
    if ("problem" in found) continue;
    if (found.batch.header.sequence <= durableSequence) durable = found.batch.end;
    else batches.push(found.batch);
  }
  const newest = numbers.at(-1)!;
  if (durable.segment === newest) return { durable, batches };
  // The newest segment was begun after the last durable batch: it is the one to be cut, at its beginning.
  const { previousChain, previousSequence } = reader.segment(newest).header;
  const { time } = durable;
  durable = {
    segment: newest,
    offset: SEGMENT_HEADER_BYTES,
    sequence: previousSequence,
    time,
    chain: previousChain,
  };
  return { durable, batches: batches.filter(({ header }) => header.sequence > previousSequence) };
}

/** False for a batch that can't be read back whole, which ends the log. */
function layBatch(layout: GroupLayout, batch: ScannedBatch, reader: LogReader, salt: bigint): boolean {
  if (batch.header.sequence !== layout.end.sequence + 1) return false;
  if (batch.records.some(({ sound }) => !sound)) return false;
  layout.beginBatch();
  for (const { header, key, segment, offset, payload } of batch.records) {
    const place = { segment, offset, payloadLength: header.payloadLength };
    const bytes = payload ?? reader.readSync(place, header.kind, key);
    const { kind, flags, tag, referenceCount } = header;
    const payloadChecksum = checksum(bytes, salt);
    layout.addRecord({ kind, flags, tag, referenceCount, key, payload: bytes, payloadChecksum });
  }
  layout.endBatch(batch.header.sequence, batch.header.time);
  return true;
}
