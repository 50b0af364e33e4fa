import {
  appendFileSync,
  chmodSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { captureTree } from "../../engine/directory/capture.ts";
import type { EarlierPiece } from "../../engine/directory/changes.ts";
import { IgnoreRules } from "../../engine/directory/ignore.ts";
import { removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import "../helpers/whole-suites.ts";
import type { Captured } from "./support.ts";
import { capture, type MemoryStore, makeTree, newFolder } from "./support.ts";

/** Pieces of the earlier manifest are taken over as they are where nothing in them changed. */
const test = suite("directories: pieces that did not change");
test.after.each(removeFolders);

const random = new Random("pieces that did not change");
const FILES = 1_600;

const settle = () => new Promise((resolve) => setTimeout(resolve, 250));

/** Several pieces: files, some in folders, links and empty folders. */
async function savedTree(): Promise<{ root: string; first: Captured }> {
  const root = newFolder();
  const names = Array.from({ length: FILES }, (_, i) => `f${String(i).padStart(5, "0")}`);
  makeTree(root, Object.fromEntries(names.map((name, i) => [i % 3 ? name : `d${i % 7}/${name}`, name])));
  makeTree(root, {
    "d1/link": { to: "../f00001" },
    "d2/run": { run: "x" },
    "e/empty": null,
    "zz/empty": null,
  });
  await settle();
  return { root, first: await capture(root) };
}

/** The next version, which has to be just what it were if nothing was known. */
async function again(root: string, before: Captured): Promise<{ next: Captured; nodesPut: number }> {
  const { store } = before;
  const { putNode } = store;
  let nodesPut = 0;
  store.putNode = (node) => {
    nodesPut++;
    return putNode.call(store, node);
  };
  const next = await capture(root, { before });
  store.putNode = putNode;
  const anew = await capture(root);
  assert.equal([next.root, next.entryCount, next.size], [anew.root, anew.entryCount, anew.size]);
  return { next, nodesPut };
}

const CHANGES: Record<string, (root: string, path: string) => unknown> = {
  "a file grew": (_, path) => appendFileSync(path, "more"),
  "a file went": (_, path) => rmSync(path),
  "a file came": (root) => writeFileSync(join(root, `f${random.below(FILES)}-new`), "new"),
  "a file came first": (root) => writeFileSync(join(root, `!${random.below(FILES)}`), "new"),
  "a file came last": (root) => writeFileSync(join(root, `zzz${random.below(FILES)}`), "new"),
  "a file may be run": (_, path) => chmodSync(path, 0o755),
  "a file became a link": (_, path) => {
    rmSync(path);
    symlinkSync(".", path);
  },
  "a link leads elsewhere": (root) => {
    rmSync(join(root, "d1/link"), { force: true });
    symlinkSync(`../f0000${1 + random.below(9)}`, join(root, "d1/link"));
  },
  "a folder is empty no more": (root) => writeFileSync(join(root, "e/empty/file"), "x"),
  "the last folder went": (root) => rmSync(join(root, "zz"), { recursive: true, force: true }),
  "a file changed in its time only": (_, path) => utimesSync(path, 1_000, 1_000),
};

test("unchanged: only the two roots are written again, and nothing is read", async () => {
  const { root, first } = await savedTree();
  const { next, nodesPut } = await again(root, first);
  assert.equal([next.filesRead, nodesPut], [0, 2]);
  assert.equal(next.stamps, first.stamps);
});

test("each kind of change, alone and together with others, gives the tree that reading all gives", async () => {
  const { root, first } = await savedTree();
  let before = first;
  const all = Object.entries(CHANGES);
  for (const some of [...all.map((each) => [each]), ...Array.from({ length: 8 }, () => all)]) {
    const files = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isFile());
    for (const [, change] of some.filter(() => some.length === 1 || random.below(3) === 0))
      change(root, join(root, files[random.below(files.length)]!.name));
    const what = some.map(([name]) => name).join(", ");
    const { next, nodesPut } = await again(root, before);
    assert.ok(next.filesRead <= some.length * 2, `${what}: ${next.filesRead} read`);
    if (some.length === 1) assert.ok(nodesPut <= 8, `${what}: ${nodesPut} nodes`);
    await settle();
    // What was too new to be believed is, from here on.
    before = (await again(root, next)).next;
  }
});

test("a piece that is not kept any more is written again, and of its files those that are not", async () => {
  const { root, first } = await savedTree();
  const { store } = first;
  const asked: EarlierPiece[] = [];
  const sink = Object.assign(Object.create(store) as MemoryStore, {
    isKept: () => false,
    isPieceKept: (piece: EarlierPiece) => asked.push(piece) > 1,
  });
  const options = { ignore: new IgnoreRules(), earlier: store.earlier(first) };
  const next = await captureTree(root, sink, options);
  assert.equal([next.root, next.stamps], [first.root, first.stamps]);
  assert.is(next.filesRead, asked[0]!.entries.filter(({ kind }) => kind === "file").length);
  assert.is(asked.length, store.load(first.root).references.length);
});

test("a stamp that is not settled any more, since the clock was set back, is not kept", async () => {
  const { root, first } = await savedTree();
  const { now } = Date;
  Date.now = () => 1_000;
  try {
    const next = await capture(root, { before: first });
    assert.equal([next.root, next.filesRead], [first.root, 0]);
    assert.not.equal(next.stamps, first.stamps);
  } finally {
    Date.now = now;
  }
});

test.run();
