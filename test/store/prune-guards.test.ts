import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Progress, PrunePolicy } from "../../engine/api.ts";
import { recordBytes } from "../../engine/log/format.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";
import { goes, goneRefs, MANY, refsOf, storeAt, storeOfMany } from "./prune-support.ts";

/** Policies that are refused, and versions that stay whatever happens meanwhile. */
const test = suite("what a prune must not take");
test.after.each(closeAll);

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

test("an age means nothing in a store that has no record yet", async () => {
  const store = await newStore();
  assert.equal(await goes(store, { olderThan: "10d" }), []);
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

test.run();
