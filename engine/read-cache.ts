import { DIGEST_BYTES, readUint32, writeUint32 } from "./log/format.ts";

/** Of what entries are found by. */
const KEY_BYTES = DIGEST_BYTES;
/** As long as there is no more in it. */
const FIRST_BYTES = 1024 * 1024;
/** A longer one would drive too many others out. */
const ENTRY_PART_MAX = 1 / 16;
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
  readonly #bytesMax: number;
  #memory = Buffer.alloc(0);
  /** Where entries begin, as positions that only grow; 0 for none. */
  #slots = new Float64Array();
  /** Where the next entry begins. */
  #end = 1;

  /** @param bytesMax of memory; 0 for no cache */
  constructor(bytesMax: number) {
    this.#bytesMax = Math.floor(bytesMax);
  }

  /** The position of an entry, which is its for ever; 0 if there is none. */
  find(key: Uint8Array): number {
    const memory = this.#memory;
    if (memory.length === 0) return 0;
    const first = this.#slotOf(key);
    for (let slot = first; slot < first + WAYS; slot++) {
      const position = this.#slots[slot]!;
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

  /** The same of bytes that are not there yet, and are from now on. */
  useNew<T>(key: Uint8Array, bytes: Buffer | Promise<Buffer>, use: Use<T>): T | Promise<T> {
    // Long ones, which are not kept: short ones are read at once.
    if (bytes instanceof Promise) return bytes.then((read) => use(read, 0, read.length));
    const position = this.add(key, bytes);
    return position > 0 ? this.use(position, use) : use(bytes, 0, bytes.length);
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
    this.#slots[this.#oldestSlot(key)] = position;
    this.#end += length;
    return position;
  }

  /** The first of those that an entry may be in. */
  #slotOf(key: Uint8Array): number {
    return readUint32(key, 0) & (this.#slots.length - WAYS);
  }

  #oldestSlot(key: Uint8Array): number {
    const slots = this.#slots;
    const first = this.#slotOf(key);
    let oldest = first;
    for (let slot = first + 1; slot < first + WAYS; slot++) if (slots[slot]! < slots[oldest]!) oldest = slot;
    return oldest;
  }

  /** Before anything is overwritten: what is there stays where it is. */
  #grow(): void {
    const before = this.#memory;
    const isFirst = before.length === 0;
    this.#memory = Buffer.from(
      new ArrayBuffer(isFirst ? Math.min(FIRST_BYTES, this.#bytesMax) : this.#bytesMax),
    );
    this.#memory.set(before);
    this.#slots = new Float64Array(2 ** Math.ceil(Math.log2(this.#memory.length / BYTES_PER_SLOT + WAYS)));
    for (let position = 1; !isFirst && position < this.#end; ) {
      this.#slots[this.#oldestSlot(before.subarray(position))] = position;
      position += HEAD_BYTES + readUint32(before, position + KEY_BYTES);
    }
  }
}

function isAt(memory: Uint8Array, start: number, key: Uint8Array): boolean {
  for (let i = 0; i < KEY_BYTES; i++) if (memory[start + i] !== key[i]) return false;
  return true;
}
