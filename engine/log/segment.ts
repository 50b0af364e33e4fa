import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { VarveError } from "../errors.ts";
import type { FileSystem, LogFile } from "./file.ts";
import type { SegmentHeader } from "./format.ts";
import { decodeSegmentHeader, encodeSegmentHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES } from "./format.ts";

const SEGMENT_NAME = /^(\d{10})\.varve$/;
const UNFINISHED_NAME = /^new-[0-9a-f]{12}\.tmp$/;

/** A point in the log: the end of a batch, and what the next one must name. */
export interface LogPosition {
  segment: number;
  offset: number;
  sequence: number;
  /** Milliseconds since 1970 of the batch that ends here. */
  time: number;
  chain: bigint;
}

export const LOG_START: LogPosition = { segment: 0, offset: 0, sequence: 0, time: 0, chain: 0n };

/** What tells one store's segments from another's. */
export interface LogIdentity {
  storeId: string;
  application: string;
}

export function segmentFileName(number: number): string {
  return `${String(number).padStart(10, "0")}.varve`;
}

export function segmentPath(folder: string, number: number): string {
  return join(folder, segmentFileName(number));
}

/** Numbers of the segments in `folder`, ascending. Files with other names are somebody else's and left alone. */
export function listSegments(files: FileSystem, folder: string): number[] {
  const numbers: number[] = [];
  for (const name of files.list(folder)) {
    const match = SEGMENT_NAME.exec(name);
    if (match) numbers.push(Number(match[1]));
  }
  return numbers.sort((a, b) => a - b);
}

/**
 * Makes the segment that follows `end`, which must be durable already. The name appears only with a complete
 * header, so a segment that exists is one that counts: it cuts its predecessor at the place its header says.
 */
export function createSegment(
  files: FileSystem,
  folder: string,
  number: number,
  end: LogPosition,
  identity: LogIdentity,
  now: number,
): SegmentHeader {
  const header: SegmentHeader = {
    formatVersion: FORMAT_VERSION,
    number,
    generation: 0,
    previousNumber: end.segment,
    previousEnd: end.offset,
    previousChain: end.chain,
    previousSequence: end.sequence,
    salt: randomBytes(8).readBigUInt64LE(),
    createdAt: now,
    ...identity,
  };
  const temporary = join(folder, `new-${randomBytes(6).toString("hex")}.tmp`);
  const file = files.open(temporary, "create");
  try {
    file.append([encodeSegmentHeader(header)]);
    file.sync();
  } catch (error) {
    files.remove(temporary);
    throw error;
  } finally {
    file.close();
  }
  files.publish(temporary, segmentPath(folder, number));
  files.syncFolder(folder);
  return header;
}

/** Removes what processes left that died while making a segment. Only while nobody makes one. */
export function removeUnfinishedSegments(files: FileSystem, folder: string): void {
  for (const name of files.list(folder)) if (UNFINISHED_NAME.test(name)) files.remove(join(folder, name));
}

/** @throws CORRUPTION for a damaged or foreign file, NOT_SUPPORTED for a newer format. */
export function readSegmentHeader(
  file: LogFile,
  path: string,
  number: number,
  identity?: LogIdentity,
): SegmentHeader {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const header = decodeSegmentHeader(bytes.subarray(0, file.read(bytes, 0)), path);
  const foreign = header.number !== number || (identity !== undefined && header.storeId !== identity.storeId);
  if (foreign) {
    throw new VarveError("CORRUPTION", `${path} is a segment of another store or another place in the log`, {
      hint: "move the file out of the store's log folder, and put back the segment that belongs there",
      details: { segment: number, offset: 0, file: path },
    });
  }
  return header;
}
