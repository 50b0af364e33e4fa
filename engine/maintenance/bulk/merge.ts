import { compareKeys, ENTRY_HEAD_BYTES, keyLengthAt } from "./sort.ts";
import type { Sorted } from "./sorted.ts";
import { NOTHING, sharedPart } from "./sorted.ts";

interface Candidate {
  source: Sorted;
  /** Some bytes of the key as a number, which nearly always decides. */
  rank: number;
  /** The source by itself: most keys are in one run only. */
  alone: readonly Sorted[];
}

/** Gives the entries of several runs key by key. */
export class Merge {
  /** A heap: each comes before those at twice its index and one or two more. */
  readonly #heap: Candidate[] = [];
  /** What is not in the heap, since its entry was given out together with others of the same key. */
  #group: Candidate[] = [];
  /** The first of the heap was given out alone. */
  #isFirstTaken = false;
  readonly #depth: number;
  /** Alone, it needs no order. */
  readonly #only: Candidate | undefined;

  constructor(sources: readonly Sorted[]) {
    const shared = sources.map(({ prefix }) => prefix).reduce(sharedPart, sources[0]?.prefix ?? NOTHING);
    this.#depth = shared.length;
    const candidates = sources.map((source) => ({ source, rank: 0, alone: [source] }));
    if (candidates.length === 1) this.#only = candidates[0];
    else for (const each of candidates) if (this.#advance(each)) this.#push(each);
  }

  /** The entries of the next key, of the earliest run first, valid until the next call; undefined at the end. */
  take(): readonly Sorted[] | undefined {
    if (this.#only) return this.#only.source.next() ? this.#only.alone : undefined;
    this.#goOn();
    const heap = this.#heap;
    const first = heap[0];
    if (!first) return undefined;
    this.#isFirstTaken = !(heap[1] && isSameKey(first, heap[1])) && !(heap[2] && isSameKey(first, heap[2]));
    if (this.#isFirstTaken) return first.alone;
    do this.#group.push(this.#pop());
    while (heap[0] && isSameKey(first, heap[0]));
    return this.#group.map(({ source }) => source);
  }

  /** What was given out goes to its next entry. */
  #goOn(): void {
    if (this.#isFirstTaken) {
      const first = this.#heap[0]!;
      if (this.#advance(first)) this.#sink(first);
      else this.#pop();
    } else if (this.#group.length > 0) {
      for (const each of this.#group) if (this.#advance(each)) this.#push(each);
      this.#group = [];
    }
    this.#isFirstTaken = false;
  }

  #advance(each: Candidate): boolean {
    if (!each.source.next()) return false;
    each.rank = this.#rankOf(each.source);
    return true;
  }

  #push(each: Candidate): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(each);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!isBefore(each, heap[above]!)) break;
      heap[at] = heap[above]!;
      at = above;
    }
    heap[at] = each;
  }

  #rankOf({ buffer, entry }: Sorted): number {
    const left = keyLengthAt(buffer, entry) - this.#depth;
    const at = entry + ENTRY_HEAD_BYTES + this.#depth;
    let rank = 0;
    for (let i = 0; i < RANK_BYTES; i++) rank = rank * 256 + (i < left ? buffer[at + i]! : 0);
    return rank;
  }

  #pop(): Candidate {
    const first = this.#heap[0]!;
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#sink(last);
    return first;
  }

  /** Puts `each` in the place of the first, and then where it belongs. */
  #sink(each: Candidate): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      let below = at * 2 + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, each)) break;
      heap[at] = heap[below]!;
      at = below;
    }
    heap[at] = each;
  }
}

const RANK_BYTES = 6;

function isSameKey(a: Candidate, b: Candidate): boolean {
  return (
    a.rank === b.rank && compareKeys(a.source.buffer, a.source.entry, b.source.buffer, b.source.entry) === 0
  );
}

/** By key, then by run. */
function isBefore(a: Candidate, b: Candidate): boolean {
  if (a.rank !== b.rank) return a.rank < b.rank;
  const order = compareKeys(a.source.buffer, a.source.entry, b.source.buffer, b.source.entry);
  return order === 0 ? a.source.run < b.source.run : order < 0;
}
