const BITS = 11;
const BUCKETS = 1 << BITS;

export interface Pairs {
  keys: Uint32Array;
  items: Uint32Array;
}

/** Items by the key of each. The same keys stay in their order. */
export function sortedByKey(keys: Uint32Array, items: Uint32Array): Uint32Array {
  return sortedPairs(keys, items).items;
}

/** The same with the keys: in one pass over them for every eleven bits of the highest key. */
export function sortedPairs(keys: Uint32Array, items: Uint32Array): Pairs {
  let all = 0;
  for (let i = 0; i < keys.length; i++) all |= keys[i]!;
  let from: Pairs = { keys, items };
  let into = pairs(keys.length);
  for (let shift = 0; shift < 32 && all >>> shift !== 0; shift += BITS) {
    sortByDigit(shift, from, into);
    [from, into] = [into, from.keys === keys ? pairs(keys.length) : from];
  }
  return from;
}

function pairs(length: number): Pairs {
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
