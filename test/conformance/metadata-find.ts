import * as assert from "node:assert/strict";
import type { MetadataStore } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  alias,
  all,
  apply,
  at,
  latest,
  refOf,
  refused,
  rejected,
  remove,
  START,
  save,
  storeTests,
  unit,
} from "./metadata-support.ts";

/** What refs mean, and aliases. */
export function findTests(testing: MetadataTesting): void {
  refTests(testing);
  aliasTests(testing);
}

/** Saves `a` three times. */
async function three(store: MetadataStore): Promise<void> {
  await apply(store, save("a"), save("a"), save("a"));
}

const setAlias = (name: string, of: string, version: number) =>
  ({ kind: "alias", name, alias: of, version }) as const;
const everything = (name: string) => ({ name, kind: "all" }) as const;

function refTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "find");

  test("a ref means the latest, a version or an alias; all is refused", async (store) => {
    await three(store);
    await apply(store, setAlias("a", "best", 1));
    assert.equal((await store.find(latest("a")))?.version, 2);
    assert.equal((await store.find({ ...latest("a"), explicit: true }))?.version, 2);
    assert.equal((await store.find(at("a", 0)))?.version, 0);
    assert.equal((await store.find(alias("a", "best")))?.version, 1);
    for (const ref of [
      latest("b"),
      at("a", 3),
      at("b", 0),
      at("a", 0xffff_fffe),
      alias("a", "none"),
      alias("b", "best"),
    ])
      assert.equal(await store.find(ref), undefined);
    const error = await rejected(store.find(everything("a")), "INVALID_ARGUMENT");
    assert.match(error.message, /a:all stands for many versions/);
  });

  test("what is deleted is found by its number alone, and says so", async (store) => {
    await three(store);
    await apply(store, remove("a", 2), remove("a", 0));
    assert.equal((await store.find(latest("a")))?.version, 1);
    assert.equal(await store.find(at("a", 2)), undefined);
    const found = await store.at("a", 2);
    assert.deepEqual([found?.deleted, found?.isForgotten, found?.createdAt], [true, false, START]);
    assert.equal(await store.at("a", 3), undefined);
    assert.equal(await store.at("b", 0), undefined);
    assert.deepEqual((await all(store.versions("a"))).map(refOf), ["a:1"]);
    await apply(store, remove("a", 1));
    assert.equal(await store.find(latest("a")), undefined);
    assert.deepEqual(await all(store.versions("a")), []);
  });

  test("versions of a name are given oldest first, more than a page of them", async (store) => {
    await store.commit(Array.from({ length: 700 }, () => unit([save("a"), save("ab"), save("a b")])));
    await store.commit([3, 128, 256, 699].map((version) => unit([remove("a", version)])));
    const numbers = (await all(store.versions("a"))).map(({ version }) => version);
    const wanted = Array.from({ length: 700 }, (_, i) => i).filter((i) => ![3, 128, 256, 699].includes(i));
    assert.deepEqual(numbers, wanted);
  });
}

function aliasTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "aliases");

  test("an alias points at one live version, and moves", async (store) => {
    await three(store);
    const result = await apply(store, setAlias("a", "x", 0), setAlias("a", "y", 0), setAlias("a", "x", 2));
    assert.deepEqual([result.versions, result.deleted], [[], []]);
    assert.deepEqual(await store.aliases("a"), { x: 2, y: 0 });
    assert.deepEqual(await store.aliases("none"), {});
    assert.deepEqual((await store.at("a", 2))?.aliases, ["x"]);
    await apply(store, { kind: "deleteAlias", name: "a", alias: "x" });
    assert.deepEqual(await store.aliases("a"), { y: 0 });
  });

  test("an alias of what is not there is NOT_FOUND", async (store) => {
    await three(store);
    await apply(store, remove("a", 1));
    for (const [name, version, ref] of [
      ["a", 3, "a:3"],
      ["a", 1, "a:1"],
      ["b", 0, "b:0"],
    ] as const) {
      const error = await refused(store, "NOT_FOUND", setAlias(name, "x", version));
      assert.equal(error.message, `there is no artifact ${ref}`);
      assert.deepEqual(error.details, { ref });
      assert.ok(error.hint);
    }
    const error = await refused(store, "NOT_FOUND", { kind: "deleteAlias", name: "a", alias: "x" });
    assert.deepEqual(error.details, { ref: "a@x" });
    assert.deepEqual(await store.aliases("a"), {});
  });
}
