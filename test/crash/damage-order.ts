/** Where damage is put, one place after another, and when that is enough. */
import type { Random } from "../helpers/random.ts";

/** Whether `most` trials were made, or one at least and the time is up. */
export function isEnough(trials: number, until: number, most: number): boolean {
  return trials >= most || (trials > 0 && Date.now() > until);
}

/** Visits each of `total` things once, in an order that looks random. */
export function* shuffled(total: number, random: Random): Generator<number> {
  let step = 1 + random.below(total);
  while (greatestCommonDivisor(step, total) !== 1) step++;
  let at = random.below(total);
  for (let i = 0; i < total; i++) {
    yield at;
    at = (at + step) % total;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** Which of several parts the `at`th of all things lies in, and the how manyth it is there. */
export function placeIn(lengths: readonly number[], at: number): { index: number; rest: number } {
  let rest = at;
  for (const [index, length] of lengths.entries()) {
    if (rest < length) return { index, rest };
    rest -= length;
  }
  throw new Error(`there are fewer than ${at}`);
}
