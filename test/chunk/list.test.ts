import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CHUNK_BYTES_MAX } from "../../engine/chunk/cutter.ts";
import { LIST_REFERENCES_AVERAGE, LIST_REFERENCES_MIN } from "../../engine/chunk/list-builder.ts";
import {
  decodeList,
  decodeNode,
  digestAt,
  encodeList,
  encodeNode,
  LIST_REFERENCES_MAX,
  REFERENCE_BYTES,
} from "../../engine/chunk/node.ts";
import { chunksWithin } from "../../engine/chunk/range.ts";
import { Random } from "../helpers/random.ts";
import { built, collected, type Listed, listed, reader } from "./list-support.ts";
import { sha256, steadyBytes } from "./support.ts";

const test = suite("lists of chunks");

/** All with the same first byte: 0 ends a list where that is allowed, others do not. */
function uniform(first: number, count: number): Listed[] {
  const digest = Buffer.alloc(32, 7);
  digest[0] = first;
  return Array.from({ length: count }, () => ({ digest, length: CHUNK_BYTES_MAX }));
}

const sizeOf = (chunks: Listed[]) => chunks.reduce((sum, { length }) => sum + length, 0);

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

test.run();
