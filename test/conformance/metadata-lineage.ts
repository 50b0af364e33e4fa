import * as assert from "node:assert/strict";
import type { LineageStep } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import { alias, apply, at, latest, pending, refOf, save, saved, storeTests } from "./metadata-support.ts";

/** What was made from what. */
export function lineageTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "lineage");

  test("up gives what versions were made from, down what was made from them", async (store) => {
    await apply(store, save("data"), save("data"), save("code"));
    await saved(store, "model", { inputs: [at("data", 0), latest("code")] });
    await saved(store, "model", { inputs: [at("data", 1), latest("code")] });
    await saved(store, "report", { inputs: [at("model", 0), at("model", 1)] });
    const model = [at("model", 0)];
    assert.deepEqual(texts(await store.lineage("up", model)), ["code:0 > model:0", "data:0 > model:0"]);
    assert.deepEqual(texts(await store.lineage("down", model)), ["model:0 > report:0"]);
    assert.deepEqual(texts(await store.lineage("down", [at("code", 0), at("data", 1)])), [
      "code:0 > model:0",
      "code:0 > model:1",
      "data:1 > model:1",
    ]);
    assert.deepEqual(texts(await store.lineage("up", [at("report", 0), at("model", 1), at("data", 0)])), [
      "code:0 > model:1",
      "data:1 > model:1",
      "model:0 > report:0",
      "model:1 > report:0",
    ]);
  });

  test("nothing is made from what has no inputs, is not there, or is not asked for", async (store) => {
    await saved(store, "a");
    await saved(store, "b", { inputs: [latest("a")] });
    assert.deepEqual(await store.lineage("up", [at("a", 0), at("a", 1), at("none", 0)]), []);
    assert.deepEqual(await store.lineage("down", [at("b", 0), at("b", 1), at("none", 0)]), []);
    assert.deepEqual(await store.lineage("up", []), []);
    assert.deepEqual(await store.lineage("down", []), []);
  });

  test("refs are kept as they were resolved", async (store) => {
    await apply(store, save("a"), save("a"), { kind: "alias", name: "a", alias: "x", version: 0 });
    await apply(
      store,
      save("a"),
      save("b", { inputs: [alias("a", "x"), latest("a"), pending(0), at("a", 1)] }),
    );
    await apply(store, { kind: "alias", name: "a", alias: "x", version: 1 });
    await saved(store, "a");
    assert.deepEqual((await store.at("b", 0))?.inputs, ["a:0", "a:2", "a:2", "a:1"], "in the order given");
    assert.deepEqual(texts(await store.lineage("up", [at("b", 0)])), ["a:0 > b:0", "a:1 > b:0", "a:2 > b:0"]);
  });

  test("deleted and forgotten versions stay part of it", async (store) => {
    await saved(store, "a");
    await saved(store, "b", { inputs: [latest("a")] });
    await saved(store, "c", { inputs: [latest("b")] });
    await apply(
      store,
      ...["a", "b", "c"].map((name) => ({ kind: "delete", target: latest(name), aliases: false }) as const),
    );
    for (const isForgotten of [false, true]) {
      if (isForgotten) await store.forget((await store.counts()).sequence);
      assert.deepEqual(texts(await store.lineage("down", [at("a", 0)])), ["a:0 > b:0"]);
      assert.deepEqual(texts(await store.lineage("up", [at("c", 0), at("b", 0)])), [
        "a:0 > b:0",
        "b:0 > c:0",
      ]);
    }
  });

  test("a thousand consumers of one version, and a thousand versions asked for", async (store) => {
    await saved(store, "a");
    await store.commit(
      Array.from({ length: 10 }, (_, i) => ({
        time: 0,
        operations: Array.from({ length: 100 }, (_, j) => save(`n${i}/${j}`, { inputs: [latest("a")] })),
      })),
    );
    const down = await store.lineage("down", [at("a", 0)]);
    assert.equal(new Set(texts(down)).size, 1000);
    const consumers = down.map(({ to }) => to);
    assert.deepEqual(texts(await store.lineage("up", consumers)), texts(down));
  });
}

/** Each once, in an order of their own: neither is promised. */
function texts(steps: readonly LineageStep[]): string[] {
  return [...new Set(steps.map(({ from, to }) => `${refOf(from)} > ${refOf(to)}`))].sort();
}
