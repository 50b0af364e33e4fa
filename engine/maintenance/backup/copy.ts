import { statSync } from "node:fs";
import { VarveError } from "../../errors.ts";
import type { FileSystem } from "../../log/file.ts";
import type { Pace } from "../pace.ts";

const PIECE_BYTES = 1024 * 1024;
/** Where saves go to the same disk, their syncs wait for what is not on it yet. */
const UNSYNCED_BYTES_MAX = 16 * 1024 * 1024;
/** What a file system says that has no second names for that file, or none at all. */
const NO_LINKS = new Set(["EXDEV", "EPERM", "EMLINK", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"]);

/** False where the file system can't do it. */
export function linked(files: FileSystem, from: string, to: string): boolean {
  try {
    files.link(from, to);
    return true;
  } catch (error) {
    if (NO_LINKS.has((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** Whether two paths are names of one file. */
export function areOneFile(one: string, other: string): boolean {
  const [a, b] = [one, other].map((path) => statSync(path, { bigint: true, throwIfNoEntry: false }));
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

/** Whether a file that was there has gone, rather than something else being wrong. */
export function hasGone(files: FileSystem, path: string, error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT" && !files.exists(path);
}

/**
 * Copies the first `bytes` of a file to a new one, on the disk, a piece at a time.
 * @param told how much was copied since the last time
 */
export async function copyFile(
  files: FileSystem,
  from: string,
  to: string,
  bytes: number,
  pace: Pace,
  told: (bytes: number) => void,
): Promise<void> {
  const source = files.open(from, "read");
  try {
    const target = files.open(to, "create");
    try {
      const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, bytes));
      for (let at = 0; at < bytes; at += piece.length) {
        const wanted = piece.subarray(0, Math.min(piece.length, bytes - at));
        if ((await source.readAsync([wanted], at)) < wanted.length) throw short(from, bytes);
        target.append([wanted]);
        told(wanted.length);
        if ((at + wanted.length) % UNSYNCED_BYTES_MAX === 0) await target.syncAsync();
        if (pace.isDue()) await pace.turn();
      }
      await target.syncAsync();
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

function short(path: string, bytes: number): VarveError {
  return new VarveError("CORRUPTION", `${path} has less than the ${bytes} bytes that were in it`, {
    hint: "`varve verify` tells what is damaged, and `varve repair --from` a backup brings it back",
  });
}
