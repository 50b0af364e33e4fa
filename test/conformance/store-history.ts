import * as assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { StoreTesting } from "./store-support.ts";
import { noise, refs, refused, storeTests } from "./store-support.ts";

/** What `compact({ historyBefore })` leaves of versions that were deleted. */
export function historyTests(testing: StoreTesting): void {
  const test = storeTests(testing, "history");

  test("of what was deleted up to a moment only the numbers are left, but for the first and the newest of a name", async (store, {
    again,
    settle,
  }) => {
    for (let i = 0; i < 5; i++) await store.save("a", noise(5_000, i), { code: `step(${i});` });
    await store.save("b", "b", { inputs: ["a:1", "a:2"] });
    await store.setAlias("a", "best", 3);
    for (const ref of ["a:0", "a:2", "a:4"]) await store.delete(ref);
    await sleep(5);
    const then = new Date();
    await sleep(5);
    await store.delete("a:1");
    await settle();
    const foreseen = await store.compact({ historyBefore: then, dryRun: true });
    assert.deepEqual((await refs(store.list({ deleted: true }))).sort(), ["a:0", "a:1", "a:2", "a:4"]);
    assert.equal((await store.undelete("a:2")).ref, "a:2");
    await store.delete("a:2");
    await store.compact({ historyBefore: then });
    // It was deleted again since.
    assert.deepEqual((await refs(store.list({ deleted: true }))).sort(), ["a:0", "a:1", "a:2", "a:4"]);
    const { sequence } = await store.stats();
    const done = await store.compact({ historyBefore: sequence });
    assert.ok(foreseen.records > 0 && foreseen.blobs === 4 && done.skipped.length === 0);
    for (const each of [store, await again()]) {
      assert.deepEqual((await refs(each.list({ deleted: true }))).sort(), ["a:0", "a:4"]);
      assert.deepEqual(await refs(each.versions("a")), ["a:3"]);
      for (const ref of ["a:1", "a:2", "a:4"]) await refused(each.undelete(ref), "NOT_FOUND");
      assert.deepEqual(Buffer.from(await each.load<Uint8Array>("a@best")), noise(5_000, 3));
      assert.deepEqual((await each.get("b")).inputs, ["a:1", "a:2"]);
      const graph = await each.lineage("b");
      assert.deepEqual(graph.nodes.map(({ ref, deleted }) => `${ref} ${deleted}`).sort(), [
        "a:1 true",
        "a:2 true",
        "b:0 false",
      ]);
    }
    assert.equal((await store.save("a", 1)).version, 5, "no number is given again");
    assert.deepEqual((await store.verify({ full: true })).problems, []);
    assert.equal((await store.compact({ historyBefore: 1 })).blobs, 0);
  });

  test("a dry run says what goes", async (store, { settle }) => {
    for (let i = 0; i < 20; i++) await store.save("a", noise(5_000, i), { code: `// ${i}\n`.repeat(300) });
    for (let i = 1; i < 19; i++) await store.annotate(`a:${i}`, { tags: { i: `${i}` } });
    for (let i = 1; i < 19; i++) await store.delete(`a:${i}`);
    await settle();
    const { sequence } = await store.stats();
    const foreseen = await store.compact({ historyBefore: sequence, dryRun: true });
    assert.equal((await refs(store.list({ deleted: true }))).length, 18);
    const done = await store.compact({ historyBefore: sequence });
    assert.deepEqual(
      [done.records, done.freedBytes, done.blobs],
      [foreseen.records, foreseen.freedBytes, foreseen.blobs],
    );
    assert.ok(done.records >= 18 && done.freedBytes >= 90_000);
    assert.deepEqual(await refs(store.list({ deleted: true })), []);
    assert.equal((await store.compact({ historyBefore: sequence })).records, 0);
  });

  test("what is no operation and no moment is refused, and so is a handle that only reads", async (store, {
    again,
  }) => {
    await store.save("a", 1);
    for (const historyBefore of [-1, 1.5, new Date("?"), "now"])
      await refused(store.compact({ historyBefore: historyBefore as number }), "INVALID_ARGUMENT");
    const reader = await again({ readOnly: true });
    await refused(reader.compact({ historyBefore: 1 }), "READ_ONLY");
    assert.equal((await reader.compact({ historyBefore: 1, dryRun: true })).dryRun, true);
  });

  const now = { time: Date.UTC(2026, 0, 1) };
  test(
    "where all of it is forgotten, versions have their ages, and a wrong clock is noticed",
    async (store) => {
      for (const name of ["a", "b", "a"]) {
        now.time += 1_000;
        await store.save(name, name);
      }
      await store.compact({ historyBefore: (await store.stats()).sequence });
      now.time += 1_000;
      const { versions } = await store.prune({ olderThan: "2s" }, { dryRun: true });
      assert.deepEqual(
        versions.map(({ ref }) => ref),
        ["a:0"],
      );
      now.time -= 3_600_000;
      assert.match((await refused(store.prune({ olderThan: "1s" }), "INVALID_ARGUMENT")).message, /clock/);
    },
    { clock: () => new Date(now.time) },
  );
}
