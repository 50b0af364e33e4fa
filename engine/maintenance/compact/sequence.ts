import type { FileSystem } from "../../log/file.ts";
import { LogReader } from "../../log/reader.ts";
import type { LogIdentity } from "../../log/segment.ts";
import { listSegments } from "../../log/segment.ts";
import { Pace } from "../pace.ts";
import { DamagedSource, SourceScan } from "./source.ts";

/**
 * The last operation up to a moment, in milliseconds since 1970; 0 where there was none. Times never fall from one batch
 * to the next, so only the segment that has the moment in it is read.
 */
export async function sequenceAt(
  files: FileSystem,
  folder: string,
  identity: LogIdentity,
  time: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const reader = new LogReader(files, folder, identity);
  const pace = Pace.courteous({ signal });
  const ids = listSegments(files, folder, identity);
  try {
    for (let i = ids.length - 1; i >= 0; i--) {
      const sequence = await lastUpTo(reader, ids.slice(i), time, pace);
      if (sequence !== undefined) return sequence;
    }
    return 0;
  } finally {
    reader.close();
  }
}

/** Of the first segment; undefined where all of its batches are of later. */
async function lastUpTo(
  reader: LogReader,
  ids: readonly number[],
  time: number,
  pace: Pace,
): Promise<number | undefined> {
  let sequence: number | undefined;
  let scan: SourceScan | undefined;
  try {
    scan = new SourceScan(reader, ids, ids[0]!, pace, true);
    for (let batch = await scan.next(); batch && batch.header.time <= time; batch = await scan.next())
      sequence = batch.header.sequence;
  } catch (error) {
    // What can't be read says nothing: an earlier segment may.
    if (!(error instanceof DamagedSource)) throw error;
  } finally {
    scan?.close();
  }
  return sequence;
}
