import { damaged } from "./bytes.ts";
import type { TreeEntry } from "./entry.ts";
import { keyOf, quoted, sharedLength } from "./entry.ts";

/** Sees that no entry lies within another one: a file, a link, or a folder that was said to be empty. */
export class Nesting {
  #previous = "";
  /** Lengths of the earlier keys that the newest begins with, ascending. */
  #ends: number[] = [];

  /** @param entry the next one in the order of keys @throws CORRUPTION */
  add(entry: TreeEntry): void {
    const key = keyOf(entry);
    const shared = sharedLength(key, this.#previous);
    while (this.#ends.length > 0 && this.#ends.at(-1)! > shared) this.#ends.pop();
    // Where the shared part ends a name ends, or else it was looked at with the entry before.
    const isWithin = this.#ends.at(-1) === shared && (key[shared] === "/" || key[shared - 1] === "/");
    if (isWithin) throw damaged(`${quoted(entry.path)} lies in what is no folder, or an empty one`);
    this.#ends.push(key.length);
    this.#previous = key;
  }
}
