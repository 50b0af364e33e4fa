import * as assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StoreTesting } from "./store-support.ts";
import { refs, refused, storeTests } from "./store-support.ts";

/** What is said with a save, and several of them at once. */
export function saveTests(testing: StoreTesting): void {
  optionTests(testing);
  batchTests(testing);
}

function optionTests(testing: StoreTesting): void {
  const test = storeTests(testing, "saves");
  const now = new Date("2026-01-02T03:04:05.678Z");

  test(
    "an artifact tells everything that was saved with the value",
    async (store, { again }) => {
      const clean = await store.save("clean", 1);
      const options = {
        code: "train()",
        inputs: [clean, "clean:0"],
        tags: { stage: "dev" },
        metadata: { accuracy: 0.97, deep: { list: [1, null] } },
      };
      const saved = await store.save("model", { x: 1 }, options);
      for (const artifact of [saved, await (await again()).get("model")]) {
        assert.equal(artifact.ref, "model:0");
        assert.deepEqual(artifact.createdAt, now);
        assert.equal(artifact.sequence, clean.sequence + 1);
        assert.equal(artifact.backend, "varve");
        assert.deepEqual(artifact.code, { sources: [{ text: "train()" }] });
        assert.deepEqual(artifact.inputs, ["clean:0", "clean:0"]);
        assert.deepEqual({ ...artifact.tags }, { stage: "dev" });
        assert.deepEqual(artifact.metadata, { accuracy: 0.97, deep: { list: [1, null] } });
        assert.deepEqual(artifact.aliases, []);
        assert.equal(artifact.deleted, false);
        assert.deepEqual(artifact.environment, {});
      }
    },
    { clock: () => now },
  );

  test("code of functions, files and any length", async (store, { folder }) => {
    const path = join(folder(), "train.ts");
    writeFileSync(path, "long\n".repeat(1_000));
    const train = () => 42;
    await store.save("a", 1, { code: train });
    await store.save("a", 1, { code: { file: path } });
    assert.deepEqual((await store.get("a:0")).code, { sources: [{ text: train.toString() }] });
    const text = "long\n".repeat(1_000);
    assert.deepEqual((await store.get("a:1")).code, { sources: [{ file: path, text }] });
    await refused(store.save("a", 1, { code: { file: join(folder(), "none") } }), "INVALID_ARGUMENT");
  });

  test(
    "the environment is kept, and frozen",
    async (store, { again }) => {
      const saved = await store.save("a", 1);
      for (const artifact of [saved, await (await again()).get("a")]) {
        assert.equal(artifact.environment.node, process.version);
        assert.equal(artifact.createdBy, artifact.environment.user);
        assert.ok(Object.isFrozen(artifact.environment));
      }
    },
    { environment: [] },
  );

  test("inputs are resolved, and must be there and live", async (store) => {
    await store.save("a", 1);
    await store.save("a", 2);
    await store.setAlias("a", "best", 0);
    const saved = await store.save("b", 3, { inputs: ["a", "a@best", "a:latest"] });
    assert.deepEqual(saved.inputs, ["a:1", "a:0", "a:1"]);
    await store.delete("a:1");
    const gone = await refused(store.save("c", 1, { inputs: ["a:1"] }), "NOT_FOUND");
    assert.match(gone.hint ?? "", /undelete/);
    await refused(store.save("c", 1, { inputs: ["nothing"] }), "NOT_FOUND");
    assert.equal(await store.has("c"), false);
  });

  test("ifVersion lets a save through only behind the version that it names", async (store) => {
    await store.save("a", 1, { ifVersion: "absent" });
    const taken = await refused(store.save("a", 2, { ifVersion: "absent" }), "CONFLICT");
    assert.deepEqual(taken.details, { name: "a", latest: 0, ifVersion: "absent" });
    await store.save("a", 2, { ifVersion: 0 });
    await refused(store.save("a", 3, { ifVersion: 0 }), "CONFLICT");
    await store.delete("a:1");
    assert.equal((await store.save("a", 3, { ifVersion: 0 })).version, 2);
  });

  test("of saves at once that want to be the first, one is", async (store, { again }) => {
    const other = await again();
    const saves = Array.from({ length: 20 }, (_, i) =>
      (i % 2 ? store : other).save("a", i, { ifVersion: "absent" }).then(
        () => 1,
        () => 0,
      ),
    );
    assert.equal(
      (await Promise.all(saves)).reduce((sum: number, one) => sum + one, 0),
      1,
    );
  });

  test("saves of several handles have versions of their own, none lost", async (store, { again }) => {
    const stores = [store, await again(), await again()];
    const saved = await Promise.all(Array.from({ length: 60 }, (_, i) => stores[i % 3]!.save("a", i)));
    assert.deepEqual(
      saved.map(({ version }) => version).sort((a, b) => a - b),
      Array.from({ length: 60 }, (_, i) => i),
    );
    for (const { version, ref } of saved)
      assert.equal(
        await store.load(ref),
        saved.findIndex((each) => each.version === version),
      );
  });
}

function batchTests(testing: StoreTesting): void {
  const test = storeTests(testing, "batches");

  test("operations apply in order, and later ones see earlier ones", async (store) => {
    await store.save("old", 0);
    const saved = await store.batch((batch) => {
      const first = batch.save("a", 1, { tags: { x: "1" } });
      const second = batch.save("b", 2, { inputs: [first, "old"] });
      batch.setAlias("a", "best", first);
      batch.annotate(second, { tags: { y: "2" }, metadata: { z: 3 } });
      batch.delete("old:0");
    });
    assert.deepEqual(
      saved.map(({ ref }) => ref),
      ["a:0", "b:0"],
    );
    const [a, b] = saved;
    assert.deepEqual(a!.aliases, ["best"]);
    assert.deepEqual(b!.inputs, ["a:0", "old:0"]);
    assert.deepEqual({ ...b!.tags }, { y: "2" });
    assert.equal(a!.sequence, b!.sequence);
    assert.equal(await store.has("old"), false);
    assert.equal(await store.load("a@best"), 1);
  });

  test("all of it or nothing", async (store) => {
    await store.save("a", 0);
    const call = store.batch((batch) => {
      batch.save("a", 1);
      batch.save("b", 2);
      batch.deleteAlias("a", "nothing");
    });
    await refused(call, "NOT_FOUND");
    await refused(
      store.batch((batch) => {
        batch.save("b", 1);
        batch.delete("a");
      }),
      "INVALID_ARGUMENT",
    );
    await assert.rejects(
      store.batch(async (batch) => {
        batch.save("b", 1);
        await Promise.resolve();
        throw new TypeError("gave up");
      }),
      TypeError,
    );
    assert.deepEqual(await refs(store.list({ allVersions: true })), ["a:0"]);
  });

  test("values of any length, and batches that end", async (store) => {
    const large = Buffer.alloc(1_500_000, 3);
    let ended: ((name: string) => unknown) | undefined;
    const [saved] = await store.batch((batch) => {
      batch.save("large", large);
      ended = (name) => batch.save(name, 1);
    });
    assert.deepEqual(Buffer.from(await saved!.bytes()), large);
    await refused(() => ended!("late"), "INVALID_ARGUMENT");
    assert.deepEqual(await store.batch(() => {}), []);
  });

  test("pending saves belong to their batch, and aliases to their name", async (store) => {
    await store.batch(async (one) => {
      const pending = one.save("a", 1);
      await refused(() => one.setAlias("b", "x", pending), "INVALID_ARGUMENT");
      await store.batch(async (other) => {
        await refused(() => other.annotate(pending, { tags: { a: "b" } }), "INVALID_ARGUMENT");
      });
    });
    assert.deepEqual(await refs(store.list()), ["a:0"]);
  });
}
