/** Artifacts as a tree by the levels of their names. It needs to know no more than the name before, however long the list is. */

import type { Artifact } from "../engine/main.ts";
import { artifactLine } from "./artifact-text.ts";
import { printable } from "./printable.ts";

const INDENT = "  ";

/** Gives the lines of one artifact after the other, which come in the order of names. */
export class NameTree {
  #levels: readonly string[] = [];

  /** The levels that were not there yet, and the artifact below them. */
  linesOf({ name, version, createdAt }: Artifact): string[] {
    const levels = name.split("/");
    const last = levels.pop()!;
    const known = sharedCount(this.#levels, levels);
    this.#levels = levels;
    const opened = levels.slice(known).map((level, index) => {
      return `${INDENT.repeat(known + index)}${printable(level)}/`;
    });
    const line = artifactLine({ ref: `${last}:${version}`, createdAt });
    return [...opened, INDENT.repeat(levels.length) + line];
  }
}

function sharedCount(a: readonly string[], b: readonly string[]): number {
  const index = b.findIndex((level, at) => a[at] !== level);
  return index < 0 ? b.length : index;
}
