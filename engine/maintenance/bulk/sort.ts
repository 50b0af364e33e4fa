import type { Pairs } from "../../radix-sort.ts";
import { pairs, sortPairs } from "../../radix-sort.ts";

/**
 * Entries are keys with their values in a buffer, one behind the other: length of the key (u16), flags (u16), length of
 * the value (u32), key, value. Here they are sorted by key; those with the same key stay in the order they were in.
 */

export const ENTRY_HEAD_BYTES = 8;
/** A chunk holds so many bytes of a key, and how many there still are, up to one more. */
const CHUNK_BYTES = 3;
/** More entries are put into buckets, which takes less time than to compare. */
const MANY = 4096;
/** A number that is a chunk and, below it, a place in the list: to sort these is to sort few entries. */
const CHUNK_UNIT = 2 * MANY;

function chunkIn(number: number): number {
  return Math.floor(number / CHUNK_UNIT);
}
/** So many entries are put into their places one by one. */
const FEW = 12;

export function keyLengthAt(buffer: Buffer, entry: number): number {
  return buffer[entry]! + buffer[entry + 1]! * 256;
}

/** Below 0, 0 or above, as the key of one entry is before, the same as, or behind that of another. */
export function compareKeys(a: Buffer, entryA: number, b: Buffer, entryB: number, depth = 0): number {
  const from = ENTRY_HEAD_BYTES + depth;
  const endA = entryA + ENTRY_HEAD_BYTES + keyLengthAt(a, entryA);
  const endB = entryB + ENTRY_HEAD_BYTES + keyLengthAt(b, entryB);
  const shared = Math.min(endA - entryA, endB - entryB);
  // A call of Buffer's own method costs as much as comparing some hundred bytes.
  for (let i = from; i < shared; i++) {
    const order = a[entryA + i]! - b[entryB + i]!;
    if (order !== 0) return order;
  }
  return endA - entryA - (endB - entryB);
}

/** Sorts `entries`, the offsets of entries in `buffer`, in place. True where no key is there twice, as far as that is known. */
export function sortEntries(buffer: Buffer, entries: Uint32Array): boolean {
  const { depth, order } = orderOf(buffer, entries);
  if (order === "none") new EntrySort(buffer, entries).sort(0, entries.length, depth);
  return order === "distinct";
}

/** Where keys are in order, as often in the log, they are not sorted: "distinct" where each is there once. */
type Order = "distinct" | "sorted" | "none";

/** Also in how many bytes all keys are the same, which counts where they are to be sorted. */
function orderOf(buffer: Buffer, entries: Uint32Array): { depth: number; order: Order } {
  let depth = Number.POSITIVE_INFINITY;
  let order: Order = "distinct";
  for (let i = 1; i < entries.length; i++) {
    const before = entries[i - 1]! + ENTRY_HEAD_BYTES;
    const key = entries[i]! + ENTRY_HEAD_BYTES;
    const lengthBefore = keyLengthAt(buffer, entries[i - 1]!);
    const length = keyLengthAt(buffer, entries[i]!);
    const isSorted = order !== "none";
    // Once it is to be sorted, no more than `depth` counts.
    const most = Math.min(lengthBefore, length, isSorted ? length : depth);
    let same = 0;
    while (same < most && buffer[before + same] === buffer[key + same]) same++;
    if (same < depth) depth = same;
    if (!isSorted) continue;
    if (same < most ? buffer[before + same]! > buffer[key + same]! : lengthBefore > length) order = "none";
    else if (same === most && lengthBefore === length) order = "sorted";
  }
  return { depth, order };
}

class EntrySort {
  readonly #buffer: Buffer;
  readonly #entries: Uint32Array;
  /** Of the entries in the places of `#entries`. */
  readonly #chunks: Uint32Array;
  /** Made where there are many. */
  #spare: Pairs | undefined;
  readonly #numbers = new Float64Array(MANY);
  readonly #moved = new Uint32Array(MANY);

  constructor(buffer: Buffer, entries: Uint32Array) {
    this.#buffer = buffer;
    this.#entries = entries;
    this.#chunks = new Uint32Array(entries.length);
  }

  /** The keys of this part are the same in their first `depth` bytes. */
  sort(from: number, to: number, depth: number): void {
    if (to - from <= FEW) {
      this.#sortFew(from, to, depth);
      return;
    }
    this.#sortByChunk(from, to, depth);
    const chunks = this.#chunks;
    for (let start = from; start < to; ) {
      const chunk = chunks[start]!;
      let end = start + 1;
      while (end < to && chunks[end] === chunk) end++;
      // Where the keys end in the chunk they are the same.
      const goesOn = (chunk & 7) > CHUNK_BYTES;
      if (goesOn && end - start > 1) this.sort(start, end, depth + CHUNK_BYTES);
      start = end;
    }
  }

  #sortByChunk(from: number, to: number, depth: number): void {
    const entries = this.#entries;
    const chunks = this.#chunks;
    let isSorted = true;
    for (let i = from, last = 0; i < to; i++) {
      const chunk = this.#chunkOf(entries[i]!, depth);
      if (chunk < last) isSorted = false;
      last = chunk;
      chunks[i] = chunk;
    }
    if (isSorted) return;
    if (to - from > MANY) {
      this.#spare ??= pairs(entries.length);
      sortPairs(partOf({ keys: chunks, items: entries }, from, to), partOf(this.#spare, from, to));
    } else this.#sortNumbers(from, to);
  }

  #sortNumbers(from: number, to: number): void {
    const entries = this.#entries;
    const chunks = this.#chunks;
    const numbers = this.#numbers.subarray(0, to - from);
    for (let i = 0; i < numbers.length; i++) numbers[i] = chunks[from + i]! * CHUNK_UNIT + i;
    numbers.sort();
    this.#moved.set(entries.subarray(from, to));
    for (let i = 0; i < numbers.length; i++) {
      const chunk = chunkIn(numbers[i]!);
      chunks[from + i] = chunk;
      entries[from + i] = this.#moved[numbers[i]! - chunk * CHUNK_UNIT]!;
    }
  }

  #chunkOf(entry: number, depth: number): number {
    const buffer = this.#buffer;
    const left = keyLengthAt(buffer, entry) - depth;
    const at = entry + ENTRY_HEAD_BYTES + depth;
    if (left > CHUNK_BYTES)
      return ((buffer[at]! << 16) | (buffer[at + 1]! << 8) | buffer[at + 2]!) * 8 + (CHUNK_BYTES + 1);
    let bytes = 0;
    for (let i = 0; i < CHUNK_BYTES; i++) bytes = bytes * 256 + (i < left ? buffer[at + i]! : 0);
    return bytes * 8 + left;
  }

  #sortFew(from: number, to: number, depth: number): void {
    const entries = this.#entries;
    for (let i = from + 1; i < to; i++) {
      const entry = entries[i]!;
      let at = i;
      for (; at > from && this.#isBefore(entry, entries[at - 1]!, depth); at--)
        entries[at] = entries[at - 1]!;
      entries[at] = entry;
    }
  }

  #isBefore(a: number, b: number, depth: number): boolean {
    return compareKeys(this.#buffer, a, this.#buffer, b, depth) < 0;
  }
}

function partOf({ keys, items }: Pairs, from: number, to: number): Pairs {
  return { keys: keys.subarray(from, to), items: items.subarray(from, to) };
}
