import { isCorruption, VarveError } from "../../errors.ts";
import type { SharedState } from "../../index/shared-state.ts";
import type { FileSystem } from "../../log/file.ts";
import type { SegmentHeader } from "../../log/format.ts";
import type { LogIdentity, LogPosition } from "../../log/segment.ts";
import {
  listSegments,
  readHeaderOf,
  segmentGeneration,
  segmentNumber,
  segmentPath,
  segmentText,
} from "../../log/segment.ts";
import type { Pace } from "../pace.ts";
import { areOneFile } from "./copy.ts";
import type { BackupEnd } from "./ends.ts";
import { checkedEnd, checkSound } from "./ends.ts";

/** The log that is backed up. */
export interface BackedUpLog {
  files: FileSystem;
  folder: string;
  identity: LogIdentity;
  /** What processes tell each other now. */
  state(): SharedState;
  /** Puts the log on the disk up to there. */
  settle(tail: LogPosition): Promise<void>;
}

/** A segment that the backup is to have. */
export interface PlannedSegment {
  id: number;
  /** So much of it, from its first byte. */
  bytes: number;
  /** What the backup has under its name stays. */
  isKept: boolean;
  /** Nobody writes to it any more. */
  isSealed: boolean;
}

export interface BackupPlan {
  tail: LogPosition;
  segments: PlannedSegment[];
}

export interface PlanOptions {
  /** No file is to be shared with the store. */
  copy: boolean;
  pace: Pace;
}

/** The look at the folder and the one at the end of the log are of one moment nearly always. */
const TRIES_MAX = 100;

/**
 * What a backup in the folder `backup` is to consist of, in order of the log, and what of it is there. Undefined when a
 * file of the log was rewritten and has gone meanwhile.
 * @throws as `checkedEnd` and `checkSound`
 */
export async function planBackup(
  log: BackedUpLog,
  backup: string,
  { copy, pace }: PlanOptions,
): Promise<BackupPlan | undefined> {
  const { files, folder, identity } = log;
  const { ids, tail } = await durableExtent(log);
  const there = files.exists(backup) ? listSegments(files, backup, identity) : [];
  const end = await checkedEnd({ files, folder, ids }, { files, folder: backup, ids: there }, identity, pace);
  const known = new Set(there);
  const segments: PlannedSegment[] = [];
  for (const id of ids) {
    const path = segmentPath(folder, id);
    if (!files.exists(path)) return undefined;
    const isSealed = id !== tail.segment || segmentGeneration(id) > 0;
    const segment = { id, bytes: isSealed ? files.sizeOf(path) : tail.offset, isSealed };
    const isShared = known.has(id) && areOneFile(path, segmentPath(backup, id));
    const isKept = isShared ? isSealed && !copy : known.has(id) && isWhole(log, backup, segment, end);
    segments.push({ ...segment, isKept });
    if (!isKept && replacesOthers(log, id, there)) await checkSound({ files, folder }, identity, id, pace);
    if (pace.isDue()) await pace.turn();
  }
  return { tail, segments };
}

/**
 * The segments in effect and the end of the log, which is on the disk. Nobody is kept from writing: the folder is read
 * before the end, so that no segment lacks what was dead only later.
 */
async function durableExtent(log: BackedUpLog): Promise<{ ids: number[]; tail: LogPosition }> {
  const { files, folder, identity } = log;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const { segment } = log.state().tail;
    const ids = listSegments(files, folder, identity);
    const { tail } = log.state();
    if (tail.segment !== segment) continue;
    if (!ids.includes(segment)) throw lost(segment, files.exists(segmentPath(folder, segment)));
    await log.settle(tail);
    // A failed sync may have cut the segment before, and what is on the disk is elsewhere now.
    if (!isCut(log, tail)) return { ids: ids.filter((id) => id <= segment), tail };
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new VarveError("UNAVAILABLE", "the log changed all the time while its state was looked at", {
    hint: "try again when less is written",
  });
}

function isCut({ files, folder, identity }: BackedUpLog, { segment, offset }: LogPosition): boolean {
  const next = listSegments(files, folder, identity).find((id) => id > segment);
  if (next === undefined) return false;
  try {
    const { previousNumber, previousEnd } = readHeaderOf(files, folder, next, identity);
    return previousNumber === segmentNumber(segment) && previousEnd < offset;
  } catch (error) {
    if (isCorruption(error)) return false;
    throw error;
  }
}

/** Whether the backup has all of a segment, by its size: it is of the same making, or it would have been told by now. */
function isWhole(
  { files, identity }: BackedUpLog,
  backup: string,
  { id, bytes, isSealed }: Omit<PlannedSegment, "isKept">,
  end: BackupEnd | undefined,
): boolean {
  const size = files.sizeOf(segmentPath(backup, id));
  // The newest one may have bytes of whoever opened the backup.
  if (end?.position.segment === id && end.position.offset !== size) return false;
  // A store that has lost bytes of a sealed segment does not take them from its backup.
  return (isSealed ? size >= bytes : size === bytes) && headerIn(files, backup, id, identity) !== undefined;
}

function headerIn(
  files: FileSystem,
  folder: string,
  id: number,
  identity: LogIdentity,
): SegmentHeader | undefined {
  try {
    return readHeaderOf(files, folder, id, identity);
  } catch (error) {
    if (isCorruption(error)) return undefined;
    throw error;
  }
}

/** Whether a rewritten segment would take the place of something that the backup has. */
function replacesOthers(
  { files, folder, identity }: BackedUpLog,
  id: number,
  there: readonly number[],
): boolean {
  if (segmentGeneration(id) === 0) return false;
  const last = headerIn(files, folder, id, identity)?.rewritten?.lastNumber ?? 0;
  return there.some((other) => segmentNumber(other) >= segmentNumber(id) && segmentNumber(other) <= last);
}

function lost(segment: number, isThere: boolean): VarveError {
  const what = isThere ? "does not count any more" : "is missing";
  return new VarveError("CORRUPTION", `${segmentText(segment)}, which is written to, ${what}`, {
    hint: "`varve verify` tells what is damaged, and `varve repair --from` a backup brings it back",
    details: { segment: segmentNumber(segment) },
  });
}
