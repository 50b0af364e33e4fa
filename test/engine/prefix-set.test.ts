import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PrefixSet } from "../../engine/maintenance/compact/prefix-set.ts";
import { Random } from "../helpers/random.ts";

const test = suite("set of prefixes");

function someDigest(random: Random): Buffer {
  const digest = Buffer.alloc(32);
  // Many with the same first word, and all zeros among them.
  digest.writeUInt32LE(random.below(40), 0);
  digest.writeUInt32LE(2 * random.below(60), 4);
  return digest;
}

test("it has what was added and nothing else, also when that is more than was expected", () => {
  const random = new Random("prefixes");
  for (const expected of [0, 1, 100, 10_000]) {
    const set = new PrefixSet(expected);
    const known = new Set<string>();
    assert.ok(set.isEmpty);
    for (let i = 0; i < 2_000; i++) {
      const digest = someDigest(random);
      assert.is(set.has(digest, 0), known.has(digest.toString("hex")));
      if (random.next() < 0.5) continue;
      set.add(Buffer.concat([Buffer.alloc(3, 7), digest]), 3);
      known.add(digest.toString("hex"));
      assert.not(set.isEmpty);
      assert.ok(set.has(digest, 0));
    }
  }
});

test.run();
