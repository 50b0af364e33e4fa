import { DIGEST_BYTES } from "./log/format.ts";
import { sortedByKey } from "./radix-sort.ts";

const CAPACITY_MIN = 1024;
/** Of a digest. */
const WORDS = DIGEST_BYTES / 4;

/**
 * Digests that are added as they come, and looked for in their order: for who goes over all rows of blobs anyway, and has
 * a million digests. A hash table would meet memory in no order, which takes longer than to sort. 32 bytes each.
 */
export class DigestMerge {
  #words: Uint32Array = new Uint32Array(CAPACITY_MIN * WORDS);
  #count = 0;
  /** Behind `sort`, of each that is in `#words` the number. */
  #numbers: Uint32Array = new Uint32Array();
  /** The first one whose first word is not below that of the digest that was looked for last. */
  #next = 0;

  /** How many numbers were given. */
  get count(): number {
    return this.#count;
  }

  /** Gives its number, from 0 on. */
  add(bytes: Uint8Array, start: number): number {
    const number = this.#count++;
    if (this.#count * WORDS > this.#words.length) {
      const grown = new Uint32Array(this.#words.length * 2);
      grown.set(this.#words);
      this.#words = grown;
    }
    const words = this.#words;
    for (let i = 0; i < WORDS; i++) words[number * WORDS + i] = wordAt(bytes, start + 4 * i);
    return number;
  }

  /** Before `sort`: whether it is the digest at `start` of `bytes`. */
  isAt(number: number, bytes: Uint8Array, start: number): boolean {
    return isAt(this.#words, number, bytes, start);
  }

  /** All are there. Gives for each number the one that stands for it from now on, which the same ones have in common. */
  sort(): Uint32Array {
    const words = this.#words;
    const firsts = new Uint32Array(this.#count);
    const all = new Uint32Array(this.#count);
    for (let number = 0; number < this.#count; number++) {
      firsts[number] = words[number * WORDS]!;
      all[number] = number;
    }
    const sorted = new Uint32Array(this.#count * WORDS);
    const numbers = new Uint32Array(this.#count);
    const standing = new Uint32Array(this.#count);
    let count = 0;
    /** The first place that begins with the same word: those behind it are few, or the same ones. */
    let begin = 0;
    const order = sortedByKey(firsts, all);
    for (let at = 0; at < order.length; at++) {
      const number = order[at]!;
      if (count > 0 && sorted[(count - 1) * WORDS] !== words[number * WORDS]) begin = count;
      let place = begin;
      while (place < count && !isEqual(sorted, place, words, number)) place++;
      if (place === count) {
        copy(sorted, count, words, number);
        numbers[count++] = number;
      }
      standing[number] = numbers[place]!;
    }
    this.#words = sorted.subarray(0, count * WORDS);
    this.#numbers = numbers.subarray(0, count);
    return standing;
  }

  /** Behind `sort`, of one digest after another in their order: the number that stands for it, or -1. */
  find(bytes: Uint8Array, start: number): number {
    const words = this.#words;
    const { length } = this.#numbers;
    const first = wordAt(bytes, start);
    let place = this.#next;
    while (place < length && words[place * WORDS]! < first) place++;
    this.#next = place;
    return this.#from(place, bytes, start);
  }

  /** As `find`, of digests in any order. */
  search(digest: Uint8Array): number {
    const first = wordAt(digest, 0);
    let low = 0;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#words[middle * WORDS]! < first) low = middle + 1;
      else high = middle;
    }
    return this.#from(low, digest, 0);
  }

  /** @param first the first place that begins with the same word, or with a higher one */
  #from(first: number, bytes: Uint8Array, start: number): number {
    const words = this.#words;
    const word = wordAt(bytes, start);
    for (let place = first; place < this.#numbers.length && words[place * WORDS] === word; place++)
      if (isAt(words, place, bytes, start)) return this.#numbers[place]!;
    return -1;
  }
}

function isAt(words: Uint32Array, place: number, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < WORDS; i++) if (words[place * WORDS + i] !== wordAt(bytes, start + 4 * i)) return false;
  return true;
}

function copy(into: Uint32Array, place: number, from: Uint32Array, number: number): void {
  for (let i = 0; i < WORDS; i++) into[place * WORDS + i] = from[number * WORDS + i]!;
}

function isEqual(a: Uint32Array, numberOfA: number, b: Uint32Array, numberOfB: number): boolean {
  for (let i = 0; i < WORDS; i++) if (a[numberOfA * WORDS + i] !== b[numberOfB * WORDS + i]) return false;
  return true;
}

/** The first byte counts most, as it does for the order of digests. */
function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
