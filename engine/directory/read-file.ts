import type { BigIntStats } from "node:fs";
import { closeSync, constants, fstatSync, openSync, read, readSync } from "node:fs";
import { promisify } from "node:util";
import { WHOLE_BYTES_MAX } from "../chunk/chunks.ts";
import { throwIfAborted } from "../errors.ts";
import { cannotBeRead, isChanging } from "./refusal.ts";
import type { FoundFile } from "./scan.ts";
import { foundFile } from "./scan.ts";
import { isSameStamp } from "./stamps.ts";

/** Files of this size are read in pieces, smaller ones at once: those that are one blob. */
export const LARGE_BYTES_MIN = WHOLE_BYTES_MAX + 1;

/** Neither what a link leads to, nor waiting for the other end of a named pipe, whatever was put there since the scan. */
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
/** Who writes to a small file is mostly through at the second look. */
const READINGS_MAX = 4;
const PIECE_BYTES = 1024 * 1024;
const readAsync = promisify(read);

export interface SmallFile {
  /** What it was when it was read. */
  file: FoundFile;
  bytes: Buffer;
}

/** The bytes of a small file, never a mixture. @throws CONFLICT */
export function readSmall(full: string, found: FoundFile): SmallFile {
  const descriptor = opened(full, found.path);
  try {
    let expected = found;
    for (let reading = 1; reading <= READINGS_MAX && expected.size < LARGE_BYTES_MIN; reading++) {
      // One more than there should be, so that a file that grew is seen.
      const bytes = Buffer.allocUnsafe(expected.size + 1);
      const length = readSync(descriptor, bytes, 0, bytes.length, 0);
      const now = statusOf(descriptor, found.path);
      if (isSame(now, expected) && length === now.size)
        return { file: now, bytes: bytes.subarray(0, length) };
      expected = now;
    }
    throw isChanging(found.path);
  } catch (error) {
    throw cannotBeRead(found.path, error);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * A file that nobody looked at yet. Its bytes, if it is small and one look is enough to know that it did not change while it was
 * read; otherwise what it is, for who goes on with that.
 * @param room memory to read to, more than it may fill
 */
export function readUnseen(
  full: string,
  path: string,
  room: Buffer,
  isQuiet: (status: BigIntStats) => boolean,
): SmallFile | FoundFile {
  const descriptor = opened(full, path);
  try {
    const length = readSync(descriptor, room, 0, room.length, 0);
    const now = fstatSync(descriptor, { bigint: true });
    if (!now.isFile()) throw isChanging(path);
    const file = foundFile(path, now);
    if (length < room.length && length === file.size && isQuiet(now))
      return { file, bytes: room.subarray(0, length) };
    return file;
  } catch (error) {
    throw cannotBeRead(path, error);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * A file of any size, as it is when it is opened. The pieces, each in memory of its own, end with CONFLICT if it does not stay
 * so. They open it again, so that nothing stays open of pieces that nobody begins.
 */
export function openLarge(
  full: string,
  found: FoundFile,
  signal?: AbortSignal,
): { file: FoundFile; pieces: AsyncGenerator<Uint8Array> } {
  const descriptor = opened(full, found.path);
  try {
    const file = statusOf(descriptor, found.path);
    return { file, pieces: piecesOf(full, file, signal) };
  } finally {
    closeSync(descriptor);
  }
}

async function* piecesOf(full: string, file: FoundFile, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const descriptor = opened(full, file.path);
  try {
    let at = 0;
    for (;;) {
      throwIfAborted(signal);
      const piece = Buffer.allocUnsafeSlow(Math.max(1, Math.min(PIECE_BYTES, file.size + 1 - at)));
      const { bytesRead } = await readAsync(descriptor, piece, 0, piece.length, at);
      at += bytesRead;
      if (at > file.size) throw isChanging(file.path);
      if (bytesRead === 0) break;
      yield piece.subarray(0, bytesRead);
    }
    if (at < file.size || !isSame(statusOf(descriptor, file.path), file)) throw isChanging(file.path);
  } catch (error) {
    throw cannotBeRead(file.path, error);
  } finally {
    closeSync(descriptor);
  }
}

function opened(full: string, path: string): number {
  try {
    return openSync(full, FLAGS);
  } catch (error) {
    throw cannotBeRead(path, error);
  }
}

function statusOf(descriptor: number, path: string): FoundFile {
  const found = fstatSync(descriptor, { bigint: true });
  if (!found.isFile()) throw isChanging(path);
  return foundFile(path, found);
}

function isSame(a: FoundFile, b: FoundFile): boolean {
  return a.size === b.size && isSameStamp(a.stamp, b.stamp);
}
