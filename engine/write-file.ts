import { randomBytes } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open, realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { checkPath, invalid } from "./argument.ts";
import { fromSystemError } from "./errors.ts";

/**
 * A temporary file beside it, synced, then renamed over it. A link stays one: what it leads to is written.
 * @param pieces each may be gone when the next is asked for
 */
export async function writeFileAtomically(path: string, pieces: AsyncGenerator<Uint8Array>): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await fileAt(path);
    // Not its name and more, which may be too long.
    temporary = join(dirname(target), `.varve-${randomBytes(6).toString("hex")}.tmp`);
    const file = await open(temporary, "wx");
    try {
      for await (const piece of pieces) await writeAll(file, piece);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
  } catch (error) {
    if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => {});
    throw fromSystemError(error, `writing ${path}`);
  } finally {
    await pieces.return(undefined);
  }
}

/** At once, where the system takes it so. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}

/** A device that is replaced by a file is lost to the whole machine. @throws INVALID_ARGUMENT */
async function fileAt(path: string): Promise<string> {
  checkPath(path, "a file", 'for example artifact.writeTo("table.csv")');
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return path;
  if (found.isFile()) return realpath(path);
  throw invalid(
    `${path} is ${found.isDirectory() ? "a folder" : "a pipe, socket or device"}`,
    "give the path of a file, or write what `stream()` gives",
  );
}
