import { closeSync, openSync, readdirSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fromSystemError } from "../../errors.ts";
import { entryEnd, keyAt } from "./run.ts";
import { ENTRY_HEAD_BYTES } from "./sort.ts";

/** Entries of one run in order of keys: the one at hand stands at `entry` in `buffer`. */
export interface Sorted {
  readonly run: number;
  readonly buffer: Buffer;
  /** Of the whole buffer. */
  readonly view: DataView;
  readonly entry: number;
  /** What all its keys begin with. */
  readonly prefix: Buffer;
  /** Goes to the next one; false at the end. Nothing is at hand before the first call. */
  next(): boolean;
  close(): void;
}

/** Entries of one run where they wait, as one thread can hand them to another. */
export type Waiting = WaitingInMemory | WaitingInFile;

export interface WaitingInMemory {
  run: number;
  /** What all keys begin with. */
  prefix: Uint8Array;
  bytes: Uint8Array;
  /** Offsets of entries in `bytes`, in order of keys. */
  entries: Uint32Array;
}

export interface WaitingInFile {
  run: number;
  prefix: Uint8Array;
  /** The entries, one behind the other. */
  path: string;
}

export function sortedFrom(waiting: Waiting): Sorted {
  return "path" in waiting ? new SortedInFile(waiting) : new SortedInMemory(waiting);
}

/** @param what stands in the name of the file */
export function waitingPath(folder: string, what: "rows" | "blobs", run: number): string {
  return join(folder, `${what}-${run}.tmp`);
}

/** Removes the files of all runs in a folder. */
export function removeWaiting(folder: string): void {
  for (const name of readdirSync(folder))
    if (/^(?:rows|blobs)-\d+\.tmp$/.test(name)) rmSync(join(folder, name), { force: true });
}

export function waitInMemory(run: number, bytes: Buffer, entries: Uint32Array): WaitingInMemory {
  return { run, prefix: prefixOf(bytes, entries), bytes, entries };
}

export function waitInFile(run: number, path: string, bytes: Buffer, entries: Uint32Array): WaitingInFile {
  let fd: number;
  try {
    fd = openSync(path, "wx", 0o600);
  } catch (error) {
    throw fromSystemError(error, `making ${path}`);
  }
  try {
    writeEntries(fd, bytes, entries);
  } catch (error) {
    rmSync(path, { force: true });
    throw fromSystemError(error, `writing ${path}`);
  } finally {
    closeSync(fd);
  }
  return { run, prefix: prefixOf(bytes, entries), path };
}

const FETCHED_AT_ONCE = 16;
/** What a processor fetches at once. */
const LINE_BYTES = 64;

export class SortedInMemory implements Sorted {
  readonly run: number;
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly prefix: Buffer;
  entry = 0;
  readonly #entries: Uint32Array;
  #index = 0;
  /** So many entries were fetched. */
  #fetched = 0;
  /** Of what was read of them: without that nothing would be. */
  protected sum = 0;

  constructor({ run, prefix, bytes, entries }: WaitingInMemory) {
    this.run = run;
    this.buffer = bufferOf(bytes);
    this.view = viewOf(this.buffer);
    this.prefix = bufferOf(prefix);
    this.#entries = entries;
  }

  next(): boolean {
    if (this.#index === this.#entries.length) return false;
    if (this.#index === this.#fetched) this.#fetchMore();
    this.entry = this.#entries[this.#index++]!;
    return true;
  }

  /** In order of keys each entry is a wait for memory. Read one right after another, some are waited for at once. */
  #fetchMore(): void {
    const { buffer } = this;
    const entries = this.#entries;
    const end = Math.min(this.#fetched + FETCHED_AT_ONCE, entries.length);
    let sum = 0;
    for (let i = this.#fetched; i < end; i++) {
      const entry = entries[i]!;
      sum += buffer[entry]! + buffer[Math.min(entry + LINE_BYTES, buffer.length - 1)]!;
    }
    this.sum = sum;
    this.#fetched = end;
  }

  close(): void {}
}

/** What comes from another thread is a Buffer no more. */
function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Above any entry: a key, a row of 255 references and a small payload. */
const READ_BYTES = 256 * 1024;
const WRITE_BYTES = 1024 * 1024;

/** Entries that wait in a file. */
export class SortedInFile implements Sorted {
  readonly run: number;
  readonly buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  readonly view = viewOf(this.buffer);
  readonly prefix: Buffer;
  entry = 0;
  readonly #path: string;
  readonly #fd: number;
  #next = 0;
  #filled = 0;
  /** Bytes of the file. */
  #read = 0;

  constructor({ run, prefix, path }: WaitingInFile) {
    this.run = run;
    this.prefix = bufferOf(prefix);
    this.#path = path;
    try {
      this.#fd = openSync(path, "r");
    } catch (error) {
      throw fromSystemError(error, `opening ${path}`);
    }
  }

  next(): boolean {
    if (!this.#isWhole() && !this.#fill()) return false;
    this.entry = this.#next;
    this.#next = entryEnd(this.buffer, this.entry);
    return true;
  }

  close(): void {
    closeSync(this.#fd);
  }

  #isWhole(): boolean {
    const left = this.#filled - this.#next;
    return left >= ENTRY_HEAD_BYTES && entryEnd(this.buffer, this.#next) <= this.#filled;
  }

  /** False at the end of the file. */
  #fill(): boolean {
    this.buffer.copyWithin(0, this.#next, this.#filled);
    this.#filled -= this.#next;
    this.#next = 0;
    try {
      for (;;) {
        const got = readSync(this.#fd, this.buffer, this.#filled, READ_BYTES - this.#filled, this.#read);
        this.#filled += got;
        this.#read += got;
        if (got === 0 || this.#isWhole()) return this.#filled > 0;
      }
    } catch (error) {
      throw fromSystemError(error, `reading ${this.#path}`);
    }
  }
}

function writeEntries(fd: number, buffer: Buffer, entries: Uint32Array): void {
  const out = Buffer.allocUnsafeSlow(WRITE_BYTES);
  let used = 0;
  for (const entry of entries) {
    const end = entryEnd(buffer, entry);
    if (used + end - entry > WRITE_BYTES) {
      writeAll(fd, out.subarray(0, used));
      used = 0;
    }
    used += buffer.copy(out, used, entry, end);
  }
  writeAll(fd, out.subarray(0, used));
}

function writeAll(fd: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(fd, bytes, done);
}

export const NOTHING = Buffer.alloc(0);

/** What the first and the last key begin with, and so all between them. */
function prefixOf(buffer: Buffer, entries: Uint32Array): Buffer {
  if (entries.length === 0) return NOTHING;
  return Buffer.from(sharedPart(keyAt(buffer, entries[0]!), keyAt(buffer, entries.at(-1)!)));
}

export function sharedPart(a: Buffer, b: Buffer): Buffer {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return a.subarray(0, length);
}
