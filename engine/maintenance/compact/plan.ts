import { LogReader } from "../../log/reader.ts";
import { listSegments, listSuperseded } from "../../log/segment.ts";
import { Pace } from "../pace.ts";
import { bytesOf } from "../space.ts";
import type { SegmentSpace } from "./choose.ts";
import { isWorth, planRuns, segmentSpaces } from "./choose.ts";
import type { History } from "./history.ts";
import { findHistory } from "./history.ts";
import type { CompactCoreOptions, CompactParts, CoreCompact } from "./parts.ts";

/** The report of a compaction that has done nothing yet. */
export function newReport({ files, folder, identity }: CompactParts, dryRun: boolean): CoreCompact {
  const logBytes = bytesOf(files, folder, listSegments(files, folder, identity));
  return {
    dryRun,
    segments: 0,
    blobs: 0,
    records: 0,
    freedBytes: 0,
    logBytesBefore: logBytes,
    logBytesAfter: logBytes,
    waitingBytes: 0,
    skipped: [],
  };
}

interface Plan {
  spaces: Map<number, SegmentSpace>;
  history: History | undefined;
}

/** What of each segment nothing needs. */
export async function planFor(
  parts: CompactParts,
  { historyBefore, forgotten = [], alsoDead }: CompactCoreOptions,
  reader: LogReader,
  ids: readonly number[],
  pace: Pace,
): Promise<Plan> {
  const spaces = await segmentSpaces(parts, ids, pace, alsoDead);
  const history =
    historyBefore === undefined
      ? undefined
      : await findHistory(parts, reader, ids, spaces, { before: historyBefore, forgotten }, pace);
  return { spaces, history };
}

/** What a compaction would do now. */
export async function foresee(parts: CompactParts, options: CompactCoreOptions): Promise<CoreCompact> {
  const pace = Pace.courteous(options);
  const { files, folder, identity } = parts;
  const reader = new LogReader(files, folder, identity);
  try {
    const report = newReport(parts, true);
    const ids = listSegments(files, folder, identity);
    const { spaces, history } = await planFor(parts, options, reader, ids, pace);
    // The newest one is ended where it is worth it.
    const sealed = [...spaces.values()].filter(
      (space, i) => i < ids.length - 1 || isWorth(space, options.deadShare),
    );
    for (const run of planRuns(sealed, options.deadShare, parts.segmentBytesMax)) {
      report.segments += run.length;
      for (const space of run) {
        report.blobs += space.deadBlobs;
        report.records += space.historyRecords;
        report.freedBytes += space.deadBytes + space.historyBytes;
      }
    }
    report.skipped.push(...(history?.problems ?? []));
    report.logBytesAfter = report.logBytesBefore - report.freedBytes;
    report.waitingBytes = bytesOf(files, folder, listSuperseded(files, folder, identity));
    return report;
  } finally {
    reader.close();
  }
}
