import { readUint32 } from "../../log/format.ts";

const SLOTS_MIN = 16;
/** Two words a slot. */
const WORDS = 2;

/**
 * Digests by their first 63 bits, which tell nearly all apart: 16 to 32 bytes each, in one piece of memory. A `Set` of
 * millions stops everything now and then: while it grows, and whenever the collector of garbage goes through it.
 */
export class PrefixSet {
  #words: Uint32Array;
  #count = 0;

  /** @param expected of more, some time is spent at once on making room */
  constructor(expected: number) {
    this.#words = new Uint32Array(WORDS * Math.max(SLOTS_MIN, 2 ** Math.ceil(Math.log2(2 * expected + 1))));
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** The digest at `at` of `bytes`. */
  add(bytes: Uint8Array, at: number): void {
    const [first, second] = [readUint32(bytes, at), secondWord(bytes, at)];
    if (!this.#put(first, second)) return;
    if (++this.#count * 2 * WORDS > this.#words.length) this.#grow();
  }

  has(bytes: Uint8Array, at: number): boolean {
    const second = secondWord(bytes, at);
    const words = this.#words;
    const first = readUint32(bytes, at);
    for (let slot = this.#slotOf(first); words[slot + 1] !== 0; slot = this.#behind(slot))
      if (words[slot] === first && words[slot + 1] === second) return true;
    return false;
  }

  /** False where it is there. */
  #put(first: number, second: number): boolean {
    const words = this.#words;
    let slot = this.#slotOf(first);
    for (; words[slot + 1] !== 0; slot = this.#behind(slot))
      if (words[slot] === first && words[slot + 1] === second) return false;
    words[slot] = first;
    words[slot + 1] = second;
    return true;
  }

  #slotOf(first: number): number {
    return (first * WORDS) & (this.#words.length - 1);
  }

  #behind(slot: number): number {
    return (slot + WORDS) & (this.#words.length - 1);
  }

  #grow(): void {
    const old = this.#words;
    this.#words = new Uint32Array(2 * old.length);
    for (let slot = 0; slot < old.length; slot += WORDS)
      if (old[slot + 1] !== 0) this.#put(old[slot]!, old[slot + 1]!);
  }
}

/** Never 0, which is that of a free slot. */
function secondWord(bytes: Uint8Array, at: number): number {
  return (readUint32(bytes, at + 4) | 1) >>> 0;
}
