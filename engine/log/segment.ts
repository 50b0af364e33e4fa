import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fromSystemError, isCorruption, type VarveError } from "../errors.ts";
import type { FileSystem } from "./file.ts";
import type { SegmentHeader } from "./format.ts";
import { encodeSegmentHeader, FORMAT_VERSION_WRITTEN } from "./format.ts";
import type { LogIdentity } from "./segment-header.ts";
import { readHeaderOf } from "./segment-header.ts";
import { segmentGeneration, segmentNumber, segmentPath } from "./segment-id.ts";

export type { LogIdentity } from "./segment-header.ts";
export { fromSegmentFailure, readHeaderOf, readSegmentHeader } from "./segment-header.ts";
export {
  segmentFileName,
  segmentGeneration,
  segmentId,
  segmentNumber,
  segmentPath,
  segmentText,
} from "./segment-id.ts";
export {
  isSuperseded,
  listAll,
  listSegments,
  listSuperseded,
  nextNumber,
  nextRewrittenId,
} from "./segment-list.ts";

const UNFINISHED_NAME = /^new-[0-9a-f]{12}\.tmp$/;

/** A point in the log: the end of a batch, and what the next one must name. */
export interface LogPosition {
  /** Its id. */
  segment: number;
  offset: number;
  sequence: number;
  /** Milliseconds since 1970 of the batch that ends here. */
  time: number;
  chain: bigint;
}

export const LOG_START: LogPosition = { segment: 0, offset: 0, sequence: 0, time: 0, chain: 0n };

/** For a segment that is not to have its name yet. */
export function unfinishedPath(folder: string): string {
  return join(folder, `new-${randomBytes(6).toString("hex")}.tmp`);
}

/**
 * Makes the segment that follows `end`, which must be durable already. The name appears only with a complete
 * header, so a segment that exists is one that counts: it cuts its predecessor at the place its header says.
 * @param content what it holds from the start, for a segment that must not count without it
 * @throws with the outcome unknown: the name may be there, and may not be on the disk
 */
export function createSegment(
  files: FileSystem,
  folder: string,
  number: number,
  end: LogPosition,
  identity: LogIdentity,
  now: number,
  content: (header: SegmentHeader) => readonly Uint8Array[] = () => [],
): SegmentHeader {
  const header: SegmentHeader = {
    formatVersion: FORMAT_VERSION_WRITTEN,
    number,
    generation: 0,
    previousNumber: lastNumberOf(files, folder, end.segment),
    previousEnd: end.offset,
    previousChain: end.chain,
    previousSequence: end.sequence,
    salt: randomBytes(8).readBigUInt64LE(),
    createdAt: now,
    ...identity,
  };
  const temporary = unfinishedPath(folder);
  writeNew(files, temporary, [encodeSegmentHeader(header), ...content(header)]);
  publish(files, temporary, segmentPath(folder, number));
  syncNames(files, folder);
  return header;
}

/** The last of the segments that one stands for. */
function lastNumberOf(files: FileSystem, folder: string, id: number): number {
  if (segmentGeneration(id) === 0) return id;
  try {
    return readHeaderOf(files, folder, id).rewritten!.lastNumber;
  } catch (error) {
    if (!isCorruption(error)) throw error;
    return segmentNumber(id);
  }
}

/** A file that was not there, on the disk, or none. */
export function writeNew(files: FileSystem, path: string, pieces: readonly Uint8Array[]): void {
  const file = files.open(path, "create");
  try {
    file.append(pieces);
    file.sync();
  } catch (error) {
    removeIfPossible(files, path);
    throw error;
  } finally {
    file.close();
  }
}

/** A name that was given counts, whatever failed behind it: a first name that is left does no harm. */
export function publish(files: FileSystem, from: string, to: string): void {
  try {
    files.publish(from, to);
  } catch (error) {
    const isOurs = (error as NodeJS.ErrnoException).code !== "EEXIST" && files.exists(to);
    removeIfPossible(files, from);
    if (!isOurs) throw error;
  }
}

/**
 * Puts the names of the segments on the disk.
 * @throws with the outcome unknown: a segment that is not there after a power cut takes with it what it holds
 */
export function syncNames(files: FileSystem, folder: string): void {
  try {
    files.syncFolder(folder);
  } catch (error) {
    throw syncFailure(error);
  }
}

/** What was written may be on the disk or not, and no later sync would tell. */
export function syncFailure(error: unknown): VarveError {
  return fromSystemError(error, "syncing the log", {
    outcome: "unknown",
    hint: "the disk failed to confirm the last writes; check it, then close all users of the store and open it again",
  });
}

export function removeIfPossible(files: FileSystem, path: string): void {
  try {
    files.remove(path);
  } catch {
    // The next opener after a reboot removes it.
  }
}

/** Removes what processes left that died while making a segment. Only while nobody makes one. */
export function removeUnfinishedSegments(files: FileSystem, folder: string): void {
  for (const name of files.list(folder)) {
    if (!UNFINISHED_NAME.test(name)) continue;
    try {
      files.remove(join(folder, name));
    } catch {
      // It is in nobody's way; a folder of that name is not ours.
    }
  }
}
