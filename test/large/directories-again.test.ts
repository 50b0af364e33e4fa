import { renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Directory } from "../../engine/api.ts";
import { pinsRange } from "../../engine/artifact-key.ts";
import { parseDigest } from "../../engine/blob/digest.ts";
import { decodeRoot } from "../../engine/directory/format.ts";
import type { EngineCore } from "../../engine/engine.ts";
import { loadNode } from "../../engine/large/directory-source.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openTestStore } from "../helpers/stores.ts";
import {
  addedBy,
  beforeCommit,
  entriesOf,
  GROUP_FILES,
  manyFiles,
  newTree,
  openedBy,
  restores,
  settle,
  textOf,
} from "./directories-support.ts";
import { allFreed, BUFFERED, MIB, noise, pinned, pinsOf, whole, withCore } from "./support.ts";

/** A folder saved again: what is neither read nor stored, and what must be when the version before is gone. */
const test = suite("directories saved again");
test.after.each(closeAll);

const random = new Random("directories saved again");
const UNCHANGED_BYTES_MAX = 1024;

/** A store with a tree, whose files' times are believed. */
async function savedTree(plan = manyFiles(GROUP_FILES)) {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const root = newTree(plan);
  await settle();
  const first = await store.saveDirectory("tree", root);
  return { home, store, root, first };
}

/** All files of a tree, sorted. */
async function filesOf(store: ArtifactStore, ref = "tree"): Promise<string[]> {
  const entries = await entriesOf(await store.load<Directory>(ref));
  return entries.filter(({ kind }) => kind === "file").map(({ path }) => path);
}

/** Content of the same length, under the same time of change. */
function rewrite(path: string, text: string): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(path, text);
  utimesSync(path, atime, mtime);
}

test("unchanged: no file is opened, and less than a KiB is added", async () => {
  const large = { "large.bin": noise(random, 3 * MIB), link: { to: "large.bin" }, folder: null };
  const { store, root, first } = await savedTree({ ...manyFiles(GROUP_FILES), ...large });
  for (let round = 0; round < 2; round++) {
    const added = await addedBy(store, async () => {
      assert.equal(await openedBy(root, () => store.saveDirectory("tree", root)), []);
    });
    assert.ok(added < UNCHANGED_BYTES_MAX, `${added} bytes`);
    assert.is((await store.get("tree")).digest, first.digest);
  }
  // Under another name there is nothing to compare with.
  const added = await addedBy(store, async () => {
    const opened = await openedBy(root, () => store.saveDirectory("other", root));
    assert.equal(opened, await filesOf(store));
  });
  assert.ok(added < UNCHANGED_BYTES_MAX, `${added} bytes`);
  await restores(await store.get("tree"), root);
  await whole(store);
});

test("some changed among many: only those are read, and little is added", async () => {
  const { store, root } = await savedTree(manyFiles(2 * GROUP_FILES));
  const whatItTook = (await store.stats()).logBytes;
  const path = "d3/f00003";
  writeFileSync(`${root}/${path}`, "changed");
  writeFileSync(`${root}/d4/new`, "new");
  rmSync(`${root}/d5/f00005`);
  const added = await addedBy(store, async () => {
    assert.equal(await openedBy(root, () => store.saveDirectory("tree", root)), [path, "d4/new"]);
  });
  assert.ok(added < whatItTook / 5, `${added} bytes, of ${whatItTook} for all`);
  const [before, now] = [await store.load<Directory>("tree:0"), await store.load<Directory>("tree")];
  assert.equal([await textOf(now, path), await textOf(now, "d4/new")], ["changed", "new"]);
  assert.match(await textOf(before, path), /^content 3\n/);
  await failure(now.read("d5/f00005"), "NOT_FOUND");
  await restores(await store.get("tree"), root);
});

test("a change that keeps size and time is seen, and so is a file that took another's place", async () => {
  const { store, root } = await savedTree({ a: "first", b: "first", c: "first", d: "first", e: "first" });
  rewrite(`${root}/a`, "other");
  writeFileSync(`${root}/new`, "other");
  const { atime, mtime } = statSync(`${root}/b`);
  utimesSync(`${root}/new`, atime, mtime);
  renameSync(`${root}/new`, `${root}/b`);
  utimesSync(`${root}/c`, 1, 1);
  assert.equal(await openedBy(root, () => store.saveDirectory("tree", root)), ["a", "b", "c"]);
  const directory = await store.load<Directory>("tree");
  assert.equal(await Promise.all(["a", "b", "c"].map((path) => textOf(directory, path))), [
    "other",
    "other",
    "first",
  ]);
});

test("a file whose time is too new to be believed is read the next time, and from then on not", async () => {
  const { store, root } = await savedTree({ a: "a" });
  writeFileSync(`${root}/b`, "b");
  const opened = async () => openedBy(root, () => store.saveDirectory("tree", root));
  assert.equal(await opened(), ["b"]);
  assert.equal(await opened(), ["b"]);
  await settle();
  await opened();
  assert.equal(await opened(), []);
});

test("what a group's nodes name needs no pin, and stays all the same", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const root = newTree(manyFiles(2 * GROUP_FILES));
  let kept = 0;
  const compacts = async () => {
    await pinned(home);
    kept = await withCore(home, (core) =>
      core.rows(pinsRange()).reduce((sum, { row }) => sum + row.references.length, 0),
    );
    await store.compact();
  };
  assert.ok(await beforeCommit(home, 2, compacts, () => store.saveDirectory("tree", root)));
  // The nodes of each piece: a piece has 256 entries on average.
  assert.ok(kept > 0 && kept < GROUP_FILES / 64, `${kept} pinned`);
  await store.compact();
  await restores(await store.get("tree"), root);
  await whole(store);
});

test("checkContents reads all, and finds nothing new", async () => {
  const { store, root } = await savedTree();
  const added = await addedBy(store, async () => {
    const opened = await openedBy(root, () => store.saveDirectory("tree", root, { checkContents: true }));
    assert.equal(opened, await filesOf(store));
  });
  assert.ok(added < UNCHANGED_BYTES_MAX, `${added} bytes`);
  assert.equal(await openedBy(root, () => store.saveDirectory("tree", root)), []);
});

test("the version before is deleted, or compacted away, or no directory: all is read, and all is there", async () => {
  const { home, store, root } = await savedTree(manyFiles(300));
  const files = await filesOf(store);
  const next = async () => assert.equal(await openedBy(root, () => store.saveDirectory("tree", root)), files);
  await store.delete("tree:0");
  await next();
  await store.undelete("tree:0");
  await restores(await store.get("tree:0"), root);
  await store.delete("tree:all");
  await store.compact();
  await failure(store.undelete("tree:0"), "NOT_FOUND");
  await next();
  await restores(await store.get("tree"), root);
  await store.save("tree", "no directory");
  await next();
  await restores(await store.get("tree"), root);
  await whole(store);
  await store.delete("tree:all");
  await allFreed(home, store);
});

for (const [what, change] of [
  ["nothing", () => {}],
  ["the first file", (root: string) => writeFileSync(`${root}/d0/f00000`, "changed")],
  ["a file", (root: string) => writeFileSync(`${root}/d9/f00009`, "changed")],
  ["the last file", (root: string) => writeFileSync(`${root}/z`, "new")],
] as [string, (root: string) => void][]) {
  test(`the version before goes while it is compared with, and ${what} changed: the new one is whole`, async () => {
    // Of one piece, whose files are kept one by one, and of several.
    for (const files of [12, 300]) {
      const { home, store, root } = await savedTree(manyFiles(files));
      change(root);
      await savedWhileGoing(home, store, root);
    }
  });
}

test("the version before goes, and nothing keeps its pieces but that they did not change", async () => {
  const { home, store, root, first } = await savedTree(manyFiles(300));
  const load = (core: EngineCore) => loadNode(core, parseDigest(first.digest));
  const { pieces } = decodeRoot(await withCore(home, load));
  assert.ok(pieces.length > 1);
  for (const path of await filesOf(store))
    if (path >= pieces[1]!.first) writeFileSync(`${root}/${path}`, `new ${path}`);
  await savedWhileGoing(home, store, root);
});

/** Right before what is new is written the version before goes. */
async function savedWhileGoing(home: string, store: ArtifactStore, root: string): Promise<void> {
  const before = async () => {
    await store.delete("tree:0");
    await store.compact();
  };
  assert.ok(await beforeCommit(home, 1, before, () => store.saveDirectory("tree", root)));
  await store.compact();
  await restores(await store.get("tree"), root);
  await whole(store);
  assert.is(await pinsOf(home), 0);
}

test("the version before is one of an empty folder, and goes meanwhile", async () => {
  const { home, store, root } = await savedTree({});
  const before = async () => {
    await store.delete("tree:0");
    await store.compact();
  };
  assert.ok(await beforeCommit(home, 1, before, () => store.saveDirectory("tree", root)));
  await restores(await store.get("tree"), root);
  await store.saveDirectory("tree", root);
  await whole(store);
});

for (const [what, makeRoom] of [
  ["a compaction", (store: ArtifactStore) => store.compact()],
  ["a prune", (store: ArtifactStore) => store.prune({ keepLast: 1, name: "other" })],
] as [string, (store: ArtifactStore) => Promise<unknown>][]) {
  test(`${what} while a folder is saved takes nothing of it`, async () => {
    const { home, store, root } = await savedTree(manyFiles(20));
    for (let n = 0; n < 3; n++) await store.save("other", noise(random, 200_000));
    await store.delete("other:1");
    const more = newTree({ ...manyFiles(3 * GROUP_FILES), "z/large": noise(random, 2 * MIB) });
    // Before the third one there are pins of the first, and some of the second or not.
    const reached = await beforeCommit(
      home,
      4,
      async () => {
        await pinned(home);
        await makeRoom(store);
      },
      () => store.saveDirectory("tree", more),
    );
    assert.ok(reached, "it is written in as many parts");
    await restores(await store.get("tree:0"), root);
    await restores(await store.get("tree:1"), more);
    assert.is(await pinsOf(home), 0);
    await whole(store);
    await store.rebuildIndex();
    await restores(await store.get("tree:1"), more);
  });
}

test("two saves of one folder at once are two whole versions", async () => {
  const { home, store, root, first } = await savedTree();
  writeFileSync(`${root}/z`, "new");
  const both = await Promise.all([store.saveDirectory("tree", root), store.saveDirectory("tree", root)]);
  assert.equal(both.map(({ version }) => version).sort(), [1, 2]);
  assert.is(both[0].digest, both[1].digest);
  assert.is.not(both[0].digest, first.digest);
  await store.delete("tree:0");
  await store.compact();
  for (const artifact of both) await restores(artifact, root);
  assert.is(await pinsOf(home), 0);
});

test("what a version alone needs is freed, just as the plan says, and no more", async () => {
  const { home, store, root } = await savedTree({ ...manyFiles(500), large: noise(random, 3 * MIB) });
  writeFileSync(`${root}/large`, noise(random, 2 * MIB));
  writeFileSync(`${root}/d1/f00001`, "changed");
  await store.saveDirectory("tree", root);
  await store.delete("tree:0");
  const { freedBytes: planned } = await store.compact({ dryRun: true });
  const { freedBytes } = await store.compact();
  assert.is(freedBytes, planned);
  assert.ok(freedBytes > 3 * MIB, `${freedBytes} bytes`);
  await restores(await store.get("tree"), root);
  await store.rebuildIndex();
  await whole(store);
  await restores(await store.get("tree"), root);
  // What it is compared with was moved, and is believed all the same.
  await settle();
  await store.saveDirectory("tree", root);
  assert.equal(await openedBy(root, () => store.saveDirectory("tree", root)), []);
  await store.delete("tree:all");
  await allFreed(home, store);
});

test.run();
