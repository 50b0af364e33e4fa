import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ByteWriter } from "../../engine/directory/bytes.ts";
import type { TreeEntry } from "../../engine/directory/entry.ts";
import { compareBytes, isSoundPath, keyOf } from "../../engine/directory/entry.ts";
import {
  decodePiece,
  decodeRoot,
  PIECE_ENTRIES_MAX,
  writeEntry,
  writeKey,
  writeRoot,
} from "../../engine/directory/format.ts";
import type { ManifestNode } from "../../engine/directory/node.ts";
import { isCorruption, VarveError } from "../../engine/errors.ts";
import { failure } from "../helpers/errors.ts";
import { removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import "../helpers/whole-suites.ts";
import { entriesOf, file, MemoryStore, newFolder, sha256, written } from "./support.ts";

const test = suite("directories: the bytes of manifests");
test.after.each(removeFolders);

const store = new MemoryStore();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** As the writer does it, for one piece. */
function encodedPiece(entries: TreeEntry[]): ManifestNode {
  const writer = new ByteWriter();
  const references: Uint8Array[] = [];
  writer.byte(3);
  writer.byte(1);
  writer.number(entries.length);
  let previous: Buffer = Buffer.alloc(0);
  for (const entry of entries) {
    const key = Buffer.from(keyOf(entry));
    writeKey(writer, key, previous);
    writeEntry(writer, entry, (digest) => {
      const at = references.findIndex((each) => Buffer.compare(each, digest) === 0);
      return at >= 0 ? at : references.push(digest) - 1;
    });
    previous = key;
  }
  return { references, content: writer.taken() };
}

const EXAMPLE: TreeEntry[] = [
  { ...file(store, "bin/run", "x"), executable: true } as TreeEntry,
  file(store, "data/a.csv", "1,2\n"),
  file(store, "data/b.csv", "1,2\n"),
  { kind: "directory", path: "empty" },
  { kind: "link", path: "latest", target: "data/b.csv" },
];

test("the bytes are those of the format", () => {
  const { root, stamps } = written(EXAMPLE, store);
  const { references, content } = store.load(root);
  assert.is(hex(content), ["02", "01", "05", "09", "05", "00", "07", hex(Buffer.from("bin/run"))].join(""));
  const piece = store.load(references[0]!);
  assert.equal(piece.references.map(hex), [hex(sha256(Buffer.from("x"))), hex(sha256(Buffer.from("1,2\n")))]);
  const parts = [
    ["03", "01", "05"],
    ["00", "07", hex(Buffer.from("bin/run")), "01", "01", "00"],
    ["00", "0a", hex(Buffer.from("data/a.csv")), "00", "04", "01"],
    ["05", "05", hex(Buffer.from("b.csv")), "00", "04", "01"],
    ["00", "06", hex(Buffer.from("empty/")), "03"],
    ["00", "06", hex(Buffer.from("latest")), "02", "0a", hex(Buffer.from("data/b.csv"))],
  ];
  assert.is(hex(piece.content), parts.flat().join(""));
  assert.is(hex(store.load(stamps).content), "0401");
  assert.is(hex(store.load(store.load(stamps).references[0]!).content), `0501${"00".repeat(72)}`);
});

test("a file in chunks refers to the root of their lists, and has its own digest behind that", () => {
  const [digest, root] = [Buffer.alloc(32, 0xd1), Buffer.alloc(32, 0x1d)];
  const plain = { kind: "file", executable: false, digest } as const;
  const entries: TreeEntry[] = [
    { ...plain, path: "a", size: 1_048_577, root },
    { ...plain, path: "b", size: 1_048_576 },
    { ...plain, path: "c", size: 1_048_577, root, executable: true },
  ];
  const piece = store.load(store.load(written(entries, store).root).references[0]!);
  assert.equal(piece.references.map(hex), [hex(root), hex(digest)]);
  const parts = [
    ["03", "01", "03"],
    ["00", "01", hex(Buffer.from("a")), "00", "818040", "00", hex(digest)],
    ["00", "01", hex(Buffer.from("b")), "00", "808040", "01"],
    ["00", "01", hex(Buffer.from("c")), "01", "818040", "00", hex(digest)],
  ];
  assert.is(hex(piece.content), parts.flat().join(""));
  assert.equal(decodePiece(piece), entries);
});

test("an example is read as it was written", () => {
  assert.equal(decodePiece(encodedPiece(EXAMPLE)), EXAMPLE);
});

test("pieces end at the same places wherever they begin, and have at most 1,024 entries", async () => {
  const names = Array.from({ length: 20_000 }, (_, i) => `file-${100_000 + i}`);
  const one = written(
    names.map((name) => file(store, name, "x")),
    store,
  );
  const two = written(
    ["a", ...names.slice(500)].map((name) => file(store, name, "x")),
    store,
  );
  const pieces = store.manifest(one.root).root.pieces;
  assert.ok(pieces.length > 20 && pieces.every(({ entryCount }) => entryCount <= PIECE_ENTRIES_MAX));
  const other = new Set(store.manifest(two.root).root.pieces.map(({ digest }) => hex(digest)));
  const shared = pieces.filter(({ digest }) => other.has(hex(digest)));
  assert.ok(shared.length >= pieces.length - 5, `${shared.length} of ${pieces.length}`);
});

test("names that never end a piece by chance end one by their number, or their length", () => {
  const one = file(store, "x", "x");
  const many = Array.from({ length: 100_000 }, (_, i) => ({ ...one, path: `file-${1_000_000 + i}` }));
  const counts = store.manifest(written(many, store).root).root.pieces.map(({ entryCount }) => entryCount);
  assert.ok(counts.includes(PIECE_ENTRIES_MAX));
  const long = Array.from({ length: 300 }, (_, i) =>
    file(store, `${String(1_000 + i)}/${"x/".repeat(2_000)}x`, "x"),
  );
  const { root } = written(long, store);
  for (const { digest } of store.manifest(root).root.pieces)
    assert.ok(store.load(digest).content.length < 75_000);
});

test("every entry of a large tree is found by its path, and no other", async () => {
  const names = Array.from({ length: 3_000 }, (_, i) => `d${i % 7}/file-${i}`).sort(compareBytes);
  const manifest = store.manifest(
    written(
      names.map((name) => file(store, name, "x")),
      store,
    ).root,
  );
  for (const name of names) assert.is((await manifest.find(name))?.path, name);
  for (const name of ["a", "d0", "d0/", "d0/file-1", "d6/file-", "z"])
    assert.is(await manifest.find(name), undefined);
  const directory = store.directory(
    written(
      names.map((name) => file(store, name, "x")),
      store,
    ).root,
  );
  for (const folder of ["d0", "d3", "d6"])
    assert.equal(
      await entriesOf(directory, folder),
      names.filter((name) => name.startsWith(`${folder}/`)),
    );
});

test("a root is refused whose counts are wrong, or whose pieces are empty, too few or too large", () => {
  const digest = Buffer.alloc(32, 1);
  const root = (entryCount: number, counts: number[], references = counts.length) => {
    const writer = new ByteWriter();
    writeRoot(
      writer,
      { entryCount, size: 0 },
      counts.map((count, i) => ({ digest, entryCount: count, first: `${i}` })),
    );
    return { references: Array(references).fill(digest), content: writer.taken() };
  };
  assert.is(decodeRoot(root(3, [1, 2])).pieces.length, 2);
  assert.is(decodeRoot(root(0, [])).pieces.length, 0);
  for (const wrong of [
    root(4, [1, 2]),
    root(1, [1, 0]),
    root(3, [1, 2], 1),
    root(3, [1, 2], 3),
    root(1_025, [1_025]),
  ])
    assert.throws(() => decodeRoot(wrong), isCorruption);
  assert.throws(
    () => decodeRoot({ ...root(3, [1, 2]), references: [digest, Buffer.alloc(31)] }),
    isCorruption,
  );
});

test("another version of the format is not guessed at", () => {
  const { content, references } = encodedPiece(EXAMPLE);
  const next = Buffer.from(content);
  next[1] = 2;
  assert.throws(() => decodePiece({ references, content: next }), /version is 2/);
});

test("a node of another kind is not read, whatever follows", () => {
  const piece = encodedPiece(EXAMPLE);
  const root = store.load(written(EXAMPLE, store).root);
  assert.throws(() => decodePiece(root), /kind 2, not 3/);
  assert.throws(() => decodeRoot(piece), /kind 3, not 2/);
});

test("references are all used, each once, in the order in which they are met", () => {
  const { content, references } = encodedPiece(EXAMPLE);
  const [one, two] = references as [Uint8Array, Uint8Array];
  for (const wrong of [[], [one], [one, two, Buffer.alloc(32)], [one, one], [one, Buffer.alloc(33)]])
    assert.throws(() => decodePiece({ references: wrong, content }), isCorruption);
});

/** A change that accident or malice could make. */
function changed(node: ManifestNode, random: Random): ManifestNode {
  const bytes = Buffer.from(node.content);
  const at = random.below(bytes.length);
  switch (random.below(6)) {
    case 0:
      bytes[at] = random.below(256);
      return { ...node, content: bytes };
    case 1:
      bytes[at]! ^= 1 << random.below(8);
      return { ...node, content: bytes };
    case 2:
      return { ...node, content: bytes.subarray(0, at) };
    case 3:
      return {
        ...node,
        content: Buffer.concat([
          bytes.subarray(0, at),
          random.bytes(1 + random.below(4)),
          bytes.subarray(at),
        ]),
      };
    case 4:
      return {
        ...node,
        content: Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(4))]),
      };
    default:
      return { ...node, references: node.references.slice(random.below(2), 1 + random.below(4)) };
  }
}

test("changed bytes are refused, or are the one form of another sound tree", () => {
  const random = new Random("changed manifests");
  const odd = [file(store, "a\n", "x"), file(store, "é/e\u0301", "y"), file(store, "\u{10000}", "z")];
  const [digest, root] = [random.bytes(32), random.bytes(32)];
  odd.splice(1, 0, { ...odd[0]!, path: "b", size: 2 ** 21, digest, root });
  const nodes = [encodedPiece(EXAMPLE), encodedPiece(odd), store.load(written(EXAMPLE, store).root)];
  let read = 0;
  for (let run = 0; run < Number(process.env.VARVE_TEST_RUNS ?? 20_000); run++) {
    let node = changed(nodes[run % 3]!, random);
    if (random.below(2) === 0) node = node.content.length > 0 ? changed(node, random) : node;
    try {
      if (run % 3 === 2) {
        decodeRoot(node);
        continue;
      }
      const entries = decodePiece(node);
      read++;
      const keys = entries.map(keyOf);
      assert.ok(entries.every(({ path }) => isSoundPath(path)));
      assert.ok(keys.every((key, i) => i === 0 || compareBytes(keys[i - 1]!, key) < 0));
      const again = encodedPiece(entries);
      assert.is(hex(again.content), hex(node.content), `seed ${random.seed}`);
      assert.equal(again.references.map(hex), node.references.map(hex));
    } catch (error) {
      if (!(error instanceof VarveError)) throw error;
      assert.is(error.code, "CORRUPTION", `seed ${random.seed}: ${error.message}`);
    }
  }
  assert.ok(read > 100, `only ${read} of the changes could be read`);
});

test("a manifest whose total is wrong is refused when all of it is read", async () => {
  const { root } = written(EXAMPLE, store);
  const node = store.load(root);
  const content = Buffer.from(node.content);
  content[3]! += 1;
  const directory = store.directory(store.putNode({ ...node, content }));
  await failure(directory.writeTo(join(newFolder(), "tree")), "CORRUPTION");
});

test.run();
