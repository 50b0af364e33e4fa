/** What differs between two texts, line by line, in hunks with some lines around. */

import { type Edit, editsBetween } from "./edits.ts";

const LINES_AROUND = 3;
/** Lines of one difference, all hunks together. */
const LINES_MAX = 1_000;
const LINE_LENGTH_MAX = 500;
const NO_LINE_BREAK = "\\ no line break at the end";

export interface Hunk {
  /** The first line of the hunk in each of the texts, from 1. */
  readonly from: number;
  readonly to: number;
  /** Each begins with `-` (only in the first text), `+` (only in the second) or a space (in both). */
  readonly lines: string[];
}

export interface LineDifference {
  readonly removed: number;
  readonly added: number;
  readonly hunks: Hunk[];
  /** False when there are more lines than are told. */
  readonly complete: boolean;
}

export function lineDifference(from: string, to: string): LineDifference {
  const [a, b] = [linesOf(from), linesOf(to)];
  const edits = editsBetween(...numbered(a, b));
  const { hunks, complete } = new HunkMaker(a, b).make(edits);
  const count = (wanted: Edit) => edits.filter((edit) => edit === wanted).length;
  return { removed: count("-"), added: count("+"), hunks, complete };
}

/** With their line breaks, so that a missing one at the end is a difference. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+/g) ?? [];
}

/** Equal lines have equal numbers. */
function numbered(a: readonly string[], b: readonly string[]): [number[], number[]] {
  const numbers = new Map<string, number>();
  const numberOf = (line: string): number => {
    const known = numbers.get(line);
    if (known !== undefined) return known;
    numbers.set(line, numbers.size);
    return numbers.size - 1;
  };
  return [a.map(numberOf), b.map(numberOf)];
}

class HunkMaker {
  readonly #a: readonly string[];
  readonly #b: readonly string[];
  readonly #hunks: Hunk[] = [];
  #count = 0;

  constructor(a: readonly string[], b: readonly string[]) {
    this.#a = a;
    this.#b = b;
  }

  make(edits: readonly Edit[]): { hunks: Hunk[]; complete: boolean } {
    const isShown = shownEdits(edits);
    let [x, y] = [0, 0];
    for (const [index, edit] of edits.entries()) {
      if (isShown[index]) {
        if (this.#count === LINES_MAX) return { hunks: this.#hunks, complete: false };
        if (!isShown[index - 1]) this.#hunks.push({ from: x + 1, to: y + 1, lines: [] });
        this.#add(edit, edit === "+" ? this.#b[y]! : this.#a[x]!);
      }
      if (edit !== "+") x++;
      if (edit !== "-") y++;
    }
    return { hunks: this.#hunks, complete: true };
  }

  #add(edit: Edit, line: string): void {
    const { lines } = this.#hunks.at(-1)!;
    this.#count++;
    lines.push(edit + shortened(line.replace(/\n$/, "")));
    if (!line.endsWith("\n")) lines.push(NO_LINE_BREAK);
  }
}

/** Which edits are near to a change. */
function shownEdits(edits: readonly Edit[]): Uint8Array {
  const isShown = new Uint8Array(edits.length);
  for (const [index, edit] of edits.entries()) {
    if (edit !== " ") isShown.fill(1, Math.max(index - LINES_AROUND, 0), index + LINES_AROUND + 1);
  }
  return isShown;
}

function shortened(line: string): string {
  if (line.length <= LINE_LENGTH_MAX) return line;
  return `${line.slice(0, LINE_LENGTH_MAX)}… (${line.length} characters)`;
}
