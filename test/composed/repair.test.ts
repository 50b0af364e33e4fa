import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, Directory } from "../../engine/api.ts";
import { makeTree, noise } from "../conformance/store-support.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, openTestStore, track } from "../helpers/stores.ts";
import { TestPlace } from "./stores.ts";
import { damageInLog, flipBit } from "./support.ts";

const test = suite("verify and repair of stores over ports");
test.after.each(closeAll);

const SMALL = noise(5_000, 1);
const LARGE = noise(2_400_000, 2);
const TREE = { "a.txt": "alpha", "b/large.bin": LARGE, "b/small.bin": noise(9_000, 3), "c/": "" };

/** The same artifacts in any store. */
async function fill(store: ArtifactStore): Promise<{ tree: Artifact; small: Artifact; large: Artifact }> {
  const folder = makeTree(join(newFolder(), "tree"), TREE);
  return {
    small: await store.save("small", SMALL),
    large: await store.save("large", LARGE),
    tree: await store.saveDirectory("tree", folder),
  };
}

async function composed() {
  const place = new TestPlace({ metadata: "sqlite", blobs: "folder" });
  const store = track(await place.open());
  const made = await fill(store);
  const fileOf = (digest: string) => place.blobFiles().find((path) => path.endsWith(digest.slice(7)))!;
  return { place, store, fileOf, ...made };
}

async function digestIn(tree: Artifact, path: string): Promise<string> {
  for await (const { digest } of (await tree.value<Directory>()).list(path)) return digest!;
  throw new Error(`${path} is not there`);
}

test("what is missing is told with the versions that need it", async () => {
  const { store, small, tree, fileOf } = await composed();
  await store.save("other", SMALL);
  rmSync(fileOf(small.digest));
  rmSync(fileOf(await digestIn(tree, "b/small.bin")));
  const { problems, ok } = await store.verify();
  assert.not(ok);
  assert.equal(
    problems.map(({ kind, refs }) => [kind, refs]),
    [
      ["missing", ["other:0", "small:0"]],
      ["missing", ["tree:0"]],
    ],
  );
  const error = await failure(store.load("small"), "CORRUPTION");
  assert.match(error.message, "small:0");
  await failure((await tree.value<Directory>()).read("b/small.bin"), "CORRUPTION");
  assert.is(Buffer.from(await (await tree.value<Directory>()).read("a.txt")).toString(), "alpha");
});

test("other bytes of the same length are found where all are read", async () => {
  const { store, large, small, fileOf } = await composed();
  flipBit(fileOf(large.digest), 1_700_000);
  assert.ok((await store.verify()).ok);
  const { problems } = await store.verify({ full: true });
  assert.equal(
    problems.map(({ kind, refs }) => [kind, refs]),
    [["blob", ["large:0", "tree:0"]]],
  );
  await failure(store.load("large"), "CORRUPTION");
  writeFileSync(fileOf(small.digest), "shorter");
  assert.is((await store.verify()).problems.length, 1);
});

/** Damages a value, a file, and the nodes of the manifest of a tree. */
async function damageAll({
  small,
  tree,
  large,
  fileOf,
}: Awaited<ReturnType<typeof composed>>): Promise<void> {
  const file = await digestIn(tree, "b/small.bin");
  flipBit(fileOf(small.digest), 100);
  rmSync(fileOf(large.digest));
  rmSync(fileOf(file));
  flipBit(fileOf(tree.digest), 10);
}

async function checkRepair(
  from: string | ArtifactStore,
  parts: Awaited<ReturnType<typeof composed>>,
): Promise<void> {
  const { store } = parts;
  await damageAll(parts);
  const alone = await store.repair();
  assert.not(alone.ok);
  assert.ok(alone.notRepaired.every(({ reason }) => reason.includes("none was given")));
  const plan = await store.repair({ from, dryRun: true });
  assert.ok(plan.dryRun && plan.repaired.length > 0);
  assert.not((await store.verify()).ok);
  const report = await store.repair({ from });
  assert.equal(report.notRepaired, []);
  assert.ok(report.ok && report.repaired.length >= 4);
  assert.equal((await store.verify({ full: true })).problems, []);
  assert.equal(Buffer.from(await store.load<Uint8Array>("large")), LARGE);
  const directory = await store.load<Directory>("tree");
  for (const [path, content] of Object.entries(TREE))
    if (!path.endsWith("/")) assert.equal(Buffer.from(await directory.read(path)), Buffer.from(content));
}

test("sound copies are taken from an open store over ports", async () => {
  const parts = await composed();
  const other = await composed();
  await checkRepair(other.store, parts);
});

test("sound copies are taken from the folder of an embedded store, nodes made again", async () => {
  const home = newFolder();
  const other = await openTestStore(home);
  await fill(other);
  await other.close();
  await checkRepair(home, await composed());
});

test("a copy that is damaged too does not take the place of anything", async () => {
  const parts = await composed();
  const other = await composed();
  flipBit(parts.fileOf(parts.small.digest), 100);
  flipBit(other.fileOf(other.small.digest), 200);
  const report = await parts.store.repair({ from: [other.store, other.store] });
  assert.is(report.notRepaired.length, 1);
  assert.match(report.notRepaired[0]!.reason, "no copy");
  assert.equal(report.notRepaired[0]!.refs, ["small:0"]);
  assert.ok(parts.fileOf(parts.small.digest), "the damaged copy is still there");
});

test("what is damaged in a log of values is written to it again", async () => {
  const place = new TestPlace({ metadata: "sqlite", blobs: "log" });
  const before = await place.open();
  const { small, large } = await fill(before);
  await before.close();
  for (const { digest } of [small, large])
    await damageInLog(place.blobFolder, Buffer.from(digest.slice(7), "hex"));
  const store = track(await place.open());
  assert.is((await store.verify({ full: true })).problems.length, 2);
  const other = await composed();
  const report = await store.repair({ from: other.store });
  assert.equal([report.ok, report.repaired.length], [true, 2]);
  assert.equal(Buffer.from(await store.load<Uint8Array>("large")), LARGE);
});

test("folders that are no stores are refused", async () => {
  const { store } = await composed();
  await failure(store.repair({ from: newFolder() }), "NOT_FOUND");
  await failure(store.repair({ from: {} as ArtifactStore }), "INVALID_ARGUMENT");
});

test.run();
