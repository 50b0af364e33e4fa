/**
 * Entries are keys with their values in a buffer, one behind the other: length of the key (u16), flags (u16), length of
 * the value (u32), key, value. Here they are sorted by key; those with the same key stay in the order they were in.
 */

export const ENTRY_HEAD_BYTES = 8;
/** A number holds 3 bytes of a key, how many there still are (up to 4), and a place in the list: to sort numbers is to sort entries. */
const CHUNK_BYTES = 3;
/** Room for the place: more entries can't be sorted at once. */
const CHUNK_UNIT = 2 ** 26;

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

/** Sorts `entries`, the offsets of entries in `buffer`, in place. */
export function sortEntries(buffer: Buffer, entries: Uint32Array): void {
  const depth = depthOf(buffer, entries);
  if (depth !== undefined) new EntrySort(buffer, entries).sort(0, entries.length, depth);
}

/** In how many bytes all keys are the same; undefined where they are in order, as often in the log. */
function depthOf(buffer: Buffer, entries: Uint32Array): number | undefined {
  let depth = Number.POSITIVE_INFINITY;
  let isSorted = true;
  for (let i = 1; i < entries.length; i++) {
    const before = entries[i - 1]! + ENTRY_HEAD_BYTES;
    const key = entries[i]! + ENTRY_HEAD_BYTES;
    const lengthBefore = keyLengthAt(buffer, entries[i - 1]!);
    const length = keyLengthAt(buffer, entries[i]!);
    // Once it is to be sorted, no more than `depth` counts.
    const most = Math.min(lengthBefore, length, isSorted ? length : depth);
    let same = 0;
    while (same < most && buffer[before + same] === buffer[key + same]) same++;
    if (same < depth) depth = same;
    if (isSorted)
      isSorted = same < most ? buffer[before + same]! < buffer[key + same]! : lengthBefore <= length;
  }
  return isSorted ? undefined : depth;
}

class EntrySort {
  readonly #buffer: Buffer;
  readonly #entries: Uint32Array;
  readonly #numbers: Float64Array;
  readonly #moved: Uint32Array;

  constructor(buffer: Buffer, entries: Uint32Array) {
    this.#buffer = buffer;
    this.#entries = entries;
    this.#numbers = new Float64Array(entries.length);
    this.#moved = new Uint32Array(entries.length);
  }

  /** The keys of this part are the same in their first `depth` bytes. */
  sort(from: number, to: number, depth: number): void {
    if (to - from <= FEW) {
      this.#sortFew(from, to, depth);
      return;
    }
    this.#sortByChunk(from, to, depth);
    for (let start = from; start < to; ) {
      const chunk = chunkIn(this.#numbers[start]!);
      let end = start + 1;
      while (end < to && chunkIn(this.#numbers[end]!) === chunk) end++;
      // Where the keys end in the chunk they are the same.
      const goesOn = (chunk & 7) > CHUNK_BYTES;
      if (goesOn && end - start > 1) this.sort(start, end, depth + CHUNK_BYTES);
      start = end;
    }
  }

  #sortByChunk(from: number, to: number, depth: number): void {
    const entries = this.#entries;
    const numbers = this.#numbers.subarray(from, to);
    let isSorted = true;
    for (let i = 0, last = 0; i < numbers.length; i++) {
      const chunk = this.#chunkOf(entries[from + i]!, depth);
      if (chunk < last) isSorted = false;
      last = chunk;
      numbers[i] = chunk * CHUNK_UNIT + i;
    }
    if (isSorted) return;
    numbers.sort();
    this.#moved.set(entries.subarray(from, to), from);
    for (let i = 0; i < numbers.length; i++) {
      const place = numbers[i]! - chunkIn(numbers[i]!) * CHUNK_UNIT;
      entries[from + i] = this.#moved[from + place]!;
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
