import { DIGEST_BYTES, recordBytes } from "../../log/format.ts";
import { segmentPath } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";
import { eachBlob } from "./pages.ts";
import type { CompactParts } from "./parts.ts";

/** What of a segment nothing needs any more. */
export interface SegmentSpace {
  id: number;
  /** Of the file. */
  bytes: number;
  deadBlobs: number;
  deadBytes: number;
  /** Blobs that an earlier compaction was about to drop, and did not. */
  condemned: number;
  historyRecords: number;
  historyBytes: number;
}

/** Segments that lie together and become one. */
export type Run = SegmentSpace[];

/** Neighbours below this part of a full segment are taken along, so that the number of files stays bounded. */
const SMALL_PART = 16;

/** Goes over the index once. @param alsoDead digests of blobs, as text, that the index does not call dead yet */
export async function segmentSpaces(
  parts: CompactParts,
  ids: readonly number[],
  pace: Pace,
  alsoDead?: ReadonlySet<string>,
): Promise<Map<number, SegmentSpace>> {
  const spaces = new Map<number, SegmentSpace>();
  for (const id of ids) {
    const bytes = parts.files.sizeOf(segmentPath(parts.folder, id));
    const none = { deadBlobs: 0, deadBytes: 0, condemned: 0, historyRecords: 0, historyBytes: 0 };
    spaces.set(id, { id, bytes, ...none });
  }
  await eachBlob(parts, pace, (row) => {
    const space = spaces.get(row.segment);
    const isDead = row.referenceCount === 0 || alsoDead?.has(row.digest().toString("latin1"));
    if (!space || !isDead) return;
    space.deadBlobs++;
    space.deadBytes += recordBytes(DIGEST_BYTES, row.length);
    if (row.isCondemned) space.condemned++;
  });
  return spaces;
}

/** Whether a segment is worth to be rewritten. */
export function isWorth({ bytes, deadBytes, historyBytes }: SegmentSpace, deadShare: number): boolean {
  if (historyBytes > 0) return true;
  return deadBytes > 0 && deadBytes >= deadShare * bytes;
}

/** @param spaces of the sealed segments, in the order of the log */
export function planRuns(spaces: readonly SegmentSpace[], deadShare: number, bytesMax: number): Run[] {
  const runs: Run[] = [];
  let run: Run = [];
  let left = 0;
  const end = () => {
    if (run.some((space) => isWorth(space, deadShare))) runs.push(run);
    run = [];
    left = 0;
  };
  for (const space of spaces) {
    const isTaken = isWorth(space, deadShare) || space.bytes < bytesMax / SMALL_PART;
    const kept = space.bytes - space.deadBytes - space.historyBytes;
    if (!isTaken || (run.length > 0 && left + kept > bytesMax)) end();
    if (!isTaken) continue;
    run.push(space);
    left += kept;
  }
  end();
  return runs;
}

/** What is left of a run when one of its segments can't be rewritten. */
export function without(run: Run, id: number, deadShare: number): Run[] {
  const at = run.findIndex((space) => space.id === id);
  return [run.slice(0, at), run.slice(at + 1)].filter((part) =>
    part.some((space) => isWorth(space, deadShare)),
  );
}
