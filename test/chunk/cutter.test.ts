import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  CHUNK_BYTES_AVERAGE,
  CHUNK_BYTES_MAX,
  CHUNK_BYTES_MIN,
  CHUNK_BYTES_NORMAL,
  gearTable,
  nextCut,
} from "../../engine/chunk/cutter.ts";
import { Random } from "../helpers/random.ts";
import { cutsOf, sha256, steadyBytes } from "./support.ts";

const test = suite("cutting by content");
const MiB = 1024 * 1024;

/** As the README has it, and as slow. */
function plainCut(bytes: Uint8Array, from: number): number {
  const last = Math.min(bytes.length, from + 256 * 1024);
  for (let end = from + 32 * 1024 + 1; end <= last; end++) {
    let gear = 0;
    for (let at = end - 32; at < end; at++) gear = (gear * 2 + GEAR[bytes[at]!]!) % 2 ** 32;
    const zeros = end - from <= 48 * 1024 ? 17 : 14;
    if (gear < 2 ** (32 - zeros)) return end;
  }
  return last;
}

const GEAR = Array.from({ length: 256 }, (_, byte) => sha256(`varve gear ${byte}`).readUInt32LE(0));

test("the gear table is that of the format", () => {
  const bytes = Buffer.alloc(1024);
  for (const [index, gear] of gearTable().entries()) bytes.writeInt32LE(gear, index * 4);
  assert.is(bytes.subarray(0, 8).toString("hex"), "9038bddc3feb5d0b");
  assert.is(
    sha256(bytes).toString("hex"),
    "0b89602bcf24391e2c19101f8a96844aa5072cba665523788cc717a9df4ef302",
  );
});

test("the parameters are those of the format", () => {
  assert.equal([CHUNK_BYTES_MIN, CHUNK_BYTES_NORMAL, CHUNK_BYTES_MAX], [32768, 49152, 262144]);
});

test("known bytes are cut where they have always been cut", () => {
  assert.equal(
    cutsOf(steadyBytes("golden", MiB)),
    [
      47406, 99982, 236000, 318024, 386787, 441294, 492492, 553045, 608262, 650784, 704819, 742072, 825186,
      898690, 983414, 1041559, 1048576,
    ],
  );
  assert.equal(cutsOf(new Uint8Array(600_000)), [262_144, 524_288, 600_000]);
  const text = Buffer.from(Array.from({ length: 30_000 }, (_, row) => `${row},${row * row}\n`).join(""));
  assert.equal(cutsOf(text), [54354, 104929, 172481, 276822, 328022, 373982, 446972, 454264]);
});

test("the fast loop cuts where the rule says, whatever the bytes and their length", () => {
  const random = new Random("cuts by the rule");
  for (let round = 0; round < 8; round++) {
    const letters = [256, 256, 2, 5, 64][round % 5]!;
    const shift = random.below(5);
    const bytes = steadyBytes(`${random.seed} ${round}`, random.below(300 * 1024) + shift)
      .subarray(shift)
      .map((byte) => byte % letters);
    const cuts = cutsOf(bytes);
    let from = 0;
    for (const cut of cuts) {
      assert.is(cut, plainCut(bytes, from), `seed ${random.seed}, round ${round}, from ${from}`);
      from = cut;
    }
    assert.is(from, bytes.length);
  }
});

test("cuts are rare up to where they are said to be, common behind it, and none is too early", () => {
  const rare = windowWith(17, 32);
  const common = windowWith(14, 16);
  const cutWith = (window: Uint8Array, end: number) => {
    const bytes = new Uint8Array(300_000);
    bytes.set(window, end - window.length);
    const cut = nextCut(bytes, 0, bytes.length, true)!;
    assert.is(cut, plainCut(bytes, 0));
    return cut === end;
  };
  assert.not(cutWith(rare, CHUNK_BYTES_MIN));
  for (const more of [1, 2, 3, 4, 5])
    assert.ok(cutWith(rare, CHUNK_BYTES_MIN + more), `${more} behind the first`);
  assert.ok(cutWith(rare, CHUNK_BYTES_NORMAL));
  assert.not(cutWith(common, CHUNK_BYTES_NORMAL));
  for (const more of [1, 2, 3, 4, 5])
    assert.ok(cutWith(common, CHUNK_BYTES_NORMAL + more), `${more} behind it`);
  assert.ok(cutWith(common, CHUNK_BYTES_MAX - 1));
});

/** 32 bytes whose hash has at least `min` and at most `max` zeros in front. */
function windowWith(min: number, max: number): Uint8Array {
  const bytes = steadyBytes("windows", 8 * MiB);
  let gear = 0;
  for (let end = 1; end <= bytes.length; end++) {
    gear = (gear * 2 + GEAR[bytes[end - 1]!]!) % 2 ** 32;
    const zeros = Math.clz32(gear);
    if (end >= 32 && zeros >= min && zeros <= max) return bytes.subarray(end - 32, end);
  }
  throw new Error("there is none");
}

test("chunks are neither too short nor too long, and about as long as is said", () => {
  const bytes = steadyBytes("lengths", 24 * MiB);
  const cuts = cutsOf(bytes);
  const lengths = cuts.map((cut, index) => cut - (cuts[index - 1] ?? 0));
  assert.ok(lengths.slice(0, -1).every((length) => length > CHUNK_BYTES_MIN && length <= CHUNK_BYTES_MAX));
  const average = bytes.length / lengths.length;
  assert.ok(Math.abs(average / CHUNK_BYTES_AVERAGE - 1) < 0.08, `${average} on average`);
});

test("a cut needs no more than the longest chunk, and is not told before that is there", () => {
  const random = new Random("what a cut needs");
  const bytes = steadyBytes(`${random.seed}`, 2 * MiB);
  for (let round = 0; round < 200; round++) {
    const from = random.below(bytes.length - CHUNK_BYTES_MAX);
    const there = from + CHUNK_BYTES_MAX;
    const more = there + random.below(bytes.length - there + 1);
    assert.is(nextCut(bytes, from, there, false), nextCut(bytes, from, more, round % 2 === 0));
    const less = from + random.below(CHUNK_BYTES_MAX);
    assert.is(nextCut(bytes, from, less, false), undefined);
    assert.ok(less === from || nextCut(bytes, from, less, true)! <= less);
  }
});

test("what is behind a change is cut as before", () => {
  const random = new Random("cuts behind a change", 20);
  const before = steadyBytes("change", 8 * MiB);
  const known = chunkDigests(before);
  for (let round = 0; round < 6; round++) {
    const at = random.below(before.length);
    const inserted = random.bytes(1 + random.below(1000));
    const removed = random.below(3) * random.below(1000);
    const after = Buffer.concat([before.subarray(0, at), inserted, before.subarray(at + removed)]);
    const added = [...chunkDigests(after)].filter(([digest]) => !known.has(digest));
    const bytes = added.reduce((sum, [, length]) => sum + length, 0);
    assert.ok(bytes <= 6 * CHUNK_BYTES_AVERAGE, `${bytes} bytes are new after a change at ${at}`);
  }
});

function chunkDigests(bytes: Uint8Array): Map<string, number> {
  const found = new Map<string, number>();
  let from = 0;
  for (const cut of cutsOf(bytes)) {
    found.set(sha256(bytes.subarray(from, cut)).toString("hex"), cut - from);
    from = cut;
  }
  return found;
}

test.run();
