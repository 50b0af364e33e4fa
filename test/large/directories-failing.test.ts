import { execFileSync } from "node:child_process";
import { existsSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Directory } from "../../engine/api.ts";
import type { EngineCore } from "../../engine/engine.ts";
import type { VarveErrorCode } from "../../engine/errors.ts";
import { loadNode } from "../../engine/large/directory-source.ts";
import { newFolder as fastFolder } from "../directory/support.ts";
import { damageText, segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { healAll } from "../helpers/failing-disk.ts";
import { systemError, WatchedFiles } from "../helpers/files.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import {
  entriesOf,
  GROUP_FILES,
  manyFiles,
  newTree,
  openedBy,
  restores,
  settle,
  textOf,
  watchingOpens,
} from "./directories-support.ts";
import { otherForDirectories } from "./other-process.ts";
import { allFreed, BUFFERED, MIB, noise, nothingFound, pinned, pinsOf, whole, withCore } from "./support.ts";

/** Folders that can't be saved, saves that are ended, and what a disk has lost of a tree. */
const test = suite("directories that fail");
test.after.each(closeAll);
test.after.each(killPrograms);

const random = new Random("directories that fail");

/** Nobody finds a version, no pin is left, and what was written goes. */
async function nothingLeft(home: string, store: ArtifactStore): Promise<void> {
  await nothingFound(home, store, "tree");
  await store.compact();
  // Of each small file some bytes are left in what the log has of the past.
  await store.compact({ historyBefore: new Date(Date.now() + 60_000) });
  await allFreed(home, store);
}

/** What is met behind the files of a whole group, and what it is refused as. */
const REFUSED: [string, VarveErrorCode, (path: string) => unknown][] = [
  ["a link out", "UNSUPPORTED_VALUE", (path) => symlinkSync("../..", path)],
  ["a link to itself", "UNSUPPORTED_VALUE", (path) => symlinkSync("z", path)],
  ["a named pipe", "UNSUPPORTED_VALUE", (path) => execFileSync("mkfifo", [path])],
  [
    "a socket",
    "UNSUPPORTED_VALUE",
    (path) =>
      new Promise<void>((resolve) => {
        const server = createServer().listen(path, resolve);
        server.unref();
      }),
  ],
];

for (const [what, code, make] of REFUSED) {
  test(`${what}: the error names it, nothing is left, and without it the folder is saved`, async () => {
    const home = newFolder();
    const store = await openTestStore(home, BUFFERED);
    // Names of sockets are short, and so is that of this folder.
    const root = newTree(manyFiles(GROUP_FILES));
    await make(`${root}/z`);
    const error = await failureWithHint(store.saveDirectory("tree", root), code);
    assert.is(error.details?.path, "z");
    assert.match(error.message, /"z"/);
    await nothingLeft(home, store);
    await restoresWithout(await store.saveDirectory("tree", root, { ignore: ["z"] }), root);
  });
}

async function restoresWithout(artifact: Awaited<ReturnType<ArtifactStore["get"]>>, root: string) {
  rmSync(`${root}/z`, { force: true });
  await restores(artifact, root);
}

test("a file that is removed, or written to, while the folder is read: CONFLICT that names it", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const root = newTree({ ...manyFiles(GROUP_FILES), "z/large": noise(random, 2 * MIB) });
  const changes: ((path: string) => void)[] = [
    (path) => rmSync(path),
    (path) => writeFileSync(path, noise(random, 2 * MIB + 1)),
  ];
  for (const [i, change] of changes.reverse().entries()) {
    let count = 0;
    const onOpen = (path: string) => {
      // Once to look at it, and once more to read it.
      if (path === "z/large" && ++count === 2) change(`${root}/${path}`);
    };
    const call = () => watchingOpens(root, onOpen, () => store.saveDirectory("tree", root));
    const error = await failureWithHint(call, "CONFLICT");
    assert.is(error.details?.path, "z/large", `change ${i}`);
  }
  await nothingLeft(home, store);
});

test("aborted: before it began, among small files, and in a large one", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const root = newTree({ ...manyFiles(GROUP_FILES), "z/large": noise(random, 2 * MIB) });
  await failure(store.saveDirectory("tree", root, { signal: AbortSignal.abort() }), "ABORTED");
  for (const last of ["d9/f00019", "z/large"]) {
    const abort = new AbortController();
    const { signal } = abort;
    const onOpen = (path: string) => path === last && abort.abort();
    const call = () => watchingOpens(root, onOpen, () => store.saveDirectory("tree", root, { signal }));
    await failure(call, "ABORTED");
  }
  await nothingLeft(home, store);
});

for (const [code, failed] of [
  ["ENOSPC", "NO_SPACE"],
  ["EIO", "IO"],
] as [string, VarveErrorCode][]) {
  test(`${code} in the middle: nothing is left, and once the disk is well it is saved`, async () => {
    const files = new WatchedFiles();
    const home = newFolder();
    const store = await openSeamStore(home, { files }, "buffered");
    const root = newTree({ ...manyFiles(2 * GROUP_FILES), "z/large": noise(random, 2 * MIB) });
    let appends = 0;
    files.onAppend = (pieces, write) => {
      if (++appends > 2) throw systemError(code, "write");
      write(pieces);
    };
    await failure(store.saveDirectory("tree", root), failed);
    assert.ok(appends > 2, "it came so far");
    healAll(files);
    assert.not(await store.has("tree"));
    // Pins that could not be removed either are kept until the store is closed.
    await store.close();
    const again = await openTestStore(home, BUFFERED);
    await restores(await again.saveDirectory("tree", root), root);
    await again.delete("tree:all");
    await again.compact();
    await nothingLeft(home, again);
  });
}

test("killed in the middle: nobody sees a version, what it wrote goes, and the next one saves it", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const root = newTree(manyFiles(2 * GROUP_FILES));
  const program = await otherForDirectories(home);
  assert.equal(await program.ask(`halt tree ${root}`), { groups: 2 });
  await pinned(home);
  await store.compact();
  assert.ok((await pinsOf(home)) > 0, "it is alive: what it wrote stays");
  assert.ok((await store.stats()).blobs >= 500);
  await program.kill();
  await new Promise(setImmediate);
  assert.not(await store.has("tree"));
  await whole(store);
  await allFreed(home, store);
  await restores(await store.saveDirectory("tree", root), root);
  await whole(store);
});

/** Blobs of a saved tree: its root, its pieces, its stamps and theirs. */
async function partsOf(home: string, digest: string) {
  return withCore(home, async (core: EngineCore) => {
    const bytes = async (part: Uint8Array) => Buffer.from(await core.blobByDigest(Buffer.from(part)));
    const root = Buffer.from(digest.slice("sha256:".length), "hex");
    const pieces = (await loadNode(core, root)).references;
    return { root: await bytes(root), pieces: await Promise.all(pieces.map(bytes)) };
  });
}

const FILES = 2_500;

/** A store with a tree of several pieces, damaged as is wanted. */
async function damagedHome(damaged: (parts: Awaited<ReturnType<typeof partsOf>>) => Uint8Array | string) {
  const home = fastFolder();
  const store = await openTestStore(home, BUFFERED);
  const root = newTree({ ...manyFiles(FILES), "z/large": noise(random, 2 * MIB) });
  await settle();
  const { digest } = await store.saveDirectory("tree", root);
  const parts = await partsOf(home, digest);
  assert.ok(parts.pieces.length >= 3, `${parts.pieces.length} pieces`);
  await store.close();
  const backup = copyHome(home);
  damageText(segmentsOf(home)[0]!, damaged(parts));
  return { home, backup, root, store: await openTestStore(home, BUFFERED) };
}

async function failsToRestore(store: ArtifactStore): Promise<void> {
  const target = `${newFolder()}/target`;
  await failureWithHint((await store.get("tree")).writeTo(target), "CORRUPTION");
  assert.not(existsSync(target));
}

/** Saved again with a look at all contents it is whole, as another version and as the one before. */
async function healed(store: ArtifactStore, root: string): Promise<void> {
  await store.saveDirectory("tree", root, { checkContents: true });
  await whole(store);
  for (const ref of ["tree:0", "tree:1"]) await restores(await store.get(ref), root);
}

test("a damaged file: CORRUPTION for it alone, told by verify, and healed from the folder", async () => {
  const { store, root } = await damagedHome(() => "content 42\n");
  const directory = await store.load<Directory>("tree");
  await failureWithHint(directory.read("d2/f00042"), "CORRUPTION");
  assert.match(await textOf(directory, "d3/f00043"), /^content 43\n/);
  assert.is((await directory.read("z/large")).length, 2 * MIB);
  assert.is((await entriesOf(directory)).length, FILES + 1);
  await failsToRestore(store);
  const { problems } = await store.verify({ full: true });
  assert.is(problems.length, 1);
  assert.equal(problems[0]!.refs, ["tree:0"], "two nodes above it");
  // By its times it is as it was: nobody looks at its contents.
  assert.equal(await openedBy(root, () => store.saveDirectory("other", root)), await pathsOf(store));
  await healed(store, root);
});

async function pathsOf(store: ArtifactStore): Promise<string[]> {
  return (await entriesOf(await store.load<Directory>("tree"))).map(({ path }) => path);
}

test("a damaged piece of the manifest: what is in others is read; the next save heals it", async () => {
  const { store, root } = await damagedHome(({ pieces }) => pieces[1]!);
  const directory = await store.load<Directory>("tree");
  assert.match(await textOf(directory, "d0/f00000"), /^content 0\n/);
  assert.is((await directory.read("z/large")).length, 2 * MIB);
  await failureWithHint(entriesOf(directory), "CORRUPTION");
  await failsToRestore(store);
  assert.is((await store.verify({ full: true })).problems.length, 1);
  const opened = await openedBy(root, () => store.saveDirectory("tree", root));
  assert.ok(opened.length > 0 && opened.length < FILES, `${opened.length} files, those of the piece`);
  await whole(store);
  for (const ref of ["tree:0", "tree:1"]) await restores(await store.get(ref), root);
});

test("a damaged root of the manifest: CORRUPTION, healed by the next save", async () => {
  const { store, root } = await damagedHome(({ root }) => root);
  await failureWithHint(store.load("tree"), "CORRUPTION");
  await failsToRestore(store);
  await store.saveDirectory("tree", root);
  await whole(store);
  for (const ref of ["tree:0", "tree:1"]) await restores(await store.get(ref), root);
});

test("what the log has lost of unchanged files is read and stored again", async () => {
  const home = newFolder();
  const root = newTree(manyFiles(GROUP_FILES));
  await settle();
  const store = await openSeamStore(home, { segmentBytesMax: 64 * 1024 }, "buffered");
  await store.saveDirectory("tree", root);
  await store.close();
  const segments = segmentsOf(home);
  assert.ok(segments.length > 3);
  rmSync(segments[1]!);
  const again = await openSeamStore(home, {}, "buffered");
  await again.rebuildIndex();
  await failure((await again.get("tree")).writeTo(`${newFolder()}/target`), "CORRUPTION");
  const opened = await openedBy(root, () => again.saveDirectory("tree", root));
  assert.ok(opened.length > 0 && opened.length < GROUP_FILES, `${opened.length} read`);
  for (const ref of ["tree:0", "tree:1"]) await restores(await again.get(ref), root);
});

test("what is damaged is repaired from a backup", async () => {
  const { home, backup, root, store } = await damagedHome(({ pieces }) => pieces[1]!);
  const { ok, notRepaired } = await store.repair({ from: backup });
  assert.equal([ok, notRepaired], [true, []]);
  await restores(await store.get("tree"), root);
  await store.close();
  await restores(await (await openTestStore(home)).get("tree"), root);
});

test.run();
