import { DIGEST_BYTES } from "./log/format.ts";

const CAPACITY_MIN = 1024;
/** Of a digest. */
const WORDS = DIGEST_BYTES / 4;
/** Of a filter for each digest that is in it: so few others look as if they were. */
const FILTER_BITS = 16;

/** Digests one behind the other, without an object for each: 32 bytes each. */
export class DigestList {
  protected words: Uint32Array = new Uint32Array(CAPACITY_MIN * WORDS);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Gives its number, from 0 on. */
  add(bytes: Uint8Array, start: number): number {
    const number = this.#count++;
    if (this.#count * WORDS > this.words.length) {
      const grown = new Uint32Array(this.words.length * 2);
      grown.set(this.words);
      this.words = grown;
    }
    const { words } = this;
    for (let i = 0; i < WORDS; i++) words[number * WORDS + i] = firstWordAt(bytes, start + 4 * i);
    return number;
  }

  /** Whether it is the digest at `start` of `bytes`. */
  isAt(number: number, bytes: Uint8Array, start: number): boolean {
    const { words } = this;
    for (let i = 0; i < WORDS; i++)
      if (words[number * WORDS + i] !== firstWordAt(bytes, start + 4 * i)) return false;
    return true;
  }

  isEqual(number: number, other: DigestList, numberOfOther: number): boolean {
    for (let i = 0; i < WORDS; i++)
      if (this.words[number * WORDS + i] !== other.words[numberOfOther * WORDS + i]) return false;
    return true;
  }

  firstWord(number: number): number {
    return this.words[number * WORDS]!;
  }
}

/** Digests that are added in their order and looked for in any, once all are there: about 40 bytes each. */
export class SortedDigests extends DigestList {
  /** By the first bits of a digest, the first one that begins with them; and how many there are. */
  #starts = new Uint32Array(3);
  #shift = 31;

  /** All are there. */
  finish(): void {
    const { count } = this;
    const bits = bitsOf(count);
    this.#shift = 32 - bits;
    this.#starts = new Uint32Array(2 ** bits + 1).fill(count);
    let bucket = 0;
    for (let number = 0; number < count; number++)
      for (const own = this.firstWord(number) >>> this.#shift; bucket <= own; bucket++)
        this.#starts[bucket] = number;
  }

  /** The number of the digest, or -1. */
  find(digest: Uint8Array): number {
    const bucket = firstWordAt(digest, 0) >>> this.#shift;
    const end = this.#starts[bucket + 1]!;
    for (let number = this.#starts[bucket]!; number < end; number++)
      if (this.isAt(number, digest, 0)) return number;
    return -1;
  }

  /** As `find`, of one in another list. */
  findOf(other: DigestList, numberOfOther: number): number {
    const bucket = other.firstWord(numberOfOther) >>> this.#shift;
    const end = this.#starts[bucket + 1]!;
    for (let number = this.#starts[bucket]!; number < end; number++)
      if (this.isEqual(number, other, numberOfOther)) return number;
    return -1;
  }
}

/** Tells of most digests that were not added that they were not: two bytes for each that was. */
export class DigestFilter {
  readonly #bits: Uint32Array;
  readonly #shift: number;

  /** @param count how many are added */
  constructor(count: number) {
    const bits = Math.max(5, bitsOf(count * FILTER_BITS));
    this.#shift = 32 - bits;
    this.#bits = new Uint32Array(2 ** bits / 32);
  }

  /** @param word the digest's first one */
  add(word: number): void {
    const bit = word >>> this.#shift;
    this.#bits[bit >>> 5]! |= 1 << (bit & 31);
  }

  mayHave(word: number): boolean {
    const bit = word >>> this.#shift;
    return (this.#bits[bit >>> 5]! & (1 << (bit & 31))) !== 0;
  }
}

/** So many that about as many values as `count` can be told apart; of a word at most. */
function bitsOf(count: number): number {
  return Math.min(30, Math.max(1, Math.ceil(Math.log2(count || 1))));
}

/** The first byte counts most, as it does for the order of digests. */
export function firstWordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
