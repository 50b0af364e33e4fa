import { constants } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { open } from "node:fs/promises";
import { fromSystemError, VarveError } from "../errors.ts";
import type { Pull } from "./pull.ts";

/** One read: large enough that its way through the thread pool costs little. */
export const FILE_PIECE_BYTES = 1024 * 1024;
/** Of files that say to be shorter, too. */
const FILE_PIECE_BYTES_MIN = 64 * 1024;
/** A named pipe would else be waited for until somebody writes to it. */
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * A file from its first byte to where a read finds its end. A file that grows or shrinks meanwhile gives what was read,
 * whatever its size was in the beginning: what the size says of it may be wrong from the start (`/proc`).
 */
export class FilePull implements Pull {
  readonly name: string;
  readonly mayHang = false;
  readonly #path: string | undefined;
  #handle: FileHandle | undefined;
  /** Read to by turns: while a piece is used the next one is read. */
  #buffers: [Buffer, Buffer] | undefined;
  #at = 0;
  /** The read behind the piece that was given last. */
  #ahead: Promise<Uint8Array> | undefined;
  /** The call that is on its way. */
  #reading: Promise<unknown> = Promise.resolve();

  /** @param file its path, or a handle, which stays open and whose position does not matter */
  constructor(file: string | FileHandle) {
    this.#path = typeof file === "string" ? file : undefined;
    this.#handle = typeof file === "string" ? undefined : file;
    this.name = this.#path ?? "the file";
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const result = this.#next();
    this.#reading = result;
    return result;
  }

  async close(): Promise<void> {
    // A descriptor must not be closed under a read: for one that is ahead, closing itself waits.
    await this.#reading.catch(() => {});
    if (this.#path === undefined) return;
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }

  async #next(): Promise<IteratorResult<Uint8Array>> {
    try {
      this.#handle ??= await open(this.#path!, FLAGS);
      this.#buffers ??= buffersOf(await this.#pieceBytes(this.#handle));
      const piece = await (this.#ahead ?? this.#read(this.#handle, this.#buffers));
      this.#ahead = undefined;
      if (piece.length > 0) {
        this.#ahead = this.#read(this.#handle, this.#buffers);
        // It is told with the next piece, if anybody asks for that.
        this.#ahead.catch(() => {});
        return { done: false, value: piece };
      }
    } catch (error) {
      throw fileError(error, this.name);
    }
    this.#reading = Promise.resolve();
    await this.close();
    return { done: true, value: undefined };
  }

  async #read(handle: FileHandle, buffers: [Buffer, Buffer]): Promise<Uint8Array> {
    const buffer = buffers[0];
    buffers.reverse();
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, this.#at);
    this.#at += bytesRead;
    return buffer.subarray(0, bytesRead);
  }

  async #pieceBytes(handle: FileHandle): Promise<number> {
    const found = await handle.stat();
    if (found.isFile()) return Math.min(Math.max(found.size, FILE_PIECE_BYTES_MIN), FILE_PIECE_BYTES);
    throw new VarveError(
      "INVALID_ARGUMENT",
      `${this.name} is ${found.isDirectory() ? "a directory" : "a pipe, socket or device"}`,
      { hint: "give the path of a file; of what is none, give a stream", details: { path: this.name } },
    );
  }
}

const buffersOf = (bytes: number): [Buffer, Buffer] => [
  Buffer.allocUnsafeSlow(bytes),
  Buffer.allocUnsafeSlow(bytes),
];

/** Where the file is another one than those of the store. */
const HINTS = new Map<unknown, string>([
  ["EACCES", "let this user read the file"],
  ["EPERM", "let this user read the file"],
  ["ELOOP", "the path leads through too many symbolic links; give that of the file itself"],
  ["EIO", "the disk failed; check it"],
]);

function fileError(error: unknown, path: string): VarveError {
  const { code } = error as NodeJS.ErrnoException;
  const more = { cause: error, details: { path } };
  if (code === "ENOENT" || code === "ENOTDIR" || code === "ERR_INVALID_ARG_VALUE") {
    return new VarveError("INVALID_ARGUMENT", `there is no file ${path}`, {
      hint: "give the path of a file",
      ...more,
    });
  }
  // A socket can't be opened at all.
  if (code === "ENXIO" || code === "EISDIR") {
    return new VarveError("INVALID_ARGUMENT", `${path} is no file that can be read`, {
      hint: "give the path of a file; of what is none, give a stream",
      ...more,
    });
  }
  const hint = HINTS.get(code);
  return fromSystemError(error, `reading ${path}`, { ...(hint && { hint }), ...more });
}
