import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CHUNK_BYTES_MAX } from "../../engine/chunk/cutter.ts";
import {
  LIST_REFERENCES_AVERAGE,
  LIST_REFERENCES_MIN,
  ListBuilder,
  type ListNode,
} from "../../engine/chunk/list-builder.ts";
import {
  decodeList,
  decodeNode,
  digestAt,
  encodeList,
  encodeNode,
  LIST_LEVELS_MAX,
  LIST_REFERENCES_MAX,
  REFERENCE_BYTES,
} from "../../engine/chunk/node.ts";
import { chunksWithin, type PlacedChunk, type Root } from "../../engine/chunk/range.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { Random } from "../helpers/random.ts";
import { sha256, steadyBytes } from "./support.ts";

const test = suite("lists of chunks");

interface Listed {
  digest: Buffer;
  length: number;
}

/** Chunks with digests that look random. */
function listed(text: string, count: number): Listed[] {
  const bytes = Buffer.from(steadyBytes(text, count * 34));
  return Array.from({ length: count }, (_, index) => ({
    digest: bytes.subarray(index * 34, index * 34 + 32),
    length: 1 + bytes.readUInt16LE(index * 34 + 32),
  }));
}

/** All with the same first byte: 0 ends a list where that is allowed, others do not. */
function uniform(first: number, count: number): Listed[] {
  const digest = Buffer.alloc(32, 7);
  digest[0] = first;
  return Array.from({ length: count }, () => ({ digest, length: CHUNK_BYTES_MAX }));
}

interface Tree {
  root: ListNode;
  nodes: ListNode[];
  byDigest: Map<string, Uint8Array>;
}

function built(chunks: Listed[]): Tree {
  const builder = new ListBuilder();
  const nodes: ListNode[] = [];
  for (const { digest, length } of chunks) nodes.push(...builder.add(digest, length));
  const { nodes: last, root } = builder.end();
  nodes.push(...last);
  return {
    root,
    nodes,
    byDigest: new Map(nodes.map(({ digest, bytes }) => [digest.toString("hex"), bytes])),
  };
}

const sizeOf = (chunks: Listed[]) => chunks.reduce((sum, { length }) => sum + length, 0);

function reader({ byDigest }: Tree, asked: string[] = []): (digest: Buffer) => Promise<Uint8Array> {
  return async (digest) => {
    const name = digest.toString("hex");
    asked.push(name);
    const bytes = byDigest.get(name);
    if (bytes === undefined) throw new Error(`nobody made ${name}`);
    return bytes;
  };
}

async function collected(chunks: AsyncIterable<PlacedChunk>): Promise<PlacedChunk[]> {
  const all: PlacedChunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

test("a list has the bytes of the format", () => {
  const digests = Buffer.concat([Buffer.alloc(32, 0xaa), Buffer.alloc(32, 0xbb)]);
  const bytes = encodeList(1, digests, Float64Array.of(65536, 10));
  const expected = ["02000000", "aa".repeat(32), "bb".repeat(32), "01", "01", "0000"];
  expected.push("0000010000000000", "0a00000000000000");
  assert.is(Buffer.from(bytes).toString("hex"), expected.join(""));
  assert.equal(decodeList(bytes), {
    level: 1,
    count: 2,
    digests: new Uint8Array(digests),
    lengths: Float64Array.of(65536, 10),
    size: 65546,
  });
  const upper = decodeList(encodeList(8, digests, Float64Array.of(2 ** 52, 2 ** 52 - 1)));
  assert.is(upper.size, Number.MAX_SAFE_INTEGER);
});

test("a node says what it refers to before anything else", () => {
  const digests = new Uint8Array(steadyBytes("node", 96));
  const node = decodeNode(encodeNode(digests, Buffer.from("content")));
  assert.is(node.count, 3);
  assert.equal(node.digests, digests);
  assert.is(Buffer.from(node.content).toString(), "content");
  assert.equal(digestAt(node.digests, 2), Buffer.from(digests.subarray(64)));
  assert.is(decodeNode(encodeNode(new Uint8Array(0), new Uint8Array(0))).count, 0);
});

test("known chunks are listed as they have always been listed", () => {
  const { root, nodes } = built(listed("golden", 100_000));
  assert.is(root.digest.toString("hex"), "4a7c5b51817df70d5f1fe227bc2a0783d79210f61ef86c38cf72806b5da2e27f");
  assert.equal([root.level, root.size, nodes.length], [2, 3_270_777_767, 318]);
});

test("a tree of lists has all chunks in order, whatever their number and digests", async () => {
  const random = new Random("trees");
  const counts = [1, 2, LIST_REFERENCES_MIN, LIST_REFERENCES_MIN + 1, LIST_REFERENCES_MAX, 1025];
  const all = [
    ...counts.flatMap((count) => [uniform(0, count), uniform(1, count), listed(`${random.seed}`, count)]),
    uniform(0, LIST_REFERENCES_MIN ** 2),
    uniform(0, LIST_REFERENCES_MIN ** 2 + 1),
    uniform(9, 70_000),
    listed(`${random.seed} long`, random.below(60_000) + 1),
  ];
  for (const chunks of all) {
    const tree = built(chunks);
    assert.is(tree.root.size, sizeOf(chunks));
    const found = await collected(chunksWithin(tree.root, reader(tree)));
    assert.is(found.length, chunks.length);
    let offset = 0;
    for (const [index, { digest, length }] of chunks.entries()) {
      const chunk = found[index]!;
      assert.ok(chunk.digest.equals(digest) && chunk.offset === offset && chunk.length === length);
      offset += length;
    }
  }
});

test("there is no list above a single one, none is made for nothing, and each comes behind what it refers to", () => {
  for (const chunks of [uniform(0, 64), uniform(1, 1024), uniform(1, 1), listed("single", 50)]) {
    const { root, nodes } = built(chunks);
    assert.equal([root.level, nodes.length], [1, 1]);
    assert.is(nodes[0], root);
  }
  const { root, nodes } = built(listed("order", 200_000));
  const made = new Set<string>();
  for (const { digest, bytes, level, size } of nodes) {
    const list = decodeList(bytes);
    assert.equal([list.level, list.size], [level, size]);
    assert.ok(digest.equals(sha256(bytes)));
    if (level > 1)
      for (let i = 0; i < list.count; i++) assert.ok(made.has(digestAt(list.digests, i).toString("hex")));
    made.add(digest.toString("hex"));
  }
  assert.is(nodes.at(-1), root);
  assert.ok(decodeList(root.bytes).count > 1);
});

test("lists end where the rule says, and have about as many references as is said", () => {
  const { nodes } = built(listed("lengths", 200_000));
  const lists = nodes.filter(({ level }) => level === 1).map(({ bytes }) => decodeList(bytes));
  for (const { count, digests } of lists.slice(0, -1)) {
    const ends = Array.from({ length: count }, (_, index) => digests[index * 32] === 0 && index >= 63);
    assert.is(ends.indexOf(true), count === LIST_REFERENCES_MAX && !ends.at(-1) ? -1 : count - 1);
  }
  const average = 200_000 / lists.length;
  assert.ok(Math.abs(average / LIST_REFERENCES_AVERAGE - 1) < 0.1, `${average} on average`);
});

test("a value of which little changed shares most of its lists", () => {
  const random = new Random("shared lists");
  const before = listed(`${random.seed} before`, 100_000);
  const { byDigest } = built(before);
  for (let round = 0; round < 5; round++) {
    const at = round === 0 ? before.length : random.below(before.length);
    const after = before.toSpliced(
      at,
      random.below(2),
      ...listed(`${random.seed} ${round}`, 1 + random.below(3)),
    );
    const added = built(after).nodes.filter(({ digest }) => !byDigest.has(digest.toString("hex")));
    const bytes = added.reduce((sum, node) => sum + node.bytes.length, 0);
    assert.ok(
      added.length <= 16 && bytes < 16 * LIST_REFERENCES_MAX * REFERENCE_BYTES,
      `${added.length} lists`,
    );
    const total = after.length * REFERENCE_BYTES;
    assert.ok(bytes < total / 4, `${bytes} of ${total} bytes`);
  }
});

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
