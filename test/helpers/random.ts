/** Random numbers that can be had again: the seed is given, or else printed and taken from VARVE_TEST_SEED. */
export class Random {
  readonly seed: number;
  #state: number;

  constructor(what: string, seed?: number) {
    this.seed = seed ?? Number(process.env.VARVE_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31));
    this.#state = this.seed;
    if (seed === undefined) console.log(`${what}: VARVE_TEST_SEED=${this.seed}`);
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(end: number): number {
    return Math.floor(this.next() * end);
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }
}
