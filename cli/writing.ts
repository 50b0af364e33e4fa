/** Where `get -o PATH` writes to. */

import { randomBytes } from "node:crypto";
import { createWriteStream } from "node:fs";
import { realpath, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
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

type Chunks = Iterable<string> | AsyncIterable<Uint8Array>;

/** A file gets all of it or stays as it was; into a device or pipe it is written as it comes. */
export async function writeChunks({ path, way }: Target, chunks: Chunks, signal: AbortSignal): Promise<void> {
  // Not its name and more, which may be too long.
  const beside = join(dirname(path), `.varve-${randomBytes(6).toString("hex")}.tmp`);
  const target = way === "stream" ? path : beside;
  const how = way === "stream" ? {} : { flags: "wx", flush: true };
  try {
    await pipeline(Readable.from(chunks), createWriteStream(target, how), { signal });
    if (way === "replace") await rename(target, path);
  } catch (error) {
    if (way === "replace") await rm(target, { force: true }).catch(() => {});
    // What could not be read is told as the store tells it.
    throw (error as Error).name === "VarveError" ? error : systemError(error, `writing ${path}`);
  }
}
