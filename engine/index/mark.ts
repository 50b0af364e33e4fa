import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checksum, runningChecksum } from "../log/checksum.ts";
import type { LogPosition } from "../log/segment.ts";
import { bornAt, currentBootId } from "./boot.ts";

/**
 * Whether an index may be opened. It is never synced while in use: after a kill the operating system still has all of it,
 * after a power cut it may hold anything, and a damaged LMDB file can end the process that opens it.
 */
export interface TrustMark {
  bootId: string;
  device: number;
  inode: number;
  /** When the file was made, since an inode may be given to the next file: a home put back from a copy can get it. */
  born: string;
  /** Set when the index is on the disk as it is: how far of the log is in it. */
  clean?: CleanPosition;
  /** Of a clean index that is small enough to be read at each opening: XXH64 of its file, in hex. */
  checksum?: string;
}

interface CleanPosition {
  segment: number;
  offset: number;
  sequence: number;
  time: number;
  chain: string;
  /** Which files stood for the log up to there, where some were rewritten: the rows name places in these. */
  rewritten?: string;
  /** Of the fields above: it is believed when it says that more was on the disk than the log has. */
  seal: string;
}

/** Reading so much takes some milliseconds. */
const CHECKED_BYTES_MAX = 32 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;

const MARK_FILE = "trust.json";

/** From now on nobody opens the index in `folder`. */
export function removeMark(folder: string): void {
  rmSync(join(folder, MARK_FILE), { force: true });
}

/**
 * Whether the index in `folder` holds what was written to it, and what holds for the log of today: `clean` when it is on
 * the disk as it was closed, `boot` when this boot's operating system has it. Undefined also where that can't be told.
 * @param rewritten tells of the files that stand for the log up to a segment
 */
export function trustIn(
  folder: string,
  rewritten: (segment: number) => string = () => "",
): "clean" | "boot" | undefined {
  try {
    return trustByMark(folder, rewritten);
  } catch {
    return undefined;
  }
}

function trustByMark(folder: string, rewritten: (segment: number) => string): "clean" | "boot" | undefined {
  const mark = readMark(folder);
  const data = statSync(join(folder, "data.mdb"), { throwIfNoEntry: false });
  if (!mark || !data || data.size === 0) return undefined;
  if (mark.device !== data.dev || mark.inode !== data.ino) return undefined;
  if (mark.born !== bornAt(join(folder, "data.mdb"))) return undefined;
  if (mark.clean && cleanPosition(folder) === undefined) return undefined;
  if (!mark.clean) return mark.bootId === currentBootId() ? "boot" : undefined;
  if ((mark.clean.rewritten ?? "") !== rewritten(mark.clean.segment)) return undefined;
  return mark.checksum === undefined || mark.checksum === fileChecksum(folder) ? "clean" : undefined;
}

/**
 * How far of the log was in an index that was put on the disk, and so was the log: to be asked even where the index
 * itself is not trusted.
 */
export function cleanPosition(folder: string): { sequence: number } | undefined {
  const clean = readMark(folder)?.clean;
  return clean && clean.seal === sealOf(clean) ? clean : undefined;
}

function sealOf(position: Omit<CleanPosition, "seal">): string {
  const { segment, offset, sequence, time, chain, rewritten } = position;
  const bytes = Buffer.from([segment, offset, sequence, time, chain, rewritten ?? []].flat().join(" "));
  return checksum(bytes, 0n).toString(16);
}

/** Puts the file of an index that nobody writes to on the disk, on another thread. */
export async function syncIndex(folder: string): Promise<void> {
  const file = await open(join(folder, "data.mdb"), constants.O_RDONLY);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Undefined for a large file. */
function fileChecksum(folder: string): string | undefined {
  const path = join(folder, "data.mdb");
  if (statSync(path).size > CHECKED_BYTES_MAX) return undefined;
  const running = runningChecksum(0n);
  // In pieces: to read it as a whole takes twice as long, most of it for new memory.
  const piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  const fd = openSync(path, constants.O_RDONLY);
  try {
    for (let got = readSync(fd, piece); got > 0; got = readSync(fd, piece))
      running.update(piece.subarray(0, got));
  } finally {
    closeSync(fd);
  }
  return running.digest().toString(16);
}

/** Says that from now on only this boot's operating system knows the index. */
export function markUnclean(folder: string): void {
  writeMark(folder);
}

/**
 * Puts an index on the disk and says so. Only while nobody can write to it.
 * @param rewritten which files stand for the log up to `position`: see `trustIn`
 */
export function markClean(folder: string, position: LogPosition, rewritten: string): void {
  syncPath(join(folder, "data.mdb"));
  writeMark(folder, position, rewritten);
}

function readMark(folder: string): TrustMark | undefined {
  try {
    const mark = JSON.parse(readFileSync(join(folder, MARK_FILE), "utf8")) as TrustMark;
    return typeof mark === "object" && mark !== null ? mark : undefined;
  } catch {
    // No mark, or one that was cut off: the index is not trusted, and made anew.
    return undefined;
  }
}

function writeMark(folder: string, clean?: LogPosition, rewritten?: string): void {
  const path = join(folder, "data.mdb");
  const { dev, ino } = statSync(path);
  const mark: TrustMark = { bootId: currentBootId(), device: dev, inode: ino, born: bornAt(path) };
  if (clean) {
    const position = { ...clean, chain: clean.chain.toString(), ...(rewritten && { rewritten }) };
    mark.clean = { ...position, seal: sealOf(position) };
    const sum = fileChecksum(folder);
    if (sum !== undefined) mark.checksum = sum;
  }
  writeFileDurably(join(folder, MARK_FILE), `${JSON.stringify(mark)}\n`);
}

/** Replaces a small file as a whole: after a power cut it is the old one or the new one. */
export function writeFileDurably(path: string, text: string): void {
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  const fd = openSync(temporary, "wx", 0o600);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncPath(dirname(path));
}

function syncPath(path: string): void {
  const fd = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
