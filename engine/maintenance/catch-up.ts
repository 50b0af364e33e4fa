import { isCorruption } from "../errors.ts";
import type { Catalog } from "../index/catalog.ts";
import type { SharedState } from "../index/shared-state.ts";
import type { FileSystem } from "../log/file.ts";
import type { LogReader } from "../log/reader.ts";
import type { LogPosition } from "../log/segment.ts";
import { listSegments, segmentGeneration, segmentNumber, segmentPath, syncNames } from "../log/segment.ts";
import type { LogWriter } from "../log/writer.ts";
import { replay } from "./replay.ts";

export interface LogParts {
  files: FileSystem;
  folder: string;
  reader: LogReader;
  writer: LogWriter;
  catalog: Catalog;
}

/**
 * Under the lock, before anything is appended: opens the segment at the tail and deals with what stands behind it.
 * Complete batches that chain on were written by a process that died before it could move the tail; they are adopted.
 * Anything else is left where it is, and a new segment begins whose header says where the old one ended.
 * @returns where the next batch goes
 */
export function catchUp(parts: LogParts, state: SharedState, now: number): LogPosition {
  const { writer, catalog } = parts;
  const { tail } = state;
  if (!opened(writer, tail) || writer.size() < tail.offset || state.cutAtTail) return writer.roll(tail, now);
  if (writer.size() === tail.offset && !writer.hasSuccessor()) {
    bringUp(parts, catalog.applied() ?? tail, state);
    return tail;
  }
  return adopt(parts, state, now);
}

/**
 * As `catchUp` where the log goes on, for who opens the store and writes nothing yet: what is whole counts from now on, all
 * else is left to who writes next.
 * @returns where the log ends
 */
export function adoptWhole(parts: LogParts, state: SharedState): LogPosition {
  return opened(parts.writer, state.tail) ? replayBehind(parts, state).position : state.tail;
}

/** Whether the log has more than is known of it. */
export function goesOn({ files, folder }: Pick<LogParts, "files" | "folder">, tail: LogPosition): boolean {
  const bytes = files.sizeOf(segmentPath(folder, tail.segment));
  const next = segmentPath(folder, segmentNumber(tail.segment) + 1);
  return bytes > tail.offset || (bytes === tail.offset && files.exists(next));
}

/** The index may be behind: its own last transaction can be lost with the process that made it. */
function bringUp(parts: LogParts, applied: LogPosition, state: SharedState): void {
  if (applied.sequence < state.tail.sequence) replayFrom(parts, applied, state);
}

function adopt(parts: LogParts, state: SharedState, now: number): LogPosition {
  const { position, torn } = replayBehind(parts, state);
  if (torn || !opened(parts.writer, position)) return parts.writer.roll(position, now);
  return position;
}

function replayBehind(parts: LogParts, state: SharedState) {
  const { files, folder, catalog } = parts;
  const replayed = replayFrom(parts, catalog.applied() ?? state.tail, state);
  // Who made the next segment may have died before its name was on the disk.
  if (replayed.position.segment !== state.tail.segment) syncNames(files, folder);
  return replayed;
}

function replayFrom(parts: LogParts, from: LogPosition, { durableSequence, identity }: SharedState) {
  const ids = listSegments(parts.files, parts.folder, identity);
  return replay(parts.reader, ids, parts.catalog, from, { durableSequence });
}

/** Whether the segment at the tail can be appended to; a missing, damaged or rewritten one cannot. */
function opened(writer: LogWriter, tail: LogPosition): boolean {
  if (segmentGeneration(tail.segment) > 0) return false;
  try {
    writer.open(tail);
    return true;
  } catch (error) {
    if (isCorruption(error)) return false;
    throw error;
  }
}
