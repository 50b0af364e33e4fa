import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, Batch, Pending, StoreStats } from "../../engine/api.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore } from "../helpers/stores.ts";

const test = suite("batch");
test.after.each(closeAll);

/** Stats without the size of the index, whose file grows when it likes. */
async function counts(store: ArtifactStore): Promise<Partial<StoreStats>> {
  const { indexBytes, ...rest } = await store.stats();
  return rest;
}

test("operations apply in order under one sequence number, and the saved artifacts are given in order", async () => {
  const store = await newStore();
  await store.save("old", 0);
  await store.setAlias("old", "gone", 0);
  const saved = await store.batch((batch) => {
    const first = batch.save("m", "one", { tags: { a: "1" } });
    const second = batch.save("m", "two", { inputs: [first, "old"] });
    batch.setAlias("m", "prod", second);
    batch.annotate(first, { tags: { a: "2" }, metadata: { m: 1 } });
    batch.deleteAlias("old", "gone");
    batch.delete("old:0");
    batch.save("n", "three");
  });
  assert.equal(
    saved.map(({ ref }) => ref),
    ["m:0", "m:1", "n:0"],
  );
  assert.equal(new Set(saved.map(({ sequence }) => sequence)).size, 1);
  assert.equal(saved[0]!.tags, { a: "2" });
  assert.equal(saved[0]!.metadata, { m: 1 });
  assert.equal(saved[1]!.inputs, ["m:0", "old:0"]);
  assert.equal(saved[1]!.aliases, ["prod"]);
  assert.is(await store.load("m@prod"), "two");
  assert.is(await store.has("old"), false);
  assert.equal(await store.aliases("old"), {});
  assert.is((await store.stats()).sequence, 3);
});

test("an empty batch changes nothing", async () => {
  const store = await newStore();
  await store.save("a", 1);
  assert.equal(await store.batch(() => {}), []);
  assert.is((await store.stats()).sequence, 1);
  assert.is((await store.save("b", 1)).sequence, 2);
});

test("a failed ifVersion rejects the whole", async () => {
  const store = await newStore();
  await store.save("a", "kept");
  const stats = await counts(store);
  const call = store.batch((batch) => {
    batch.save("b", "new");
    batch.save("a", "newer", { ifVersion: 0 });
    batch.setAlias("a", "x", 0);
    batch.save("a", "newest", { ifVersion: 0 });
  });
  await failureWithHint(call, "CONFLICT");
  assert.is(await store.has("b"), false);
  assert.equal(await store.aliases("a"), {});
  assert.is((await store.get("a")).version, 0);
  assert.equal(await counts(store), stats);
});

test("a failing operation takes back everything before it, whatever it was", async () => {
  const store = await newStore();
  await store.save("a", "x".repeat(500), { tags: { t: "1" } });
  await store.save("a", "second");
  await store.setAlias("a", "al", 0);
  await store.save("c", "shared");
  await store.delete("c:0");
  const before = { stats: await counts(store), a: await describe("a:0"), aliases: await store.aliases("a") };
  async function describe(ref: string) {
    const { tags, metadata, aliases, digest } = await store.get(ref);
    return { tags, metadata, aliases, digest };
  }
  const failing: ((batch: Batch) => void)[] = [
    (batch) => batch.delete("none:0"),
    (batch) => batch.setAlias("a", "z", 9),
    (batch) => batch.annotate("none", { tags: { a: "b" } }),
    (batch) => batch.deleteAlias("a", "none"),
    (batch) => void batch.save("a", 1, { inputs: ["none"] }),
  ];
  for (const fail of failing) {
    const call = store.batch((batch) => {
      batch.save("a", "x".repeat(500));
      batch.save("new", "y".repeat(700));
      batch.annotate("a:0", { tags: { t: null, u: "2" }, metadata: { m: 1 } });
      batch.delete("a:0", { aliases: true });
      batch.setAlias("a", "al", 1);
      batch.delete("a:1", { aliases: true });
      fail(batch);
    });
    await failureWithHint(call, "NOT_FOUND");
    const after = { stats: await counts(store), a: await describe("a:0"), aliases: await store.aliases("a") };
    assert.equal(after, before);
  }
  assert.is((await store.save("a", 3)).version, 2);
  assert.ok((await store.verify({ full: true })).ok);
  const counted = await counts(store);
  await store.rebuildIndex();
  assert.equal(await counts(store), counted);
});

test("if the function throws, nothing happened", async () => {
  const store = await newStore();
  const error = new Error("mine");
  const file = join(newFolder(), "code.ts");
  writeFileSync(file, "code");
  try {
    await store.batch((batch) => {
      batch.save("a", 1, { code: { file } });
      throw error;
    });
    assert.unreachable();
  } catch (caught) {
    assert.is(caught, error);
  }
  assert.is((await store.stats()).sequence, 0);
});

test("a batch may wait before it queues more, and code may come from files", async () => {
  const store = await newStore();
  const file = join(newFolder(), "code.ts");
  writeFileSync(file, "code");
  const saved = await store.batch(async (batch) => {
    const pending = batch.save("a", 1, { code: { file } });
    await new Promise((resolve) => setImmediate(resolve));
    batch.save("b", 2, { inputs: [pending] });
  });
  assert.equal(saved[0]!.code, { sources: [{ file, text: "code" }] });
  assert.equal(saved[1]!.inputs, ["a:0"]);
});

test("the value is taken when batch.save is called", async () => {
  const store = await newStore();
  const value = { n: 1 };
  await store.batch((batch) => {
    batch.save("a", value);
    value.n = 2;
    batch.save("a", value);
  });
  assert.equal([await store.load("a:0"), await store.load("a:1")], [{ n: 1 }, { n: 2 }]);
});

test("calls after the function has ended are INVALID_ARGUMENT", async () => {
  const store = await newStore();
  let kept!: Batch;
  let pending!: Pending;
  await store.batch((batch) => {
    kept = batch;
    pending = batch.save("a", 1);
  });
  await failureWithHint(() => kept.save("a", 2), "INVALID_ARGUMENT");
  await failureWithHint(() => kept.setAlias("a", "x", 0), "INVALID_ARGUMENT");
  await failureWithHint(() => kept.deleteAlias("a", "x"), "INVALID_ARGUMENT");
  await failureWithHint(() => kept.annotate("a", {}), "INVALID_ARGUMENT");
  await failureWithHint(() => kept.delete("a:0"), "INVALID_ARGUMENT");
  await failure(
    store.batch((batch) => void batch.save("b", 1, { inputs: [pending] })),
    "INVALID_ARGUMENT",
  );
  assert.is((await store.stats()).versions, 1);
});

test("store.save inside the function is no part of the batch", async () => {
  const store = await newStore();
  await failure(
    store.batch(async (batch) => {
      batch.save("inside", 1);
      await store.save("outside", 2);
      batch.delete("none:0");
    }),
    "NOT_FOUND",
  );
  assert.is(await store.has("outside"), true);
  assert.is(await store.has("inside"), false);
});

test("wrong arguments fail at the call, and so the whole", async () => {
  const store = await newStore();
  for (const wrong of [
    (batch: Batch) => void batch.save("a:b", 1),
    (batch: Batch) => void batch.save("a", () => 1),
    (batch: Batch) => batch.setAlias("a", "7", 0),
    (batch: Batch) => batch.setAlias("other", "x", batch.save("b", 1)),
    (batch: Batch) => batch.delete("a"),
    (batch: Batch) => batch.annotate("a", { metadata: { x: 1n } } as never),
  ]) {
    try {
      await store.batch(wrong);
      assert.unreachable();
    } catch (error) {
      assert.match((error as { code: string }).code, /INVALID_ARGUMENT|UNSUPPORTED_VALUE/);
    }
  }
  assert.is((await store.stats()).sequence, 0);
});

test("batches and saves run side by side, each whole", async () => {
  const store = await newStore();
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < 60; i++) {
    if (i % 3 === 0) {
      const conflict = i % 6 === 0;
      const call = store.batch((batch) => {
        batch.save("x", i);
        batch.save("y", i);
        if (conflict) batch.delete("none:0");
      });
      calls.push(conflict ? failure(call, "NOT_FOUND") : call);
    } else calls.push(store.save("x", i));
  }
  await Promise.all(calls);
  const stats = await store.stats();
  assert.is(stats.versions, 40 + 10 * 2);
  let versions = 0;
  for await (const { version } of store.versions("x")) assert.is(version, versions++);
  assert.is(versions, 50);
});

test("a version deleted later in the same batch is given as deleted", async () => {
  const store = await newStore();
  const [saved] = await store.batch((batch) => {
    const pending = batch.save("a", 1);
    batch.delete(pending);
  });
  assert.is(saved!.deleted, true);
  assert.is(await store.has("a"), false);
  assert.is((await store.save("a", 1)).version, 1);
});

test.run();
