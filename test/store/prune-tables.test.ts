import { suite } from "uvu";
import * as assert from "uvu/assert";
import { DigestMerge } from "../../engine/digest-merge.ts";
import { Candidates, Fate } from "../../engine/prune-candidates.ts";
import { sortedByKey } from "../../engine/radix-sort.ts";
import { Random } from "../helpers/random.ts";

const test = suite("tables of a prune plan");

/** Of a few beginnings, so that many have the first word, or all but the last byte, in common. */
function someDigest(random: Random): Buffer {
  const digest = Buffer.alloc(32, random.below(3) * 100);
  if (random.next() < 0.7) digest.writeUInt32BE(random.below(2 ** 32), 0);
  digest[random.next() < 0.5 ? 4 : 31] = random.below(20);
  return digest;
}

test("digests that are met in their order are found by what stands for them, and only those", () => {
  const random = new Random("digests");
  for (const size of [0, 1, 10, 5_000]) {
    const merge = new DigestMerge();
    const others = Array.from({ length: size }, () => someDigest(random));
    const added = Array.from({ length: size }, () => someDigest(random));
    const numbers = added.map((digest) => merge.add(Buffer.concat([Buffer.alloc(5), digest]), 5));
    assert.equal(numbers, [...added.keys()]);
    const standing = merge.sort();
    const first = new Map<string, number>();
    for (const [number, digest] of added.entries()) {
      const text = digest.toString("hex");
      if (!first.has(text)) first.set(text, standing[number]!);
      assert.is(standing[number], first.get(text));
      assert.is(added[standing[number]!]!.toString("hex"), text);
    }
    // As the index has them: each once.
    const all = new Map([...added, ...others].map((digest) => [digest.toString("hex"), digest]));
    for (const [text, digest] of [...all].sort(([a], [b]) => (a < b ? -1 : 1)))
      assert.is(merge.find(digest, 0), first.get(text) ?? -1, text);
  }
});

test("items are sorted by the bits of their keys, and the same keys stay in their order", () => {
  const random = new Random("keys");
  for (const most of [1, 2, 2_000, 2 ** 22 + 1, 2 ** 32]) {
    const keys = Uint32Array.from({ length: 3_000 }, () => random.below(most));
    const items = Uint32Array.from(keys.keys());
    const expected = [...items].sort((a, b) => keys[a]! - keys[b]! || a - b);
    assert.equal([...sortedByKey(keys.slice(), items.slice())], expected);
  }
});

test("what goes is given with the oldest first, however far apart the operations are", () => {
  const random = new Random("sequences");
  for (const most of [500, 2 ** 40]) {
    const candidates = new Candidates();
    candidates.beginName("a");
    for (let i = 0; i < 3_000; i++) candidates.add(i, 1 + Math.floor(random.next() * most), i, 100);
    for (let i = 0; i < 3_000; i += 3) candidates.setFate(i, Fate.stays);
    const expected = Array.from({ length: 3_000 }, (_, i) => i)
      .filter((i) => i % 3 !== 0)
      .sort((a, b) => candidates.sequence(a) - candidates.sequence(b) || a - b);
    assert.equal([...candidates.oldestFirst()], expected);
  }
});

test.run();
