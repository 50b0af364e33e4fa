import { cpSync, mkdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Directory, SaveDirectoryOptions } from "../../engine/api.ts";
import { MEDIA_TYPE_DIRECTORY } from "../../engine/large/directory-source.ts";
import { openStore } from "../../engine/main.ts";
import type { Plan } from "../directory/support.ts";
import { makeTree, newFolder, treeOf } from "../directory/support.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { killPrograms } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, openTestStore, track } from "../helpers/stores.ts";
import { entriesOf, newTree, restores, textOf } from "./directories-support.ts";
import { otherForDirectories } from "./other-process.ts";
import { allFreed, BUFFERED, collected, digestOf, MIB, noise, same, whole } from "./support.ts";

/** Folders as values: what comes back, what an artifact says of them, what is refused. */
const test = suite("directories");
test.after.each(closeAll);
test.after.each(killPrograms);

const random = new Random("directories");
const LARGE = noise(random, 3 * MIB + 5);
const FILES: Record<string, string | Buffer> = {
  "a.txt": "a\n",
  ".hidden/.file": "hidden",
  "copy of a.txt": "a\n",
  empty: "",
  "deep/er/and/deeper/file": "deep",
  "odd\nname\t\u0007 ü 🌊": "odd",
  "sizes/MiB": noise(random, MIB),
  "sizes/less": noise(random, MIB - 1),
  "sizes/more": noise(random, MIB + 1),
  "sizes/large": LARGE,
  "sizes/large again": LARGE,
};
const OTHERS: Plan = {
  "bin/run": { run: "#!/bin/sh\n" },
  "deep/link": { to: "../a.txt" },
  "link to a folder": { to: "deep/er" },
  hollow: null,
  "hol/low/er": null,
};
const PLAN: Plan = { ...FILES, ...OTHERS };
const SIZE = Object.values(FILES).reduce((sum, { length }) => sum + length, 0) + "#!/bin/sh\n".length;
// Characters of more than one byte count for their bytes.
const ORDER = [...Object.keys(PLAN)].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));

test("a tree comes back as it was: listed, read, streamed, restored", async () => {
  const store = await newStore(BUFFERED);
  const root = newTree(PLAN);
  const artifact = await store.saveDirectory("tree", root);
  const directory = await store.load<Directory>("tree");
  assert.equal([directory.entryCount, directory.size], [ORDER.length, SIZE]);
  const entries = await entriesOf(directory);
  assert.equal(
    entries.map(({ path }) => path),
    ORDER,
  );
  for (const entry of entries) {
    const { path, kind, size, executable, target, digest } = entry;
    if (kind !== "file") {
      const expected = OTHERS[path] === null ? undefined : (OTHERS[path] as { to: string }).to;
      assert.equal([size, executable, target, digest], [0, false, expected, undefined], path);
      continue;
    }
    const bytes = readFileSync(`${root}/${path}`);
    assert.equal([size, executable, digest], [bytes.length, path === "bin/run", digestOf(bytes)], path);
    same(await directory.read(path), bytes, path);
    same(await collected(directory.stream(path)), bytes, path);
    for (const range of [{ start: 1 }, { end: 3 }, { start: MIB - 3, end: MIB + 3 }]) {
      same(await directory.read(path, range), bytes.subarray(range.start, range.end), path);
      same(await collected(directory.stream(path, range)), bytes.subarray(range.start, range.end), path);
    }
  }
  assert.equal(
    (await entriesOf(directory, "deep")).map(({ path }) => path),
    ["deep/er/and/deeper/file", "deep/link"],
  );
  await restores(artifact, root);
  const target = newFolder();
  await (await artifact.value<Directory>()).writeTo(target);
  assert.equal(treeOf(target), treeOf(root));
  await whole(store);
});

test("the artifact: its size is that of its files, filters find it, and what was given beside it is there", async () => {
  const store = await newStore(BUFFERED);
  await store.save("in", Buffer.from("a file"));
  const more = { tags: { stage: "raw" }, metadata: { k: 1 }, inputs: ["in"], code: "code" };
  const artifact = await store.saveDirectory("tree", newTree(PLAN), { ...more, ifVersion: "absent" });
  for (const found of [artifact, await store.get("tree:0")]) {
    assert.equal([found.ref, found.mediaType, found.size], ["tree:0", MEDIA_TYPE_DIRECTORY, SIZE]);
    assert.equal([found.tags, found.metadata, found.inputs], [more.tags, more.metadata, ["in:0"]]);
    assert.is(found.code?.sources[0]?.text, "code");
    assert.match(found.digest, /^sha256:[0-9a-f]{64}$/);
  }
  const { digest } = artifact;
  for (const filter of [{ mediaType: MEDIA_TYPE_DIRECTORY }, { minSize: SIZE, maxSize: SIZE }, { digest }]) {
    const refs: string[] = [];
    for await (const { ref } of store.list(filter)) refs.push(ref);
    assert.equal(refs, ["tree:0"], JSON.stringify(filter));
  }
  assert.is((await store.stats()).valueBytes, SIZE + "a file".length);
  await failureWithHint(store.saveDirectory("tree", newTree({}), { ifVersion: "absent" }), "CONFLICT");
});

test("equal trees have one digest, whenever and in whatever order they were made, and whatever the store", async () => {
  const root = newTree(PLAN);
  const other = newFolder();
  for (const path of ORDER.toReversed()) makeTree(other, { [path]: PLAN[path]! });
  utimesSync(`${other}/a.txt`, 1, 1);
  const copy = `${newFolder()}/copy`;
  cpSync(root, copy, { recursive: true, verbatimSymlinks: true });
  const [store, second] = [await newStore(BUFFERED), await newStore(BUFFERED)];
  const { digest } = await store.saveDirectory("tree", root);
  assert.is((await store.saveDirectory("other", other)).digest, digest);
  assert.is((await second.saveDirectory("copy", copy, { checkContents: true })).digest, digest);
  const changes: (() => void)[] = [
    () => writeFileSync(`${other}/a.txt`, "b\n"),
    () => makeTree(other, { "bin/a second": { run: "a\n" } }),
    () => mkdirSync(`${other}/sizes/new`),
    () => rmSync(`${other}/deep/link`),
    () => makeTree(other, { "deep/link": { to: "er" } }),
  ];
  const digests = new Set([digest]);
  for (const change of changes) {
    change();
    digests.add((await store.saveDirectory("other", other)).digest);
  }
  assert.is(digests.size, changes.length + 1);
  await restores(await store.get("other"), other);
});

test("an empty folder is a value too, and so is one of links and folders alone", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  for (const plan of [{}, { "a/b": null, c: { to: "a" } }] as Plan[]) {
    const root = newTree(plan);
    const artifact = await store.saveDirectory("tree", root);
    assert.is(artifact.size, 0);
    assert.is((await artifact.value<Directory>()).entryCount, Object.keys(plan).length);
    assert.is((await store.saveDirectory("tree", root)).digest, artifact.digest);
    await restores(artifact, root);
  }
  await whole(store);
  await store.delete("tree:all");
  await allFreed(home, store);
});

test("it has no bytes of its own, and says what there is instead", async () => {
  const store = await newStore(BUFFERED);
  const artifact = await store.saveDirectory("tree", newTree(PLAN));
  const calls = [
    () => artifact.bytes(),
    () => artifact.bytes({ end: 1 }),
    () => collected(artifact.stream()),
  ];
  for (const call of calls)
    assert.match((await failureWithHint(call, "INVALID_ARGUMENT")).hint!, /value\(\)/);
  const directory = await artifact.value<Directory>();
  for (const path of ["deep", "hollow", "deep/link", "../a", "/a", ""])
    await failureWithHint(directory.read(path), "INVALID_ARGUMENT");
  for (const path of ["deep/e", "a.txt/b", "b"]) {
    await failureWithHint(directory.read(path), "NOT_FOUND");
    await failureWithHint(collected(directory.stream(path)), "NOT_FOUND");
    await failureWithHint(entriesOf(directory, path), "NOT_FOUND");
  }
});

test("what makes no sense is refused before anything is read, and no version is made", async () => {
  const store = await newStore({ ...BUFFERED });
  const root = newTree({ a: "a" });
  const wrong: [unknown, object?][] = [
    [root, { mediaType: "text/csv" }],
    [root, { mediaType: MEDIA_TYPE_DIRECTORY }],
    [root, { codec: MEDIA_TYPE_DIRECTORY }],
    [root, { checkContents: 1 }],
    [root, { ignore: "*.log" }],
    [root, { ignore: [1] }],
    [root, { ignore: ["!a"] }],
    [`${root}/a`],
    [`${root}/none`],
    [`${root}\0`],
    [""],
    [undefined],
    [{ path: root }],
  ];
  for (const [path, options] of wrong) {
    const call = () => store.saveDirectory("tree", path as string, options as SaveDirectoryOptions);
    await failureWithHint(call, "INVALID_ARGUMENT");
  }
  await failureWithHint(store.saveDirectory("tree", root, { ifVersion: 3 }), "CONFLICT");
  await failureWithHint(store.saveDirectory("tree", root, { inputs: ["none"] }), "NOT_FOUND");
  assert.equal([(await store.stats()).versions, (await store.stats()).blobs], [0, 0]);
});

test("no other value may be taken for a directory", async () => {
  const codec = { mediaType: MEDIA_TYPE_DIRECTORY, encode: () => new Uint8Array(9), decode: () => 1 };
  const store = await newStore(BUFFERED);
  const file = `${newTree({ a: LARGE })}/a`;
  const how = { mediaType: MEDIA_TYPE_DIRECTORY };
  for (const call of [
    () => store.save("a", Buffer.from("a"), how),
    () => store.save("a", LARGE, how),
    () => store.save("a", new Blob([LARGE]), how),
    () => store.saveFile("a", file, how),
    () => store.save("a", 1, { codec }),
    () => store.batch((batch) => void batch.save("a", Buffer.from("a"), how)),
  ])
    await failureWithHint(call, "INVALID_ARGUMENT");
});

test("a home in the tree is left out, and none is saved itself", async () => {
  const root = newTree({ "a.txt": "a", "log/x": "no home" });
  const store = track(await openStore({ home: `${root}/.varve`, environment: false, ...BUFFERED }));
  const artifact = await store.saveDirectory("tree", root);
  const paths = (await entriesOf(await artifact.value<Directory>())).map(({ path }) => path);
  assert.equal(paths, ["a.txt", "log/x"]);
  for (const path of ["", "/log", "/lock"])
    await failureWithHint(store.saveDirectory("tree", `${root}/.varve${path}`), "INVALID_ARGUMENT");
});

test("what is ignored is not there, and progress counts the rest", async () => {
  const store = await newStore(BUFFERED);
  const root = newTree({ "a.log": "x", "a.txt": "x", "d/b.log": "x", "d/c": "x", "log/e": "x" });
  const counts: number[] = [];
  const artifact = await store.saveDirectory("tree", root, {
    ignore: ["*.log", "log/"],
    onProgress: ({ unit, done }) => unit === "files" && counts.push(done),
  });
  const directory = await artifact.value<Directory>();
  assert.equal(
    (await entriesOf(directory)).map(({ path }) => path),
    ["a.txt", "d/c"],
  );
  assert.is(counts.at(-1), 2);
});

async function readableAs(store: ArtifactStore, root: string): Promise<void> {
  assert.is(await textOf(await store.load<Directory>("tree"), "deep/er/and/deeper/file"), "deep");
  await restores(await store.get("tree"), root);
}

test("a store that is read only has it, another process too, a copy too, and the index that is made anew", async () => {
  const home = newFolder();
  const root = newTree(PLAN);
  const store = await openTestStore(home, BUFFERED);
  const { digest } = await store.saveDirectory("tree", root);
  await readableAs(await openTestStore(home, { readOnly: true }), root);
  const program = await otherForDirectories(home);
  const entries = await entriesOf(await store.load<Directory>("tree"));
  assert.equal(await program.ask("list tree"), JSON.parse(JSON.stringify(entries)));
  assert.equal(await program.ask(`save tree ${root}`), { ref: "tree:1", digest });
  await program.end();
  const copy = `${newFolder()}/backup`;
  await store.backup(copy);
  await readableAs(await openTestStore(copy, { readOnly: true }), root);
  await store.rebuildIndex();
  await readableAs(store, root);
  await whole(store);
});

test.run();
