/** Names in the order of random loads. */

import { nameOf, randomFrom } from "../cli/bench/values.ts";

/** More than a measurement loads, so that it meets all of a large store, not a part that comes again. */
const DRAWS_MAX = 2_000_000;
const DRAWS_PER_NAME = 4;

/** Of so many entries, each as likely. Made before, since making a name takes longer than some stores take for a load. */
export function randomNames(count: number, seed: number): string[] {
  const random = randomFrom(seed);
  const draws = Math.min(count * DRAWS_PER_NAME, DRAWS_MAX);
  return Array.from({ length: draws }, () => flat(nameOf(Math.floor(random() * count))));
}

/** As one piece of memory: V8 keeps joined texts as a tree until someone looks into them. */
function flat(text: string): string {
  text.charCodeAt(0);
  return text;
}
