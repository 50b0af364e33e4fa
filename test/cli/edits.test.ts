import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Edit, editsBetween } from "../../cli/diff/edits.ts";
import { Random } from "../helpers/random.ts";

const test = suite("edits from one sequence to another");

/** The second sequence, made of the first by the edits; fails where an edit does not fit. */
function applied(edits: readonly Edit[], a: readonly number[], b: readonly number[]): number[] {
  const made: number[] = [];
  let [x, y] = [0, 0];
  for (const edit of edits) {
    if (edit === " ") assert.is(a[x], b[y]);
    if (edit !== "-") made.push(edit === "+" ? b[y]! : a[x]!);
    if (edit !== "+") x++;
    if (edit !== "-") y++;
  }
  assert.is(x, a.length);
  return made;
}

/** The length of the longest common subsequence, by the table. */
function longestCommon(a: readonly number[], b: readonly number[]): number {
  let row = new Array<number>(b.length + 1).fill(0);
  for (const item of a) {
    const next = [0];
    for (const [j, other] of b.entries()) {
      next.push(item === other ? row[j]! + 1 : Math.max(row[j + 1]!, next[j]!));
    }
    row = next;
  }
  return row.at(-1)!;
}

test("they lead to the second, and are as few as can be", () => {
  const random = new Random("edits");
  for (let round = 0; round < 2_000; round++) {
    const kinds = 1 + random.below(6);
    const make = () => Array.from({ length: random.below(20) }, () => random.below(kinds));
    const [a, b] = [make(), make()];
    const edits = editsBetween(a, b);
    assert.equal(applied(edits, a, b), b);
    assert.is(edits.filter((edit) => edit === " ").length, longestCommon(a, b), `${a} to ${b}`);
  }
});

test("long sequences that have nothing in common, or little, are told as replaced", () => {
  const count = 150_000;
  const a = Array.from({ length: count }, (_, index) => index);
  const apart = a.map((number) => -1 - number);
  assert.equal(applied(editsBetween(a, apart), a, apart), apart);
  const shuffled = a.slice(0, 5_000).map((number) => (number * 7) % 5_000);
  assert.equal(applied(editsBetween(a.slice(0, 5_000), shuffled), a.slice(0, 5_000), shuffled), shuffled);
});

test("a few edits in a long sequence are found", () => {
  const a = Array.from({ length: 90_000 }, (_, index) => index);
  const b = a.toSpliced(10, 1, -1).toSpliced(50_000, 0, -2).toSpliced(80_000, 2);
  const edits = editsBetween(a, b);
  assert.equal(applied(edits, a, b), b);
  assert.is(edits.filter((edit) => edit !== " ").length, 5);
});

test.run();
