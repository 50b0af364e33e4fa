import { suite } from "uvu";
import * as assert from "uvu/assert";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, track } from "../helpers/stores.ts";
import { flipBits, MemoryStore } from "./damage-log-bits.ts";
import { changeLengths } from "./damage-log-lengths.ts";

const test = suite("a damaged log");
test.after.each(closeAll);

/** More for a long run; all bits and lengths are tried by `npm run torture -- --only damage-log-bits,damage-log-lengths`. */
const FLIPS = Number(process.env.VARVE_CRASH_FLIPS ?? 600);
const CUTS = Number(process.env.VARVE_CRASH_CUTS ?? 100);
const FOREVER = Number.POSITIVE_INFINITY;

async function memoryStore(segmentBytesMax?: number): Promise<MemoryStore> {
  const made = await MemoryStore.make(newFolder(), segmentBytesMax);
  track(made.store);
  return made;
}

test("whatever bit of one segment is flipped, each value is right or CORRUPTION, and no scan takes it for another batch", async () => {
  const random = new Random("bits of one segment");
  const { counts, violations } = await flipBits(await memoryStore(), random, FOREVER, FLIPS);
  assert.equal(violations, [], `seed ${random.seed}`);
  assert.is(counts["bits flipped"], FLIPS);
});

test("the same for a log of many small segments", async () => {
  const random = new Random("bits of small segments");
  const { violations } = await flipBits(await memoryStore(1200), random, FOREVER, Math.ceil(FLIPS / 3));
  assert.equal(violations, [], `seed ${random.seed}`);
});

test("whatever length a segment is cut to or lengthened by, what is left is found and what is missing is told", async () => {
  const random = new Random("lengths of segments");
  const other = await memoryStore();
  for (const [segmentBytesMax, cuts] of [
    [undefined, CUTS],
    [1200, Math.ceil(CUTS / 2)],
  ] as const) {
    const made = await memoryStore(segmentBytesMax);
    const { violations } = await changeLengths(made, other, random, FOREVER, cuts);
    assert.equal(violations, [], `seed ${random.seed}`);
  }
});

test.run();
