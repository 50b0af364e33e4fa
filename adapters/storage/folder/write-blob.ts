import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open, rm } from "node:fs/promises";
import type { BlobFacts } from "../../../engine/main.ts";
import type { FreeRoom } from "./free-room.ts";

const BUFFER_BYTES = 1024 * 1024;

export interface WriteSettings {
  durable: boolean;
  room: FreeRoom;
  /** By which the file is told when it was put. */
  now(): Promise<number>;
}

/** The temporary file is there whole, and on the disk, once this resolves; else it is not there. */
async function writing<T>(
  path: string,
  durable: boolean,
  write: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, "wx");
  try {
    let result: T;
    try {
      result = await write(file);
      if (durable) await file.datasync();
    } finally {
      await file.close();
    }
    return result;
  } catch (error) {
    await rm(path, { force: true }).catch(() => {});
    throw error;
  }
}

export async function writeBytes(path: string, bytes: Uint8Array, settings: WriteSettings): Promise<void> {
  await settings.room.take(bytes.length);
  await writing(path, settings.durable, (file) => writeAll(file, bytes));
}

/** Reads, digests and writes at the same time. What is written is what was digested, whatever happens to the pieces meanwhile. */
export async function writePieces(
  path: string,
  pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  settings: WriteSettings,
): Promise<BlobFacts> {
  return writing(path, settings.durable, async (file) => {
    const blob = new BlobWriter(file, settings.room);
    try {
      for await (const piece of pieces) await blob.add(piece);
    } finally {
      // A file is not closed under a write.
      await blob.idle();
    }
    const facts = await blob.end();
    // The last write may be long ago: what counts is when it is put.
    const seconds = (await settings.now()) / 1000;
    await file.utimes(seconds, seconds);
    return facts;
  });
}

/** Two buffers: one is filled while the other one is written. */
class BlobWriter {
  readonly #file: FileHandle;
  readonly #room: FreeRoom;
  readonly #digest = createHash("sha256");
  #buffer: Buffer | undefined;
  #other: Buffer | undefined;
  #filled = 0;
  #size = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: FileHandle, room: FreeRoom) {
    this.#file = file;
    this.#room = room;
  }

  async add(piece: Uint8Array): Promise<void> {
    for (let at = 0; at < piece.length; ) {
      this.#buffer ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
      const part = piece.subarray(at, at + BUFFER_BYTES - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === BUFFER_BYTES) await this.#flush();
    }
  }

  async end(): Promise<BlobFacts> {
    await this.#flush();
    await this.#writing;
    return { digest: this.#digest.digest(), size: this.#size };
  }

  async idle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #flush(): Promise<void> {
    const buffer = this.#buffer;
    if (!buffer) return;
    const bytes = buffer.subarray(0, this.#filled);
    this.#digest.update(bytes);
    await this.#writing;
    await this.#room.take(bytes.length);
    this.#size += bytes.length;
    this.#filled = 0;
    this.#writing = writeAll(this.#file, bytes);
    // It is told when it is waited for.
    this.#writing.catch(() => {});
    this.#buffer = this.#other;
    this.#other = buffer;
  }
}

/** At the end of what was written so far. */
async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; )
    done += (await file.write(bytes, done, bytes.length - done)).bytesWritten;
}
