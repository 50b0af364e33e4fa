import { suite } from "uvu";
import * as assert from "uvu/assert";
import { versionKey } from "../../engine/artifact-key.ts";
import { decodeVersionContent } from "../../engine/artifact-record.ts";
import { recordBytes } from "../../engine/log/format.ts";
import { openCore } from "../../engine/open.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, closeStores, newStore, openTestStore } from "../helpers/stores.ts";
import { goes, goneRefs, MANY, refsOf, storeAt, storeOfMany } from "./prune-support.ts";

const test = suite("prune");
test.after.each(closeAll);

const DAY = 86_400_000;

test("the newest versions of each name stay with keepLast, whatever was deleted among them", async () => {
  const store = await newStore();
  for (let version = 0; version < 5; version++)
    for (const name of ["a", "b"]) await store.save(name, `${name} ${version}`);
  await store.delete("a:3");
  assert.equal(await goes(store, { keepLast: 2 }), ["a:0", "b:0", "a:1", "b:1", "b:2"]);
  assert.equal(await refsOf(store), ["a:0", "a:1", "a:2", "a:4", "b:0", "b:1", "b:2", "b:3", "b:4"]);
  const report = await store.prune({ keepLast: 2 }, { compact: false });
  assert.is(report.versions.length, 5);
  assert.equal(await refsOf(store), ["a:2", "a:4", "b:3", "b:4"]);
});

test("what an alias points at never goes, and is told", async () => {
  const store = await newStore();
  for (let version = 0; version < 4; version++) await store.save("a", version);
  await store.setAlias("a", "live", 1);
  const report = await store.prune({ keepLast: 1 }, { compact: false });
  assert.equal(
    report.versions.map(({ ref }) => ref),
    ["a:0", "a:2"],
  );
  assert.equal(report.protected, ["a:1"]);
  assert.is(await store.load("a@live"), 1);
});

test("ages count from the save, not from what was changed since", async () => {
  const { store, clock } = await storeAt("2026-01-01");
  await store.save("a", 0);
  await store.save("a", 1);
  clock.now = new Date("2026-01-21");
  await store.annotate("a:0", { metadata: { seen: true } });
  await store.delete("a:1");
  await store.undelete("a:1");
  await store.save("a", 2);
  for (const olderThan of ["10d", "2w", "240h", "14400m", 10 * DAY, new Date("2026-01-10")])
    assert.equal(await goes(store, { olderThan }), ["a:0", "a:1"]);
  assert.equal(await goes(store, { olderThan: "20d" }), []);
  assert.equal(await goes(store, { olderThan: "21d" }), []);
  const { versions } = await store.prune({ olderThan: "10d" }, { dryRun: true });
  assert.equal(versions[0], { ref: "a:0", size: 1, createdAt: new Date("2026-01-01") });
});

test("what goes is given with when each version was saved, be it together with others or not", async () => {
  const { store, clock } = await storeAt("2026-01-01");
  const days = ["2026-01-01", "2026-01-01", "2026-01-02", "2026-01-03", "2026-01-03", "2026-01-02"];
  for (const [i, day] of days.entries()) {
    clock.now = new Date(day);
    await store.save(i % 2 === 0 ? "a" : "b", i);
  }
  const { versions } = await store.prune({ keepLast: 0 }, { dryRun: true, force: true });
  assert.equal(
    versions.map(({ createdAt }) => createdAt.toISOString().slice(0, 10)),
    // The clock of records does not go back.
    [...days.slice(0, 5), "2026-01-03"],
  );
});

test("tags let go only what has all of them, and protect what has one of them", async () => {
  const store = await newStore();
  const tags = [
    { stage: "dev" },
    { stage: "dev", keep: "yes" },
    { stage: "prod" },
    {},
    { stage: "dev", x: "1" },
  ];
  for (const each of tags) await store.save("a", each, { tags: each });
  await store.save("a", "last");
  assert.equal(await goes(store, { tags: { stage: "dev" } }), ["a:0", "a:1", "a:4"]);
  assert.equal(await goes(store, { tags: { stage: "dev", x: "1" } }), ["a:4"]);
  const policy = { keepLast: 1, keepTags: { keep: "yes", stage: "prod" } };
  const report = await store.prune(policy, { dryRun: true });
  assert.equal(
    report.versions.map(({ ref }) => ref),
    ["a:0", "a:3", "a:4"],
  );
  assert.equal(report.protected, ["a:2", "a:1"]);
});

test("names are chosen and left out by globs", async () => {
  const store = await newStore();
  for (const name of ["x/a", "x/b", "x/keep/c", "y"]) for (const n of [0, 1]) await store.save(name, n);
  assert.equal(await goes(store, { name: "x/**", keepLast: 1 }), ["x/a:0", "x/b:0", "x/keep/c:0"]);
  assert.equal(await goes(store, { keepName: "x/keep/**", keepLast: 1 }), ["x/a:0", "x/b:0", "y:0"]);
  assert.equal(await goes(store, { name: "x/*" }), ["x/a:0", "x/a:1", "x/b:0", "x/b:1"]);
});

test("a plan frees exactly what it says, and what is shared or still needed stays", async () => {
  const store = await newStore();
  const shared = Buffer.alloc(5000, 1);
  await store.save("a", shared);
  await store.save("a", Buffer.alloc(3001, 2));
  await store.save("a", "last");
  await store.save("b", shared);
  await store.save("c", Buffer.alloc(700, 3));
  await store.delete("c:0");
  await store.save("c", "live");
  const before = (await store.stats()).logBytes;
  const foreseen = await store.prune({ name: "a", keepLast: 1 }, { dryRun: true });
  assert.equal(goneRefs(foreseen), ["a:0", "a:1"]);
  assert.is(foreseen.plannedBytes, recordBytes(32, 3001));
  assert.is(foreseen.deadBytes, recordBytes(32, 700));
  assert.is((await store.stats()).logBytes, before);
  const done = await store.prune({ name: "a", keepLast: 1 });
  assert.is(done.freedBytes, foreseen.plannedBytes + foreseen.deadBytes);
  const after = await store.stats();
  assert.is(after.logBytes, done.logBytes);
  assert.is(after.deadBlobBytes, 0);
  assert.ok(before - after.logBytes > 3000);
  assert.equal(await store.load("b"), new Uint8Array(shared));
  await failureWithHint(store.undelete("a:1"), "NOT_FOUND");
  // Its bytes are there for "b".
  assert.is((await store.undelete("a:0")).size, 5000);
});

test("with a size the oldest go, no more than it takes, and the newest of all stays", async () => {
  const store = await newStore();
  for (let version = 0; version < 6; version++)
    await store.save(`n${version % 2}`, Buffer.alloc(10_000, version));
  const { logBytes } = await store.stats();
  assert.equal(await goes(store, { maxSize: logBytes }), []);
  assert.equal(await goes(store, { maxSize: logBytes - 1 }), ["n0:0"]);
  await store.setAlias("n1", "kept", 0);
  const report = await store.prune({ maxSize: logBytes - 15_000 });
  assert.equal(goneRefs(report), ["n0:0", "n0:1"]);
  assert.equal(report.protected, ["n1:0"]);
  assert.ok(report.logBytes <= logBytes - 15_000);
  const error = await failureWithHint(store.prune({ maxSize: 10_000 }, { force: true }), "INVALID_ARGUMENT");
  assert.is(error.details?.maxSize, 10_000);
  assert.ok((error.details?.leastBytes as number) > 20_000);
  assert.equal(await refsOf(store), ["n0:2", "n1:0", "n1:1", "n1:2"]);
  // Other conditions say what may go: then the newest may too.
  assert.equal(await goes(store, { maxSize: 1_000_000, name: "n0" }), []);
});

test("of many versions and values each is looked at once", async () => {
  const store = await storeOfMany();
  const { versions, blobs, valueBytes, byName } = await store.stats({ byName: true });
  assert.equal([versions, blobs], [MANY, MANY]);
  assert.is(
    byName!.reduce((sum, name) => sum + name.valueBytes, 0),
    valueBytes,
  );
  assert.is(byName![4]!.ownBytes, byName![0]!.ownBytes);
  const report = await store.prune({ keepLast: 1 }, { dryRun: true });
  assert.is(new Set(goneRefs(report)).size, MANY - 5);
  const ownBytes = byName!.reduce((sum, name) => sum + name.ownBytes, 0);
  assert.is(report.plannedBytes, ownBytes - 5 * recordBytes(32, 6));
});

test("statistics by name say what each name alone would free", async () => {
  const store = await newStore();
  const shared = Buffer.alloc(1000, 9);
  await store.save("a", Buffer.alloc(100, 1));
  await store.save("a", Buffer.alloc(100, 1));
  await store.save("a", shared);
  await store.save("b", shared);
  await store.save("b", Buffer.alloc(50, 2));
  await store.delete("b:1");
  await store.save("c", "gone");
  await store.delete("c:0");
  const { byName, ...all } = await store.stats({ byName: true });
  assert.equal(byName, [
    { name: "a", versions: 3, deletedVersions: 0, valueBytes: 1200, ownBytes: recordBytes(32, 100) },
    { name: "b", versions: 1, deletedVersions: 1, valueBytes: 1000, ownBytes: 0 },
    { name: "c", versions: 0, deletedVersions: 1, valueBytes: 0, ownBytes: 0 },
  ]);
  assert.equal([all.names, all.versions, all.deletedVersions], [2, 4, 2]);
  assert.is(all.deadBlobBytes, recordBytes(32, 50) + recordBytes(32, 5));
  assert.is(all.logOverheadBytes, all.logBytes - all.blobBytes);
  assert.is((await store.stats()).byName, undefined);
  await store.compact();
  const after = await store.stats({ byName: true });
  assert.equal([after.deletedVersions, after.deadBlobBytes], [0, 0]);
  assert.equal(
    after.byName!.map(({ name, deletedVersions }) => [name, deletedVersions]),
    [
      ["a", 0],
      ["b", 0],
      ["c", 0],
    ],
  );
  const freed = await store.prune({ name: "a" });
  assert.is(freed.freedBytes, byName![0]!.ownBytes);
});

test("the log tells what was pruned from what was deleted", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (let version = 0; version < 4; version++) await store.save("a", version);
  await store.delete("a:0");
  await store.prune({ keepLast: 1 }, { compact: false });
  await store.undelete("a:2");
  await closeStores();
  const { core, release } = await openCore(home, { application: "artifact" });
  const changes = [0, 1, 2, 3].map((version) => {
    const key = versionKey("a", version);
    return decodeVersionContent(core.content(key, core.row(key)!) as Buffer).change;
  });
  await release();
  assert.equal(changes, [undefined, "prune", "undelete", undefined]);
});

test.run();
