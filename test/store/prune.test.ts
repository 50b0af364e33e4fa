import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Progress, PrunePolicy, PruneReport } from "../../engine/api.ts";
import { recordBytes } from "../../engine/log/format.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";

const test = suite("prune");
test.after.each(closeAll);

const DAY = 86_400_000;

/** A store whose clock is set by the test. */
async function storeAt(start: string): Promise<{ store: ArtifactStore; clock: { now: Date } }> {
  const clock = { now: new Date(start) };
  return { store: await newStore({ clock: () => clock.now }), clock };
}

async function refsOf(store: ArtifactStore): Promise<string[]> {
  const refs: string[] = [];
  for await (const { ref } of store.list({ allVersions: true })) refs.push(ref);
  return refs.sort();
}

function goneRefs({ versions }: PruneReport): string[] {
  return versions.map(({ ref }) => ref);
}

/** Turns a bit over in the content of a record of the log, the `nth` that has it. */
function damageOf(home: string, content: Buffer, nth: number): void {
  const folder = join(home, "log");
  const path = join(folder, readdirSync(folder)[0]!);
  const bytes = readFileSync(path);
  let at = bytes.indexOf(content);
  for (let i = 0; i < nth; i++) at = bytes.indexOf(content, at + 1);
  bytes[at]! ^= 1;
  writeFileSync(path, bytes);
}

async function goes(store: ArtifactStore, policy: PrunePolicy): Promise<string[]> {
  const { versions, dryRun } = await store.prune(policy, { dryRun: true });
  assert.is(dryRun, true);
  return versions.map(({ ref }) => ref);
}

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

test("a policy that is wrong, or says nothing, is refused", async () => {
  const store = await newStore();
  await store.save("a", 1);
  const wrong: unknown[] = [
    {},
    { keepTags: { a: "b" } },
    { keepName: "a" },
    { tags: {} },
    { tags: null },
    { keepTags: null, keepLast: 1 },
    { keepLast: -1 },
    { keepLast: 1.5 },
    { keepLast: "3" },
    { maxSize: Number.NaN },
    { olderThan: "30" },
    { olderThan: "d" },
    { olderThan: "-3d" },
    { olderThan: -1 },
    { olderThan: new Date(Number.NaN) },
    { name: "" },
    { tags: { a: 1 }, keepLast: 1 },
    { keepNewest: 1 },
    null,
    "30d",
  ];
  for (const policy of wrong)
    await failureWithHint(store.prune(policy as PrunePolicy, { force: true }), "INVALID_ARGUMENT");
  for (const options of [{ dry: true }, { dryRun: "yes" }, { compact: 0 }, { confirm: "yes" }])
    await failureWithHint(store.prune({ keepLast: 1 }, options as never), "INVALID_ARGUMENT");
  assert.is(await store.load("a"), 1);
});

test("what would leave no version in the store is refused, unless forced", async () => {
  const store = await newStore();
  for (const name of ["a", "b"]) await store.save(name, name);
  const error = await failureWithHint(store.prune({ keepLast: 0 }), "INVALID_ARGUMENT");
  assert.is(error.details?.versions, 2);
  await failureWithHint(store.prune({ name: "**" }, { dryRun: true }), "INVALID_ARGUMENT");
  assert.equal(await refsOf(store), ["a:0", "b:0"]);
  assert.equal(await goes(store, { name: "a" }), ["a:0"]);
  assert.is((await store.prune({ keepLast: 0 }, { force: true })).versions.length, 2);
  assert.equal(await refsOf(store), []);
  assert.equal(await goes(store, { keepLast: 0 }), []);
});

test("an age is refused where the clock can't be right, unless forced", async () => {
  const { store, clock } = await storeAt("2026-03-01");
  await store.save("a", 0);
  clock.now = new Date("2026-03-20");
  await store.save("a", 1);
  const wrong = ["2026-03-19T23:59:59.999Z", "2028-03-20", "1970-01-01"];
  for (const now of wrong) {
    clock.now = new Date(now);
    await failureWithHint(store.prune({ olderThan: "10d", keepLast: 1 }), "INVALID_ARGUMENT");
    // No clock is asked for these.
    assert.equal(await goes(store, { olderThan: new Date("2026-03-02") }), ["a:0"]);
    assert.equal(await goes(store, { keepLast: 1 }), ["a:0"]);
  }
  clock.now = new Date("2028-03-20");
  const forced = await store.prune({ olderThan: "10d", keepLast: 1 }, { force: true, dryRun: true });
  assert.equal(goneRefs(forced), ["a:0"]);
  // Little more than a year, and less than ten times the time of use, are nothing strange.
  clock.now = new Date("2026-09-10");
  assert.equal(await goes(store, { olderThan: "10d", keepLast: 1 }), ["a:0"]);
});

test("what others change after the plan stays as they left it, and is told", async () => {
  const store = await newStore();
  for (let version = 0; version < 6; version++) await store.save("a", `a${version}`, { tags: { x: "y" } });
  for (let version = 0; version < 3; version++) await store.save("b", `b${version}`, { tags: { x: "y" } });
  const report = await store.prune(
    { keepLast: 2, tags: { x: "y" }, keepTags: { z: "z" } },
    {
      compact: false,
      confirm: async (plan) => {
        assert.equal(goneRefs(plan), ["a:0", "a:1", "a:2", "a:3", "b:0"]);
        await store.setAlias("a", "late", 0);
        await store.annotate("a:1", { tags: { z: "z" } });
        await store.delete("a:2");
        await store.delete("b:2");
        await store.save("a", "newer");
        return true;
      },
    },
  );
  assert.equal(goneRefs(report), ["a:3"]);
  assert.equal([...report.protected].sort(), ["a:0", "a:1", "a:2", "b:0"]);
  assert.is(report.plannedBytes, recordBytes(32, 3));
  assert.equal(await refsOf(store), ["a:0", "a:1", "a:4", "a:5", "a:6", "b:0", "b:1"]);
});

test("what others change while it deletes stays as they left it too", async () => {
  const store = await newStore();
  await store.batch((batch) => {
    for (let version = 0; version < 500; version++) batch.save("a", version);
  });
  let changing: Promise<unknown> | undefined;
  const onProgress = ({ phase }: Progress) => {
    if (phase === "deleting") changing ??= store.delete("a:499");
  };
  const report = await store.prune({ keepLast: 400 }, { compact: false, onProgress });
  await changing;
  // One of the last 400 was deleted meanwhile, so of the 100 older ones one more is among the last.
  assert.equal((await refsOf(store)).length, 400);
  assert.equal(report.protected, ["a:99"]);
});

test("what is not confirmed is not done", async () => {
  const store = await newStore();
  for (const version of [0, 1]) await store.save("a", version);
  const report = await store.prune({ keepLast: 1 }, { confirm: () => false });
  assert.is(report.dryRun, true);
  assert.equal(await refsOf(store), ["a:0", "a:1"]);
});

/** More than is looked at between two turns of the event loop. */
const MANY = 5_000;

async function storeOfMany(): Promise<ArtifactStore> {
  const store = await newStore();
  for (let name = 0; name < 5; name++)
    await store.batch((batch) => {
      for (let version = 0; version < MANY / 5; version++) batch.save(`n${name}`, `${name}/${version}`);
    });
  return store;
}

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

test("interrupted in the middle it has deleted a part, and ends when it is run again", async () => {
  const store = await storeOfMany();
  const interrupt = new AbortController();
  const onProgress = ({ phase }: Progress) => phase === "deleting" && interrupt.abort();
  await failure(store.prune({ keepLast: 1 }, { signal: interrupt.signal, onProgress }), "ABORTED");
  const { versions } = await store.stats();
  assert.ok(versions < MANY && versions > 5, `${versions} versions`);
  const report = await store.prune({ keepLast: 1 });
  assert.is(report.versions.length, versions - 5);
  assert.equal(await refsOf(store), ["n0:999", "n1:999", "n2:999", "n3:999", "n4:999"]);
});

test("a store that was opened read-only plans and refuses the rest", async () => {
  const home = newFolder();
  const writable = await openTestStore(home);
  for (const version of [0, 1]) await writable.save("a", version);
  const store = await openTestStore(home, { readOnly: true });
  assert.equal(await goes(store, { keepLast: 1 }), ["a:0"]);
  await failureWithHint(store.prune({ keepLast: 1 }), "READ_ONLY");
});

test("damage of a version's record keeps it, and nothing else", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  // Too long to stand in the index.
  const metadata = { text: "x".repeat(300) };
  for (let version = 0; version < 3; version++) await store.save("a", version, { metadata });
  await store.close();
  damageOf(home, Buffer.from("x".repeat(300)), 1);
  const again = await openTestStore(home);
  const foreseen = await again.prune({ keepLast: 1, keepTags: { a: "b" } }, { dryRun: true });
  assert.equal([foreseen.versions.length, foreseen.protected.length], [1, 1]);
  const report = await again.prune({ keepLast: 1 }, { compact: false });
  assert.is(report.versions.length, 1);
  assert.is(report.protected.length, 1);
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

test.run();
