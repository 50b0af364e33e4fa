const BITS = 11;
const BUCKETS = 1 << BITS;

export interface Pairs {
  keys: Uint32Array;
  items: Uint32Array;
}

/** Items by the key of each. The same keys stay in their order. */
export function sortedByKey(keys: Uint32Array, items: Uint32Array): Uint32Array {
  const sorted = { keys: keys.slice(), items: items.slice() };
  sortPairs(sorted, pairs(keys.length));
  return sorted.items;
}

/**
 * Sorts keys, each with its item, in place: in one pass over them for every eleven bits of the highest key.
 * @param spare of the same length
 */
export function sortPairs(sorted: Pairs, spare: Pairs): void {
  const { keys, items } = sorted;
  let all = 0;
  for (let i = 0; i < keys.length; i++) all |= keys[i]!;
  let from = sorted;
  let into = spare;
  for (let shift = 0; shift < 32 && all >>> shift !== 0; shift += BITS) {
    sortByDigit(shift, from, into);
    [from, into] = [into, from];
  }
  if (from === sorted) return;
  keys.set(from.keys);
  items.set(from.items);
}

export function pairs(length: number): Pairs {
  return { keys: new Uint32Array(length), items: new Uint32Array(length) };
}

/** By eleven bits of the keys: what is the same in them stays in its order. */
function sortByDigit(shift: number, { keys, items }: Pairs, into: Pairs): void {
  const ends = new Uint32Array(BUCKETS + 1);
  for (let i = 0; i < keys.length; i++) ends[((keys[i]! >>> shift) & (BUCKETS - 1)) + 1]!++;
  for (let i = 1; i <= BUCKETS; i++) ends[i]! += ends[i - 1]!;
  for (let i = 0; i < keys.length; i++) {
    const place = ends[(keys[i]! >>> shift) & (BUCKETS - 1)]!++;
    into.keys[place] = keys[i]!;
    into.items[place] = items[i]!;
  }
}
