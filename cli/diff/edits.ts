/** The shortest way from one sequence of numbers to another (Myers, "An O(ND) Difference Algorithm"), as far as it is affordable. */

/** A line of the first, of the second, or of both. */
export type Edit = "-" | "+" | " ";

/** More edits than that, and everything in between is told as replaced. The time is at most this times the lengths. */
const EDITS_MAX = 1_000;
const LENGTH_MAX = 200_000;

export function editsBetween(a: readonly number[], b: readonly number[]): Edit[] {
  const start = sharedStart(a, b);
  const end = sharedEnd(a, b, start);
  const [from, to] = [a.slice(start, a.length - end), b.slice(start, b.length - end)];
  return [...same(start), ...(shortest(from, to) ?? replaced(from, to)), ...same(end)];
}

function same(count: number): Edit[] {
  return new Array<Edit>(count).fill(" ");
}

function replaced(from: readonly number[], to: readonly number[]): Edit[] {
  return [...new Array<Edit>(from.length).fill("-"), ...new Array<Edit>(to.length).fill("+")];
}

function sharedStart(a: readonly number[], b: readonly number[]): number {
  let count = 0;
  while (count < a.length && count < b.length && a[count] === b[count]) count++;
  return count;
}

function sharedEnd(a: readonly number[], b: readonly number[], start: number): number {
  let count = 0;
  const max = Math.min(a.length, b.length) - start;
  while (count < max && a[a.length - 1 - count] === b[b.length - 1 - count]) count++;
  return count;
}

/** Undefined when it would take too many edits, or too long. */
function shortest(a: readonly number[], b: readonly number[]): Edit[] | undefined {
  if (a.length === 0 || b.length === 0) return replaced(a, b);
  if (a.length + b.length > LENGTH_MAX) return undefined;
  const max = Math.min(EDITS_MAX, a.length + b.length);
  // How far in `a` each diagonal was followed; diagonal k (place in a - place in b) is at max + 1 + k.
  const reach = new Int32Array(2 * max + 3);
  const steps: Int32Array[] = [];
  for (let count = 0; count <= max; count++) {
    steps.push(reach.slice());
    for (let k = -count; k <= count; k += 2) {
      const at = max + 1 + k;
      let x = isDown(reach, at, k, count) ? reach[at + 1]! : reach[at - 1]! + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      reach[at] = x;
      if (x >= a.length && x - k >= b.length) return wayBack(steps, a.length, b.length, max);
    }
  }
  return undefined;
}

/** Whether a diagonal is reached by an insertion, which leads further than a removal. */
function isDown(reach: Int32Array, at: number, k: number, count: number): boolean {
  return k === -count || (k !== count && reach[at - 1]! < reach[at + 1]!);
}

function wayBack(steps: readonly Int32Array[], aLength: number, bLength: number, max: number): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [aLength, bLength];
  for (let count = steps.length - 1; count >= 0; count--) {
    const k = x - y;
    const reach = steps[count]!;
    const isInsertion = isDown(reach, max + 1 + k, k, count);
    const previousK = isInsertion ? k + 1 : k - 1;
    const previousX = count === 0 ? 0 : reach[max + 1 + previousK]!;
    const previousY = count === 0 ? 0 : previousX - previousK;
    // Backwards: first what is the same on this diagonal, then the edit that led to it.
    for (let same = Math.min(x - previousX, y - previousY); same > 0; same--) edits.push(" ");
    if (count > 0) edits.push(isInsertion ? "+" : "-");
    [x, y] = [previousX, previousY];
  }
  return edits.reverse();
}
