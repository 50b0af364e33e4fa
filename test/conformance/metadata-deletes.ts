import * as assert from "node:assert/strict";
import type { MetadataStore } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  alias,
  apply,
  at,
  latest,
  pending,
  plain,
  refOf,
  refsOf,
  refused,
  remove,
  START,
  save,
  saved,
  storeTests,
  unit,
} from "./metadata-support.ts";

/** Annotations, deletes and undeletes. */
export function deleteTests(testing: MetadataTesting): void {
  annotationTests(testing);
  removalTests(testing);
  returnTests(testing);
  conditionTests(testing);
}

/** Saves `a` three times. */
async function three(store: MetadataStore): Promise<void> {
  await apply(store, save("a"), save("a"), save("a"));
}

const setAlias = (name: string, of: string, version: number) =>
  ({ kind: "alias", name, alias: of, version }) as const;
const undelete = (name: string, version: number) => ({ kind: "undelete", name, version }) as const;
const everything = (name: string) => ({ name, kind: "all" }) as const;

function annotationTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "annotate");

  test("top-level keys are set, null removes one, the rest stays as it was", async (store) => {
    const before = await saved(store, "a", {
      tags: { keep: "1", change: "2", remove: "3" },
      metadata: { keep: { a: 1 }, change: { a: 1, b: 2 }, remove: [] },
      environment: { user: "mia" },
    });
    const result = await store.commit([
      unit(
        [
          {
            kind: "annotate",
            target: latest("a"),
            tags: { change: "x", remove: null, none: null, add: "" },
            metadata: { change: { c: null }, remove: null, none: null, add: 0 },
          },
        ],
        START + 5,
      ),
    ]);
    const wanted = {
      ...(plain(before) as object),
      tags: { keep: "1", change: "x", add: "" },
      metadata: { keep: { a: 1 }, change: { c: null }, add: 0 },
    };
    assert.ok(!(result[0] instanceof Error));
    assert.deepEqual(plain(result[0]?.versions[0]), wanted, "when and by what it was saved stays");
    assert.equal(result[0]?.sequence, before.sequence + 1);
    assert.deepEqual(plain(await store.at("a", 0)), wanted);
    await apply(store, {
      kind: "annotate",
      target: at("a", 0),
      tags: { keep: null, change: null, add: null },
    });
    assert.deepEqual((await store.at("a", 0))?.tags, {});
  });

  test("only live versions are annotated", async (store) => {
    await three(store);
    await apply(store, remove("a", 1));
    for (const target of [at("a", 1), at("a", 3), latest("b"), alias("a", "x")])
      await refused(store, "NOT_FOUND", { kind: "annotate", target, tags: { x: "1" } });
  });
}

function removalTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "delete");

  test("a delete reports refs, and aliases that went with them", async (store) => {
    await three(store);
    await apply(store, setAlias("a", "x", 1), setAlias("a", "b", 1), setAlias("a", "z", 2));
    const one = await apply(store, remove("a", 1, true));
    assert.deepEqual([one.deleted, one.removedAliases], [["a:1"], ["a@b", "a@x"]]);
    const rest = await apply(store, { kind: "delete", target: everything("a"), aliases: true });
    assert.deepEqual([rest.deleted, rest.removedAliases], [["a:0", "a:2"], ["a@z"]], "in order");
    assert.deepEqual(await store.aliases("a"), {});
    assert.deepEqual((await store.at("a", 1))?.aliases, []);
    for (const target of [everything("a"), latest("a"), alias("a", "x"), at("a", 0), at("a", 7)])
      await refused(store, "NOT_FOUND", { kind: "delete", target, aliases: true });
  });

  test("a version with an alias is CONFLICT, and none of many is deleted then", async (store) => {
    await three(store);
    await apply(store, setAlias("a", "x", 1), setAlias("a", "b", 1));
    for (const target of [at("a", 1), alias("a", "b"), everything("a")]) {
      const error = await refused(store, "CONFLICT", { kind: "delete", target, aliases: false });
      assert.deepEqual(error.details, { ref: "a:1", aliases: ["b", "x"] });
      assert.equal(error.message, "a:1 has the alias b, x");
      assert.ok(error.hint);
    }
    assert.deepEqual(await refsOf(store), ["a:2", "a:1", "a:0"]);
    assert.deepEqual(await store.aliases("a"), { b: 1, x: 1 });
  });

  test("a delete by alias or latest deletes the version it means then", async (store) => {
    await three(store);
    const byAlias = await apply(
      store,
      setAlias("a", "x", 0),
      { kind: "delete", target: alias("a", "x"), aliases: true },
      { kind: "delete", target: latest("a"), aliases: false },
      { kind: "delete", target: latest("a"), aliases: false },
    );
    assert.deepEqual(byAlias.deleted, ["a:0", "a:2", "a:1"]);
    assert.deepEqual(await refsOf(store, { mode: "deleted" }), ["a:2", "a:1", "a:0"]);
  });
}

function returnTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "undelete");

  test("an undelete brings a version back as it was, with the aliases that are free", async (store) => {
    const before = await saved(store, "a", {
      tags: { x: "1" },
      metadata: { y: [2] },
      environment: { user: "mia" },
    });
    await saved(store, "a");
    await apply(store, setAlias("a", "free", 0), setAlias("a", "taken", 0));
    await apply(store, remove("a", 0, true));
    await apply(store, setAlias("a", "taken", 1));
    const { versions } = await apply(store, undelete("a", 0));
    const wanted = { ...(plain(before) as object), aliases: ["free"] };
    assert.deepEqual(plain(versions[0]), wanted);
    assert.deepEqual(plain(await store.at("a", 0)), wanted);
    assert.deepEqual(await store.aliases("a"), { free: 0, taken: 1 });
    await apply(store, remove("a", 0, true));
    await apply(store, undelete("a", 0));
    assert.deepEqual(await store.aliases("a"), { free: 0, taken: 1 });
  });

  test("aliases that were removed before the delete stay removed", async (store) => {
    await three(store);
    await apply(store, setAlias("a", "x", 0), { kind: "deleteAlias", name: "a", alias: "x" });
    await apply(store, remove("a", 0), undelete("a", 0));
    assert.deepEqual(await store.aliases("a"), {});
  });

  test("an undelete of a live version changes nothing; of none it is NOT_FOUND", async (store) => {
    await three(store);
    const { sequence } = await store.counts();
    const result = await apply(store, undelete("a", 1));
    assert.deepEqual([result.sequence, result.versions.map(refOf)], [sequence, ["a:1"]]);
    for (const [name, version] of [
      ["a", 3],
      ["b", 0],
    ] as const) {
      const error = await refused(store, "NOT_FOUND", undelete(name, version));
      assert.deepEqual(error.details, { ref: `${name}:${version}` });
    }
  });

  test("a deleted version can be brought back in the same unit", async (store) => {
    await three(store);
    const result = await apply(store, remove("a", 2), undelete("a", 2), {
      kind: "annotate",
      target: latest("a"),
      tags: { x: "1" },
    });
    assert.deepEqual(result.versions.map(refOf), ["a:2", "a:2"]);
    assert.deepEqual([result.deleted, result.versions[0]?.deleted], [["a:2"], false]);
    assert.deepEqual((await store.find(latest("a")))?.tags, { x: "1" });
  });
}

function conditionTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "delete unless changed");

  test("what was deleted, aliased or annotated later is left as it is, and not reported", async (store) => {
    await store.commit(Array.from({ length: 6 }, () => unit([save("a")])));
    const { sequence } = await store.counts();
    await apply(store, remove("a", 0));
    await apply(store, setAlias("a", "x", 1));
    await apply(store, { kind: "annotate", target: at("a", 2), tags: { keep: "yes" } });
    await apply(store, remove("a", 3), undelete("a", 3));
    const unless = { changedAfter: sequence };
    const operations = [0, 1, 2, 3, 4].map((version) => ({ ...remove("a", version), unless }));
    const result = await apply(store, ...operations);
    assert.deepEqual([result.deleted, result.removedAliases], [["a:4"], []]);
    assert.deepEqual(await refsOf(store), ["a:5", "a:3", "a:2", "a:1"]);
    assert.deepEqual(await store.aliases("a"), { x: 1 });
    const { sequence: before } = await store.counts();
    const again = await apply(store, { ...remove("a", 2), unless });
    assert.deepEqual([again.sequence, again.deleted], [before, []], "nothing was changed");
  });

  test("what was changed before goes, and an alias from before is CONFLICT still", async (store) => {
    await three(store);
    await apply(store, { kind: "annotate", target: at("a", 0), tags: { x: "1" } }, setAlias("a", "x", 1));
    const unless = { changedAfter: (await store.counts()).sequence };
    assert.deepEqual((await apply(store, { ...remove("a", 0), unless })).deleted, ["a:0"]);
    await refused(store, "CONFLICT", { ...remove("a", 1), unless });
    const result = await apply(store, { ...remove("a", 1, true), unless });
    assert.deepEqual([result.deleted, result.removedAliases], [["a:1"], ["a@x"]]);
  });

  test("changes of the same unit count as later ones", async (store) => {
    await three(store);
    const unless = { changedAfter: (await store.counts()).sequence };
    const result = await apply(
      store,
      { kind: "annotate", target: at("a", 0), tags: { x: "1" } },
      { ...remove("a", 0), unless },
      save("a"),
      { kind: "delete", target: pending(2), aliases: false },
      { ...remove("a", 1), unless },
    );
    assert.deepEqual(result.deleted, ["a:3", "a:1"]);
  });
}
