/** Where `get -o PATH` writes to. */

import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { systemError, usageError } from "./errors.ts";

/** `replace`: a new or regular file, replaced in one step. `stream`: a device or pipe, which must not be replaced by a file. */
export interface Target {
  readonly path: string;
  readonly way: "replace" | "stream";
}

/** Follows links, so that a link to a file stays a link. */
export async function targetAt(path: string): Promise<Target> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { path, way: "replace" };
  if (found.isDirectory()) throw usageError(`${path} is a folder`, "name the file to write in it");
  return { path: await realpath(path), way: found.isFile() ? "replace" : "stream" };
}

/** Writes a text whole or not at all. */
export async function writeText({ path, way }: Target, text: string, signal: AbortSignal): Promise<void> {
  if (way === "stream") return writeStream({ path, way }, [text], signal);
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx", flush: true, signal });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw systemError(error, `writing ${path}`);
  }
}

export async function writeStream(
  { path }: Target,
  chunks: Iterable<string> | AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await pipeline(Readable.from(chunks), createWriteStream(path), { signal });
  } catch (error) {
    throw systemError(error, `writing ${path}`);
  }
}
