import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Directory } from "../../engine/main.ts";
import type { StoreTesting } from "./store-support.ts";
import { all, makeTree, noise, refs, refused, storeTests } from "./store-support.ts";

const LARGE = noise(2_500_000, 3);
const FILES = {
  "a.txt": "alpha",
  "b/same.txt": "alpha",
  "b/c/deep.bin": noise(70_000),
  "b/empty.txt": "",
  "large.bin": LARGE,
  "é/\u{1F600}.txt": "smile",
  "nothing/": "",
};
/** Of the tree above, with its link and its executable file: wherever it is kept. */
const DIGEST = "sha256:0f16823c0059ff489ff842773a89dc16d5a55b1a6ecd553579effd632f095db7";

function treeOf(folder: string): string {
  const tree = makeTree(join(folder, "tree"), FILES);
  symlinkSync("b/same.txt", join(tree, "link"));
  chmodSync(join(tree, "a.txt"), 0o755);
  return tree;
}

/** Times of files are not believed until they are a moment old. */
function age(tree: string): void {
  const past = Date.now() / 1_000 - 3_600;
  for (const path of Object.keys(FILES)) if (!path.endsWith("/")) utimesSync(join(tree, path), past, past);
}

/** Folders that are saved as one artifact. */
export function directoryTests(testing: StoreTesting): void {
  savedTests(testing);
  againTests(testing);
}

function savedTests(testing: StoreTesting): void {
  const test = storeTests(testing, "directories");

  test("a tree is listed, read and restored, and its digest is the same everywhere", async (store, {
    folder,
    again,
  }) => {
    const tree = treeOf(folder());
    const saved = await store.saveDirectory("tree", tree, { tags: { a: "b" } });
    assert.equal(saved.digest, DIGEST);
    assert.equal(saved.mediaType, "application/vnd.varve.directory");
    const sizes = Object.values(FILES).map((content) => Buffer.from(content).length);
    assert.equal(
      saved.size,
      sizes.reduce((sum, size) => sum + size, 0),
    );
    const directory = await (await again()).load<Directory>("tree");
    assert.equal(directory.entryCount, 8);
    const listed = await all(directory.list());
    assert.deepEqual(
      listed.map(({ path, kind, executable }) => [path, kind, executable]),
      [
        ["a.txt", "file", true],
        ["b/c/deep.bin", "file", false],
        ["b/empty.txt", "file", false],
        ["b/same.txt", "file", false],
        ["large.bin", "file", false],
        ["link", "link", false],
        ["nothing", "directory", false],
        ["é/\u{1F600}.txt", "file", false],
      ],
    );
    const large = listed.find(({ path }) => path === "large.bin")!;
    assert.equal(large.digest, `sha256:${createHash("sha256").update(LARGE).digest("hex")}`);
    await checkReads(directory);
    const target = join(folder(), "restored");
    await saved.writeTo(target);
    for (const [path, content] of Object.entries(FILES))
      if (!path.endsWith("/")) assert.deepEqual(readFileSync(join(target, path)), Buffer.from(content));
    assert.equal(readlinkSync(join(target, "link")), "b/same.txt");
    assert.ok(statSync(join(target, "a.txt")).mode & 0o100);
    assert.ok(statSync(join(target, "nothing")).isDirectory());
    await refused(saved.bytes(), "INVALID_ARGUMENT");
    await refused(saved.writeTo(target), "CONFLICT");
  });

  test("what can't be kept is named, and what is ignored left out", async (store, { folder }) => {
    const tree = treeOf(folder());
    const saved = await store.saveDirectory("tree", tree, { ignore: ["*.bin", "b/c/", "link"] });
    const paths = (await all((await saved.value<Directory>()).list())).map(({ path }) => path);
    assert.deepEqual(paths, ["a.txt", "b/empty.txt", "b/same.txt", "nothing", "é/\u{1F600}.txt"]);
    symlinkSync("/etc", join(tree, "outward"));
    assert.match((await refused(store.saveDirectory("tree", tree), "UNSUPPORTED_VALUE")).message, /outward/);
    await refused(store.saveDirectory("tree", join(tree, "none")), "INVALID_ARGUMENT");
    await refused(store.saveDirectory("tree", ""), "INVALID_ARGUMENT");
    assert.deepEqual(await refs(store.list({ allVersions: true })), ["tree:0"]);
  });

  test("an empty folder, and one of many files", async (store, { folder }) => {
    const empty = await store.saveDirectory("empty", folder());
    assert.equal(empty.size, 0);
    assert.deepEqual(await all((await empty.value<Directory>()).list()), []);
    const many = Object.fromEntries(
      Array.from({ length: 1_500 }, (_, i) => [`d${i % 7}/f${i}`, `${i % 400}`]),
    );
    const saved = await store.saveDirectory("many", makeTree(join(folder(), "many"), many));
    const directory = await saved.value<Directory>();
    assert.equal(directory.entryCount, 1_500);
    assert.equal(Buffer.from(await directory.read("d3/f1123")).toString(), "323");
    assert.equal((await all(directory.list("d3"))).length, 214);
    assert.deepEqual((await store.verify({ full: true })).problems, []);
  });
}

async function checkReads(directory: Directory): Promise<void> {
  assert.equal(Buffer.from(await directory.read("a.txt")).toString(), "alpha");
  assert.equal(Buffer.from(await directory.read("a.txt", { start: 1, end: 3 })).toString(), "lp");
  assert.deepEqual(Buffer.concat(await all(directory.stream("large.bin"))), LARGE);
  const part = { start: 1_048_570, end: 1_048_590 };
  assert.deepEqual(
    Buffer.from(await directory.read("large.bin", part)),
    LARGE.subarray(part.start, part.end),
  );
  assert.deepEqual(
    (await all(directory.list("b"))).map(({ path }) => path),
    ["b/c/deep.bin", "b/empty.txt", "b/same.txt"],
  );
  await refused(directory.read("none"), "NOT_FOUND");
  await refused(directory.read("b"), "INVALID_ARGUMENT");
  await refused(directory.read("../a"), "INVALID_ARGUMENT");
}

function againTests(testing: StoreTesting): void {
  const test = storeTests(testing, "directories again");

  test("what did not change is the same, what did is read", async (store, { folder }) => {
    const tree = treeOf(folder());
    age(tree);
    const first = await store.saveDirectory("tree", tree);
    // The inode's own time can't be set back.
    await sleep(150);
    await store.saveDirectory("tree", tree);
    const same = await store.saveDirectory("tree", tree);
    assert.equal(same.digest, first.digest);
    writeFileSync(join(tree, "a.txt"), "ALPHA");
    rmSync(join(tree, "link"));
    const changed = await store.saveDirectory("tree", tree);
    assert.notEqual(changed.digest, first.digest);
    const directory = await changed.value<Directory>();
    assert.equal(Buffer.from(await directory.read("a.txt")).toString(), "ALPHA");
    assert.deepEqual(Buffer.from(await directory.read("large.bin")), LARGE);
    assert.equal((await store.saveDirectory("tree", tree, { checkContents: true })).digest, changed.digest);
    assert.equal(Buffer.from(await (await first.value<Directory>()).read("a.txt")).toString(), "alpha");
  });

  test("a tree outlives the versions that it was compared with", async (store, { folder, settle }) => {
    const tree = treeOf(folder());
    await store.saveDirectory("tree", tree);
    await sleep(150);
    const kept = await store.saveDirectory("tree", tree);
    await store.delete("tree:0");
    await settle();
    await store.compact();
    assert.deepEqual((await store.verify({ full: true })).problems, []);
    await checkReads(await kept.value<Directory>());
    await store.delete("tree:1");
    await settle();
    await store.compact();
    assert.equal((await store.stats()).liveBlobBytes, 0);
    // Nothing of it is there to be compared with.
    const again = await store.saveDirectory("tree", tree);
    await checkReads(await again.value<Directory>());
    assert.deepEqual((await store.verify({ full: true })).problems, []);
  });

  test("saves of one folder under one name at once", async (store, { folder, again }) => {
    const tree = treeOf(folder());
    await store.saveDirectory("tree", tree);
    await sleep(150);
    const stores = [store, await again()];
    const saved = await Promise.all([0, 1, 2, 3].map((i) => stores[i % 2]!.saveDirectory("tree", tree)));
    assert.deepEqual(saved.map(({ version }) => version).sort(), [1, 2, 3, 4]);
    assert.equal(new Set(saved.map(({ digest }) => digest)).size, 1);
    await refused(store.saveDirectory("tree", tree, { ifVersion: 0 }), "CONFLICT");
    assert.equal((await store.saveDirectory("tree", tree, { ifVersion: 4 })).version, 5);
  });
}
