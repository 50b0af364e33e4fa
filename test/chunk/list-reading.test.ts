import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CHUNK_BYTES_MAX } from "../../engine/chunk/cutter.ts";
import { ListBuilder } from "../../engine/chunk/list-builder.ts";
import { decodeList, digestAt, encodeList, LIST_LEVELS_MAX } from "../../engine/chunk/node.ts";
import { chunksWithin, type Root } from "../../engine/chunk/range.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { Random } from "../helpers/random.ts";
import { built, collected, listed, reader } from "./list-support.ts";

/** Ranges of a tree of lists, and bytes that are no list. */
const test = suite("lists of chunks that are read");

test("a range gives the chunks that have its bytes, and reads the lists on the way alone", async () => {
  const random = new Random("ranges");
  const chunks = listed(`${random.seed}`, 50_000);
  const tree = built(chunks);
  const offsets: number[] = [];
  let offset = 0;
  for (const { length } of chunks) {
    offsets.push(offset);
    offset += length;
  }
  const { size } = tree.root;
  const ranges = Array.from({ length: 60 }, () => [random.below(size), random.below(2) * 100_000] as const);
  ranges.push([0, 1], [0, size], [size - 1, 1], [size, 0], [0, 0], [offsets[7]!, chunks[7]!.length]);
  for (const [start, length] of ranges) {
    const end = Math.min(size, start + length);
    const asked: string[] = [];
    const found = await collected(chunksWithin(tree.root, reader(tree, asked), start, end));
    const wanted = offsets.filter((from, index) => from < end && from + chunks[index]!.length > start);
    assert.equal(
      found.map(({ offset }) => offset),
      start === end ? [] : wanted,
    );
    assert.is(new Set(asked).size, asked.length, "a list is read once");
    if (length <= 100_000) assert.ok(asked.length <= tree.root.level + 3, `${asked.length} lists are read`);
  }
});

test("ranges that are none are refused", async () => {
  const tree = built(listed("refused", 10));
  const { size } = tree.root;
  for (const [start, end] of [
    [-1, 1],
    [0, size + 1],
    [5, 4],
    [0.5, 2],
    [Number.NaN, 2],
    [0, Number.NaN],
  ] as const)
    await failureWithHint(collected(chunksWithin(tree.root, reader(tree), start, end)), "INVALID_ARGUMENT");
  await failureWithHint(() => new ListBuilder().end(), "INVALID_ARGUMENT");
});

test("a list that its place does not ask for is damage", async () => {
  const tree = built(listed("misplaced", 3000));
  const { root } = tree;
  const other = built(listed("another", 3000));
  const wrongSize = { ...root, size: root.size + 1 };
  await failureWithHint(collected(chunksWithin(wrongSize, reader(tree))), "CORRUPTION");
  const first = decodeList(root.bytes);
  const [child] = [digestAt(first.digests, 0).toString("hex")];
  for (const bytes of [root.bytes, other.nodes[0]!.bytes, new Uint8Array(0)]) {
    const swapped = { ...tree, byDigest: new Map(tree.byDigest).set(child, bytes) };
    await failureWithHint(collected(chunksWithin(root, reader(swapped))), "CORRUPTION");
    const far = await collected(chunksWithin(root as Root, reader(swapped), root.size - 1));
    assert.is(far.length, 1, "what is not on the way does not matter");
  }
  const upper = encodeList(2, first.digests.slice(0, 32), Float64Array.of(first.lengths[0]!));
  const swapped = { ...tree, byDigest: new Map(tree.byDigest).set(child, upper) };
  await failureWithHint(collected(chunksWithin(root, reader(swapped))), "CORRUPTION");
});

test("bytes that are no list are damage, whatever they are, and what is read is written alike", async () => {
  const random = new Random("damaged lists");
  const list = Buffer.from(built(listed("damaged", 40)).root.bytes);
  const at = 4 + 40 * 32;
  const cases: ((bytes: Buffer) => Buffer)[] = [
    (bytes) => bytes.subarray(0, 3),
    (bytes) => bytes.subarray(0, -1),
    (bytes) => Buffer.concat([bytes, Buffer.alloc(1)]),
    (bytes) => withNumber(bytes, 39, 0),
    (bytes) => withNumber(bytes, 2 ** 32 - 1, 0),
    () => Buffer.from("0000000001010000", "hex"),
    (bytes) => bytes.fill(2, at, at + 1),
    (bytes) => bytes.fill(0, at + 1, at + 2),
    (bytes) => bytes.fill(LIST_LEVELS_MAX + 1, at + 1, at + 2),
    (bytes) => bytes.fill(1, at + 2, at + 3),
    (bytes) => bytes.fill(1, at + 3, at + 4),
    (bytes) => bytes.fill(0, at + 4, at + 12),
    (bytes) => withNumber(bytes, CHUNK_BYTES_MAX + 1, at + 4),
    (bytes) => bytes.fill(0xff, at + 4, at + 12).fill(2, at + 1, at + 2),
    (bytes) =>
      bytes
        .fill(0x1f, at + 10, at + 11)
        .fill(0x1f, at + 18, at + 19)
        .fill(2, at + 1, at + 2),
    () => Buffer.from(encodeList(1, new Uint8Array(1025 * 32), new Float64Array(1025).fill(1))),
  ];
  for (const damage of cases)
    await failureWithHint(() => decodeList(damage(Buffer.from(list))), "CORRUPTION");
  let readable = 0;
  for (let round = 0; round < 3000; round++) {
    const bytes = mutated(list, random);
    try {
      const { level, digests, lengths, count, size } = decodeList(bytes);
      assert.ok(Buffer.from(encodeList(level, digests, lengths)).equals(bytes));
      assert.ok(count === lengths.length && Number.isSafeInteger(size));
      readable += 1;
    } catch (error) {
      await failureWithHint(Promise.reject(error), "CORRUPTION");
    }
  }
  assert.ok(readable > 100, `${readable} could be read`);
});

function withNumber(bytes: Buffer, value: number, at: number): Buffer {
  bytes.writeUInt32LE(value, at);
  return bytes;
}

function mutated(list: Buffer, random: Random): Buffer {
  if (random.below(10) === 0) return random.bytes(random.below(200));
  const bytes = Buffer.from(list);
  for (let count = random.below(4); count >= 0; count--) {
    const at = random.below(3) === 0 ? random.below(4) : random.below(bytes.length);
    bytes[at] = random.below(2) === 0 ? random.below(256) : bytes[at]! ^ (1 << random.below(8));
  }
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes;
}

test.run();
