import { DIGEST_BYTES, readUint32, writeUint32 } from "./log/format.ts";

/** Of what entries are found by. */
const KEY_BYTES = DIGEST_BYTES;
/** As long as there is no more in it. */
const FIRST_BYTES = 1024 * 1024;
/** A longer one would drive too many others out. */
const ENTRY_PART_MAX = 1 / 16;
/** For the slots that an entry may be in, so that they do not go over a line of the processor's cache. */
const MARKS = 8;
/** An entry mostly takes more: else some find no slot, and are read again. */
const BYTES_PER_SLOT = 256;
/** An entry is in one of so many slots. */
const WAYS = 4;
/** What stands before the bytes of an entry: its key, their length. */
const HEAD_BYTES = KEY_BYTES + 4;

/** What is done with the bytes from `start` to `end` of `memory`. */
export type Use<T> = (memory: Buffer, start: number, end: number) => T;

/**
 * What small records have that were read and checked lately, by the digest of a blob or what else tells a record from all
 * others, 32 bytes: it is never stale. One block of memory is written round and round, so that nothing is made for an
 * entry, and the oldest goes for the newest.
 */
export class ReadCache {
  #bytesMax: number;
  #memory = Buffer.alloc(0);
  /** Where entries begin, as positions that only grow; 0 for none. */
  #slots = new Float64Array();
  /**
   * Of each slot two bytes of the key: entries lie far apart in memory, and most of them are another one. Behind those of
   * the slots that an entry may be in lie the two bytes of what was read last, and not kept.
   */
  #marks = new Uint16Array();
  /** Where the next entry begins. */
  #end = 1;

  /** @param bytesMax of memory; 0 for no cache */
  constructor(bytesMax: number) {
    this.#bytesMax = Math.floor(bytesMax);
  }

  /** What is in it is forgotten, unless it stays as it is. */
  resize(bytesMax: number): void {
    const size = Math.floor(bytesMax);
    if (size === this.#bytesMax) return;
    const isUsed = this.#end > 1;
    if (isUsed) this.#allocate(size);
    // No entry from before lies within what is kept behind this.
    if (isUsed) this.#end += size + 1;
    this.#bytesMax = size;
  }

  /** The position of an entry, which is its for ever; 0 if there is none. */
  find(key: Uint8Array): number {
    const memory = this.#memory;
    if (memory.length === 0) return 0;
    const first = this.#slotOf(key);
    const marks = marksOf(first);
    const mark = markOf(key);
    for (let way = 0; way < WAYS; way++) {
      if (this.#marks[marks + way] !== mark) continue;
      const position = this.#slots[first + way]!;
      if (this.isKept(position) && isAt(memory, position % memory.length, key)) return position;
    }
    return 0;
  }

  /** Whether the entry at a position is still there. */
  isKept(position: number): boolean {
    return position > 0 && position + this.#memory.length >= this.#end;
  }

  /** What `use` makes of an entry that is kept; it must keep no view of it. */
  use<T>(position: number, use: Use<T>): T {
    const memory = this.#memory;
    const start = (position % memory.length) + HEAD_BYTES;
    return use(memory, start, start + readUint32(memory, start - 4));
  }

  /** The same of bytes that are not there yet. They are from now on, or from the next time on. */
  useNew<T>(key: Uint8Array, bytes: Buffer | Promise<Buffer>, use: Use<T>): T | Promise<T> {
    // Long ones, which are not kept: short ones are read at once.
    if (bytes instanceof Promise) return bytes.then((read) => use(read, 0, read.length));
    return this.useNewIn(key, bytes, 0, bytes.length, use);
  }

  /** As `useNew`, of the bytes from `start` to `end` of `memory`. */
  useNewIn<T>(key: Uint8Array, memory: Buffer, start: number, end: number, use: Use<T>): T {
    const position = this.#isWorthIt(key) ? this.add(key, memory.subarray(start, end)) : 0;
    return position > 0 ? this.use(position, use) : use(memory, start, end);
  }

  /**
   * As long as it drives nothing out, anything is. Later what is read for the second time: of many values most are not
   * read again, and to put one there takes as long as decoding it.
   */
  #isWorthIt(key: Uint8Array): boolean {
    if (this.#end <= this.#bytesMax) return true;
    const read = marksOf(this.#slotOf(key)) + WAYS;
    const mark = markOf(key);
    if (this.#marks[read] === mark) return true;
    this.#marks[read] = mark;
    return false;
  }

  /** Gives the position of the entry; 0 for bytes that are too many. */
  add(key: Uint8Array, bytes: Uint8Array): number {
    const length = HEAD_BYTES + bytes.length;
    if (length > this.#bytesMax * ENTRY_PART_MAX) return 0;
    if (this.#end + length > this.#memory.length && this.#memory.length < this.#bytesMax) this.#grow();
    const memory = this.#memory;
    const left = memory.length - (this.#end % memory.length);
    // None goes over the end.
    if (length > left) this.#end += left;
    const start = this.#end % memory.length;
    memory.set(key, start);
    writeUint32(memory, bytes.length, start + KEY_BYTES);
    memory.set(bytes, start + HEAD_BYTES);
    const position = this.#end;
    this.#enter(key, position);
    this.#end += length;
    return position;
  }

  /** The first of those that an entry may be in. */
  #slotOf(key: Uint8Array): number {
    return readUint32(key, 0) & (this.#slots.length - WAYS);
  }

  /** In the place of the oldest. */
  #enter(key: Uint8Array, position: number): void {
    const slots = this.#slots;
    const first = this.#slotOf(key);
    let oldest = 0;
    for (let way = 1; way < WAYS; way++) if (slots[first + way]! < slots[first + oldest]!) oldest = way;
    slots[first + oldest] = position;
    this.#marks[marksOf(first) + oldest] = markOf(key);
  }

  /** Before anything is overwritten: what is there stays where it is. */
  #grow(): void {
    const before = this.#memory;
    const isFirst = before.length === 0;
    this.#allocate(isFirst ? Math.min(FIRST_BYTES, this.#bytesMax) : this.#bytesMax);
    this.#memory.set(before);
    for (let position = 1; !isFirst && position < this.#end; ) {
      this.#enter(before.subarray(position), position);
      position += HEAD_BYTES + readUint32(before, position + KEY_BYTES);
    }
  }

  #allocate(bytes: number): void {
    this.#memory = Buffer.from(new ArrayBuffer(bytes));
    this.#slots = new Float64Array(2 ** Math.ceil(Math.log2(bytes / BYTES_PER_SLOT + WAYS)));
    this.#marks = new Uint16Array(marksOf(this.#slots.length));
  }
}

/** Where the marks begin of the slots from `first` on. */
const marksOf = (first: number) => (first / WAYS) * MARKS;
/** The first bytes of a key say in which slots it may be. */
const markOf = (key: Uint8Array) => key[4]! | (key[5]! << 8);

function isAt(memory: Uint8Array, start: number, key: Uint8Array): boolean {
  for (let i = 0; i < KEY_BYTES; i++) if (memory[start + i] !== key[i]) return false;
  return true;
}
