/** What a command reads from files and from stdin. */

import { readFile } from "node:fs/promises";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import type { Io } from "./context.ts";
import { systemError, usageError } from "./errors.ts";

/** All of stdin. Ctrl-C ends the wait. */
export async function readStdin({ stdin, signal }: Io): Promise<Buffer> {
  try {
    return await buffer(addAbortSignal(signal, stdin));
  } catch (error) {
    throw systemError(error, "reading stdin");
  }
}

/** The text of a file, or of stdin for `-`. Bytes that are no UTF-8 are a usage error, not silently replaced. */
export async function readText(path: string, io: Io): Promise<string> {
  const bytes = path === "-" ? await readStdin(io) : await readBytes(path);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usageError(
      `${path === "-" ? "stdin" : path} is not UTF-8 text`,
      "bytes are saved as a file: `varve save <name> <file>`",
    );
  }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw systemError(error, `reading ${path}`);
  }
}
