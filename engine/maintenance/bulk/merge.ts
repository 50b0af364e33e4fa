import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { fromSystemError } from "../../errors.ts";
import { entryEnd, keyAt } from "./run.ts";
import { compareKeys, ENTRY_HEAD_BYTES, keyLengthAt } from "./sort.ts";

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
}

export class SortedInMemory implements Sorted {
  readonly run: number;
  readonly buffer: Buffer;
  readonly view: DataView;
  readonly prefix: Buffer;
  entry = 0;
  readonly #entries: Uint32Array;
  #index = 0;

  constructor(run: number, buffer: Buffer, entries: Uint32Array) {
    this.run = run;
    this.buffer = buffer;
    this.view = viewOf(buffer);
    this.prefix = prefixOf(buffer, entries);
    this.#entries = entries;
  }

  next(): boolean {
    if (this.#index === this.#entries.length) return false;
    this.entry = this.#entries[this.#index++]!;
    return true;
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Buffer): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Above any entry: a key, a row of 255 references and a small payload. */
const READ_BYTES = 256 * 1024;
const WRITE_BYTES = 1024 * 1024;

/** Entries that wait in a file, which is removed in the end. */
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

  constructor(run: number, path: string, buffer: Buffer, entries: Uint32Array) {
    this.run = run;
    this.#path = path;
    this.prefix = prefixOf(buffer, entries);
    try {
      this.#fd = openSync(path, "wx+", 0o600);
    } catch (error) {
      throw fromSystemError(error, `making ${path}`);
    }
    try {
      writeEntries(this.#fd, buffer, entries);
    } catch (error) {
      this.close();
      throw fromSystemError(error, `writing ${path}`);
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
    rmSync(this.#path, { force: true });
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

interface Waiting {
  source: Sorted;
  /** Some bytes of the key as a number, which nearly always decides. */
  rank: number;
  /** The source by itself: most keys are in one run only. */
  alone: readonly Sorted[];
}

/** Gives the entries of several runs key by key. */
export class Merge {
  /** A heap: each comes before those at twice its index and one or two more. */
  readonly #heap: Waiting[] = [];
  /** What is not in the heap, since its entry was given out together with others of the same key. */
  #group: Waiting[] = [];
  /** The first of the heap was given out alone. */
  #isFirstTaken = false;
  readonly #depth: number;
  /** Alone, it needs no order. */
  readonly #only: Waiting | undefined;

  constructor(sources: readonly Sorted[]) {
    const shared = sources.map(({ prefix }) => prefix).reduce(sharedPart, sources[0]?.prefix ?? NOTHING);
    this.#depth = shared.length;
    const waiting = sources.map((source) => ({ source, rank: 0, alone: [source] }));
    if (waiting.length === 1) this.#only = waiting[0];
    else for (const each of waiting) if (this.#advance(each)) this.#push(each);
  }

  /** The entries of the next key, of the earliest run first, valid until the next call; undefined at the end. */
  take(): readonly Sorted[] | undefined {
    if (this.#only) return this.#only.source.next() ? this.#only.alone : undefined;
    this.#goOn();
    const heap = this.#heap;
    const first = heap[0];
    if (!first) return undefined;
    this.#isFirstTaken = !(heap[1] && isSameKey(first, heap[1])) && !(heap[2] && isSameKey(first, heap[2]));
    if (this.#isFirstTaken) return first.alone;
    do this.#group.push(this.#pop());
    while (heap[0] && isSameKey(first, heap[0]));
    return this.#group.map(({ source }) => source);
  }

  /** What was given out goes to its next entry. */
  #goOn(): void {
    if (this.#isFirstTaken) {
      const first = this.#heap[0]!;
      if (this.#advance(first)) this.#sink(first);
      else this.#pop();
    } else if (this.#group.length > 0) {
      for (const waiting of this.#group) if (this.#advance(waiting)) this.#push(waiting);
      this.#group = [];
    }
    this.#isFirstTaken = false;
  }

  #advance(waiting: Waiting): boolean {
    if (!waiting.source.next()) return false;
    waiting.rank = this.#rankOf(waiting.source);
    return true;
  }

  #push(waiting: Waiting): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(waiting);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(waiting, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = waiting;
  }

  #rankOf({ buffer, entry }: Sorted): number {
    const left = keyLengthAt(buffer, entry) - this.#depth;
    const at = entry + ENTRY_HEAD_BYTES + this.#depth;
    let rank = 0;
    for (let i = 0; i < RANK_BYTES; i++) rank = rank * 256 + (i < left ? buffer[at + i]! : 0);
    return rank;
  }

  #pop(): Waiting {
    const first = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  /** Puts `waiting` in the place of the first, and then where it belongs. */
  #sink(waiting: Waiting): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, waiting)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = waiting;
  }
}

const RANK_BYTES = 6;
const NOTHING = Buffer.alloc(0);

/** What the first and the last key begin with, and so all between them. */
function prefixOf(buffer: Buffer, entries: Uint32Array): Buffer {
  if (entries.length === 0) return NOTHING;
  return Buffer.from(sharedPart(keyAt(buffer, entries[0]!), keyAt(buffer, entries.at(-1)!)));
}

function sharedPart(a: Buffer, b: Buffer): Buffer {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length++;
  return a.subarray(0, length);
}

function isSameKey(a: Waiting, b: Waiting): boolean {
  return (
    a.rank === b.rank && compareKeys(a.source.buffer, a.source.entry, b.source.buffer, b.source.entry) === 0
  );
}

/** By key, then by run. */
function isBefore(a: Waiting, b: Waiting): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  const order = compareKeys(a.source.buffer, a.source.entry, b.source.buffer, b.source.entry);
  return order === 0 ? a.source.run < b.source.run : order < 0;
}
