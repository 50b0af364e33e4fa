import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CandidateBlobs } from "../../engine/candidate-blobs.ts";
import { DigestFilter, DigestList, firstWordAt, SortedDigests } from "../../engine/digest-list.ts";
import { Release } from "../../engine/large/release.ts";
import { DIGEST_BYTES, recordBytes } from "../../engine/log/format.ts";
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

const byBytes = (a: Buffer, b: Buffer) => a.compare(b);

/** As the index has them: each once, in their order. */
function inOrder(digests: Buffer[]): Buffer[] {
  return [...new Map(digests.map((digest) => [digest.toString("hex"), digest])).values()].sort(byBytes);
}

test("digests that were added in their order are found, and only those", () => {
  const random = new Random("digests");
  for (const size of [0, 1, 10, 5_000]) {
    const sorted = new SortedDigests();
    const all = inOrder(Array.from({ length: size }, () => someDigest(random)));
    for (const digest of all) sorted.add(Buffer.concat([Buffer.alloc(5), digest]), 5);
    sorted.finish();
    const numbers = new Map(all.map((digest, number) => [digest.toString("hex"), number]));
    const list = new DigestList();
    for (const digest of [...all, ...Array.from({ length: size + 10 }, () => someDigest(random))]) {
      const expected = numbers.get(digest.toString("hex")) ?? -1;
      assert.is(sorted.find(digest), expected, digest.toString("hex"));
      const number = list.add(digest, 0);
      assert.is(sorted.findOf(list, number), expected, digest.toString("hex"));
      assert.ok(list.isAt(number, digest, 0));
    }
  }
});

test("a filter lets through what was added, and little else", () => {
  const random = new Random("filter");
  for (const size of [0, 1, 40, 3_000]) {
    const filter = new DigestFilter(size);
    const words = Array.from({ length: size }, () => firstWordAt(random.bytes(4), 0));
    for (const word of words) filter.add(word);
    assert.ok(words.every((word) => filter.mayHave(word)));
    const others = Array.from({ length: 10_000 }, () => firstWordAt(random.bytes(4), 0));
    assert.ok(others.filter((word) => filter.mayHave(word)).length < 1_500, `${size}`);
  }
});

test("of the blobs that candidates need is found what the index says more of, or is asked for", () => {
  const random = new Random("blobs");
  const blobs = new CandidateBlobs();
  const added = Array.from({ length: 3_000 }, () => someDigest(random));
  const others = Array.from({ length: 3_000 }, () => someDigest(random));
  for (const digest of added) blobs.add(digest, 0);
  blobs.begin();
  const asked = new Set<string>();
  for (let number = 0; number < added.length; number += 5) {
    blobs.ask(number);
    asked.add(added[number]!.toString("hex"));
  }
  const rows = inOrder([...added, ...others]).map((digest) => ({ digest, count: random.below(3) }));
  for (const [at, { digest, count }] of rows.entries()) blobs.meet(digest, 0, count, at);
  blobs.end();
  const needed = new Set(added.map((digest) => digest.toString("hex")));
  for (const [at, { digest, count }] of rows.entries()) {
    const text = digest.toString("hex");
    const number = added.findIndex((each) => each.equals(digest));
    const blob = number < 0 ? -1 : blobs.find(number);
    if (needed.has(text) && (count !== 1 || asked.has(text))) assert.is(blobs.lengths[blob], at, text);
    else if (blob >= 0) assert.equal([blobs.counts[blob], blobs.lengths[blob]], [count, at], text);
    // What only looked like one that is needed is not counted.
    const left = blobs.counts.slice();
    assert.is(blobs.lower(digest, left), blob < 0 ? undefined : count - 1, text);
  }
});

test("a candidate's blob goes with the last that needs it, and never if the log lacks it", () => {
  const candidates = new Candidates();
  candidates.beginName("a");
  const [lone, shared, lacking, unknown, asked] = [1, 2, 3, 4, 5].map((byte) => Buffer.alloc(32, byte));
  const needs = [
    { digest: lone!, length: 10 },
    { digest: shared!, length: 20 },
    { digest: shared!, length: 20 },
    { digest: lacking!, length: 30 },
    { digest: unknown!, length: 0 },
    { digest: asked!, length: 0 },
  ];
  for (const { digest, length } of needs)
    candidates.setBlobs(candidates.add(0, 1, 1, 1), digest, 0, 1, length);
  candidates.beginBlobs();
  candidates.setBlob(lone!, 0, 1, 10);
  candidates.setBlob(shared!, 0, 2, 20);
  candidates.setBlob(lacking!, 0, 0, 0);
  candidates.setBlob(asked!, 0, 1, 50);
  candidates.endBlobs();
  assert.equal(
    [0, 1, 2, 3, 4, 5].map((each) => candidates.size(each)),
    [10, 20, 20, 0, 0, 50],
  );
  const rows = { row: () => undefined, blobRow: () => undefined };
  for (let round = 0; round < 2; round++) {
    const going = candidates.letGo(new Release(rows), rows);
    const freed = [0, 1, 2, 3, 4, 5].map((candidate) => {
      const before = going.bytes;
      going.add(candidate);
      return going.bytes - before;
    });
    const expected = [10, 0, 20, 0, 0, 50].map((bytes) => bytes && recordBytes(DIGEST_BYTES, bytes));
    assert.equal(freed, expected);
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
