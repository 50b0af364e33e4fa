import * as assert from "node:assert/strict";
import { join } from "node:path";
import type { ArtifactStore, PruneReport } from "../../engine/main.ts";
import type { StoreTesting } from "./store-support.ts";
import { makeTree, noise, refs, refused, storeTests } from "./store-support.ts";

const SECOND = 1_000;

/** What a store takes, and how it is made to take less; whether it is whole. */
export function spaceTests(testing: StoreTesting): void {
  policyTests(testing);
  pruneTests(testing);
  wholeTests(testing);
}

/** A clock that goes on by a second with each save. */
function saver(): { clock: () => Date; now: { time: number } } {
  const now = { time: Date.UTC(2026, 0, 1) };
  return { now, clock: () => new Date(now.time) };
}

async function saveAged(store: ArtifactStore, now: { time: number }, names: string[]): Promise<void> {
  for (const [i, name] of names.entries()) {
    now.time += SECOND;
    await store.save(name, noise(2_000, i), { tags: i % 2 ? { odd: "yes" } : {} });
  }
}

function policyTests(testing: StoreTesting): void {
  const test = storeTests(testing, "policies");
  const { clock, now } = saver();
  const names = ["a", "b", "a", "a", "b", "c", "a"];
  const left = (report: PruneReport) => report.versions.map(({ ref }) => ref);

  test(
    "what goes is what all items let go, the oldest first",
    async (store) => {
      const start = now.time;
      await saveAged(store, now, names);
      await store.setAlias("a", "best", 1);
      const plan = async (policy: Parameters<ArtifactStore["prune"]>[0]) => {
        const report = await store.prune(policy, { dryRun: true });
        assert.equal(report.dryRun, true);
        return [left(report), report.protected];
      };
      assert.deepEqual(await plan({ keepLast: 1 }), [["a:0", "b:0", "a:2"], ["a:1"]]);
      assert.deepEqual(await plan({ keepLast: 1, name: "b" }), [["b:0"], []]);
      assert.deepEqual(await plan({ keepLast: 1, keepName: "a" }), [["b:0"], []]);
      assert.deepEqual(await plan({ olderThan: new Date(start + 3 * SECOND) }), [["a:0", "b:0"], []]);
      assert.deepEqual(await plan({ olderThan: "4s" }), [["a:0", "b:0"], []]);
      assert.deepEqual(await plan({ tags: { odd: "yes" } }), [["b:0", "a:2", "c:0"], []]);
      assert.deepEqual(await plan({ name: "**", keepTags: { odd: "yes" }, keepLast: 1 }), [
        ["a:0"],
        ["a:2", "a:1", "b:0"],
      ]);
      assert.equal((await refs(store.list({ allVersions: true }))).length, 7);
    },
    { clock },
  );

  test(
    "what leaves nothing, says nothing, or rests on a wrong clock is refused",
    async (store) => {
      await saveAged(store, now, names);
      await refused(store.prune({}), "INVALID_ARGUMENT");
      await refused(store.prune({ keepTags: { a: "b" } }), "INVALID_ARGUMENT");
      await refused(store.prune({ olderThan: "soon" }), "INVALID_ARGUMENT");
      await refused(store.prune({ keepLast: 1 }, { dryrun: true } as object), "INVALID_ARGUMENT");
      const nothing = await refused(store.prune({ keepLast: 0 }), "INVALID_ARGUMENT");
      assert.deepEqual(nothing.details, { versions: 7 });
      now.time -= 3_600 * SECOND;
      assert.match((await refused(store.prune({ olderThan: "1s" }), "INVALID_ARGUMENT")).message, /clock/);
      now.time += 3 * 365 * 86_400 * SECOND;
      assert.match((await refused(store.prune({ olderThan: "1s" }), "INVALID_ARGUMENT")).message, /clock/);
      const unreachable = await refused(store.prune({ maxSize: 10, keepName: "a" }), "INVALID_ARGUMENT");
      assert.ok((unreachable.details?.leastBytes as number) > 8_000);
      assert.equal((await refs(store.list({ allVersions: true }))).length, 7);
    },
    { clock },
  );

  test(
    "down to a size the oldest go, and no more of them than must",
    async (store, { settle }) => {
      await saveAged(store, now, names);
      await settle();
      await store.compact();
      const before = await store.prune({ maxSize: 1_000_000 }, { dryRun: true });
      assert.deepEqual(left(before), []);
      const goal = before.logBytes - 5_000;
      const plan = await store.prune({ maxSize: goal }, { dryRun: true });
      assert.ok(plan.logBytes <= goal);
      assert.deepEqual(left(plan), ["a:0", "b:0", "a:1"].slice(0, left(plan).length));
      assert.ok(left(plan).length >= 2);
      const done = await store.prune({ maxSize: goal });
      assert.deepEqual(left(done), left(plan));
      assert.equal(done.plannedBytes, plan.plannedBytes);
      assert.equal((await refs(store.list({ allVersions: true }))).length, 7 - left(plan).length);
    },
    { clock },
  );
}

function pruneTests(testing: StoreTesting): void {
  const test = storeTests(testing, "prune");

  test("says before what it does, does it, and frees what it said", async (store, { settle }) => {
    const shared = noise(50_000, 9);
    for (const value of [noise(10_000, 1), shared, noise(20_000, 2)]) await store.save("a", value);
    await store.save("b", shared);
    await settle();
    const plan = await store.prune({ name: "a", keepLast: 1 }, { dryRun: true });
    assert.deepEqual(
      plan.versions.map(({ ref, size }) => [ref, size]),
      [
        ["a:0", 10_000],
        ["a:1", 50_000],
      ],
    );
    // The shared value is needed by another one.
    assert.ok(plan.plannedBytes >= 10_000 && plan.plannedBytes < 12_000, `${plan.plannedBytes}`);
    let asked: PruneReport | undefined;
    const declined = await store.prune(
      { name: "a", keepLast: 1 },
      {
        confirm: (report) => {
          asked = report;
          return false;
        },
      },
    );
    assert.deepEqual(asked?.versions, plan.versions);
    assert.equal(declined.dryRun, true);
    assert.equal((await refs(store.versions("a"))).length, 3);
    const done = await store.prune({ name: "a", keepLast: 1 });
    assert.equal(done.freedBytes, plan.plannedBytes + plan.deadBytes);
    assert.deepEqual(await refs(store.list({ allVersions: true })), ["a:2", "b:0"]);
    assert.deepEqual(Buffer.from(await store.load<Uint8Array>("b")), shared);
    assert.deepEqual((await store.verify({ full: true })).problems, []);
    await refused(store.undelete("a:0"), "NOT_FOUND");
  });

  test("without compaction what goes can be brought back", async (store) => {
    for (let i = 0; i < 4; i++) await store.save("a", i);
    const report = await store.prune({ keepLast: 1 }, { compact: false });
    assert.equal(report.freedBytes, 0);
    assert.equal((await store.undelete("a:1")).ref, "a:1");
  });

  test("what others changed meanwhile stays as they left it", async (store, { again }) => {
    const other = await again();
    for (let i = 0; i < 6; i++) await store.save("a", noise(3_000, i));
    const confirm = async () => {
      await other.setAlias("a", "best", 0);
      await other.delete("a:1");
      await other.annotate("a:2", { tags: { keep: "yes" } });
      return true;
    };
    const policy = { keepLast: 1, keepTags: { keep: "yes" } };
    const report = await store.prune(policy, { confirm, compact: false });
    assert.deepEqual(
      report.versions.map(({ ref }) => ref),
      ["a:3", "a:4"],
    );
    assert.deepEqual([...report.protected].sort(), ["a:0", "a:1", "a:2"]);
    assert.ok(report.plannedBytes >= 6_000 && report.plannedBytes < 6_500, `${report.plannedBytes}`);
    assert.deepEqual(await refs(store.versions("a")), ["a:0", "a:2", "a:5"]);
  });

  test("newer versions that others delete are made up for by older ones", async (store) => {
    for (let i = 0; i < 5; i++) await store.save("a", i);
    const confirm = async () => {
      await store.delete("a:4");
      return true;
    };
    const report = await store.prune({ keepLast: 2 }, { confirm, compact: false });
    assert.deepEqual(
      report.versions.map(({ ref }) => ref),
      ["a:0", "a:1"],
    );
    assert.deepEqual(await refs(store.versions("a")), ["a:2", "a:3"]);
  });

  test("directories go with what only they have", async (store, { folder, settle }) => {
    const files = { "own.bin": noise(30_000, 4), "shared.bin": noise(40_000, 5), "c/d": "x" };
    await store.saveDirectory("one", makeTree(join(folder(), "one"), files));
    await store.saveDirectory(
      "two",
      makeTree(join(folder(), "two"), { ...files, "own.bin": noise(20_000, 6) }),
    );
    await store.save("file", files["shared.bin"]);
    await settle();
    const plan = await store.prune({ name: "one" }, { dryRun: true });
    assert.ok(plan.plannedBytes >= 30_000 && plan.plannedBytes < 33_000, `${plan.plannedBytes}`);
    const done = await store.prune({ name: "one" });
    assert.equal(done.freedBytes, plan.plannedBytes + plan.deadBytes);
    assert.deepEqual((await store.verify({ full: true })).problems, []);
    const { byName } = await store.stats({ byName: true });
    const own = Object.fromEntries(byName!.map(({ name, ownBytes }) => [name, ownBytes]));
    assert.ok(own.two! >= 20_000 && own.two! < 23_000, `${own.two}`);
    assert.equal(own.file, 0);
  });
}

function wholeTests(testing: StoreTesting): void {
  const test = storeTests(testing, "space and integrity");

  test("statistics count names, versions and bytes", async (store) => {
    const bytes = noise(5_000);
    await store.save("a", bytes);
    await store.save("b", bytes);
    await store.save("b", noise(700, 2));
    await store.save("c", noise(900, 3));
    await store.setAlias("b", "x", 0);
    await store.delete("c:0");
    const { names, versions, deletedVersions, aliases, valueBytes, liveBlobBytes, byName, ...stats } =
      await store.stats({ byName: true });
    const counts = { names, versions, deletedVersions, aliases, valueBytes, liveBlobBytes };
    assert.deepEqual(counts, {
      ...{ names: 2, versions: 3, deletedVersions: 1, aliases: 1 },
      ...{ valueBytes: 10_700, liveBlobBytes: 5_700 },
    });
    assert.equal(stats.deduplicatedBytes, 5_000);
    assert.equal(stats.blobBytes, 6_600);
    assert.ok(stats.deadBlobBytes >= 900 && stats.deadBlobBytes < 1_100);
    assert.deepEqual(
      byName!.map(({ ownBytes: _, ...rest }) => rest),
      [
        { name: "a", versions: 1, deletedVersions: 0, valueBytes: 5_000 },
        { name: "b", versions: 2, deletedVersions: 0, valueBytes: 5_700 },
        { name: "c", versions: 0, deletedVersions: 1, valueBytes: 0 },
      ],
    );
  });

  test("compaction frees what is deleted, and says so before", async (store, { settle }) => {
    for (let i = 0; i < 10; i++) await store.save(`n${i}`, noise(10_000, i));
    for (let i = 0; i < 9; i++) await store.delete(`n${i}:0`);
    await settle();
    const plan = await store.compact({ dryRun: true });
    assert.equal(plan.blobs, 9);
    assert.ok(plan.freedBytes >= 90_000 && plan.freedBytes < 92_000, `${plan.freedBytes}`);
    assert.equal((await store.stats()).deletedVersions, 9);
    const done = await store.compact();
    assert.equal(done.blobs, 9);
    assert.equal(done.freedBytes, plan.freedBytes);
    assert.equal((await store.stats()).deletedVersions, 0);
    assert.equal((await store.stats()).blobs, 1);
    assert.equal((await store.compact()).blobs, 0);
    assert.deepEqual(Buffer.from(await store.load<Uint8Array>("n9")), noise(10_000, 9));
    await refused(store.compact({ what: 1 } as object), "INVALID_ARGUMENT");
  });

  test("verify looks at everything, or at a part at a time", async (store, { folder }) => {
    for (let i = 0; i < 20; i++) await store.save(`n${i}`, i);
    await store.saveDirectory("tree", makeTree(join(folder(), "tree"), { a: "1", b: "2" }));
    await store.delete("n3:0");
    const whole = await store.verify({ full: true });
    assert.deepEqual([whole.ok, whole.complete, whole.problems], [true, true, []]);
    let next: string | undefined;
    let calls = 0;
    do {
      const part = await store.verify({ timeBudget: 0, full: true, ...(next && { after: next }) });
      assert.ok(part.ok);
      next = part.next;
      calls++;
    } while (next && calls < 1_000);
    assert.ok(calls > 1 && next === undefined);
    await refused(store.verify({ after: "nonsense" }), "INVALID_ARGUMENT");
    await refused(store.verify({ timeBudget: -1 }), "INVALID_ARGUMENT");
  });

  test("repair of what is whole does nothing", async (store) => {
    await store.save("a", 1);
    const report = await store.repair();
    assert.deepEqual([report.ok, report.repaired, report.notRepaired], [true, [], []]);
    await refused(store.repair({ from: 7 as unknown as string }), "INVALID_ARGUMENT");
  });
}
