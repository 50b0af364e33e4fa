import * as assert from "node:assert/strict";
import type { JsonObject, MetadataStore } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  factsOf,
  plain,
  query,
  refOf,
  refsOf,
  refused,
  remove,
  save,
  saved,
  storeTests,
} from "./metadata-support.ts";

/** Versions whose values a storage backend keeps: what finds them, purges and moves. */
export function keptTests(testing: MetadataTesting): void {
  placeTests(testing);
  purgeTests(testing);
  moveTests(testing);
}

const KEPT: JsonObject = {
  place: { modelUri: "models:/clf/3", odd: 'é"\\\u0000', none: null, list: [1, 2.5] },
  files: [{ path: "a/b", size: 2 ** 41 }],
};

const keptSave = (name: string, text = name) =>
  save(name, { backend: "mlflow", value: { ...factsOf(text), kept: KEPT } });
const purge = (name: string, version: number, aliases = false) =>
  ({ kind: "delete", target: at(name, version), aliases, purge: true }) as const;

async function kindsOf(store: MetadataStore): Promise<string[]> {
  return (await all(store.operations(0))).map(({ kind, name, version }) => `${kind} ${name}:${version}`);
}

function placeTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "kept");

  test("what finds a value is given as it was, by every read, and stays through all changes", async (store) => {
    const { versions } = await apply(store, keptSave("m"));
    assert.deepEqual(versions[0]?.kept, KEPT);
    await apply(store, { kind: "annotate", target: at("m", 0), tags: { a: "1" } });
    await apply(store, remove("m", 0));
    await apply(store, { kind: "undelete", name: "m", version: 0 });
    assert.deepEqual((await store.at("m", 0))?.kept, KEPT);
    assert.deepEqual((await all(store.list(query())))[0]?.kept, KEPT);
    assert.deepEqual((await all(store.versions("m")))[0]?.kept, KEPT);
    const states = (await all(store.operations(0))).map(({ state }) => state?.kept);
    assert.deepEqual(states, [KEPT, KEPT, KEPT, KEPT]);
  });

  test("others have none, and a list of many files is kept whole", async (store) => {
    assert.equal("kept" in (await saved(store, "a")), false);
    assert.equal("kept" in (await store.at("a", 0))!, false);
    const files = Array.from({ length: 10_000 }, (_, i) => ({
      path: `folder/file-${i}`,
      size: i,
      digest: "0".repeat(64),
    }));
    const value = { ...factsOf("m"), kept: { place: {}, files } };
    await saved(store, "m", { backend: "mlflow", value });
    assert.deepEqual((await store.at("m", 0))?.kept, value.kept);
  });

  test("such values are not among those that are needed, and are not forgotten with others", async (store) => {
    await apply(store, save("a"), keptSave("m"), save("b"));
    await apply(store, remove("m", 0), remove("b", 0));
    assert.deepEqual(
      (await all(store.values())).map(({ size, deleted }) => [size, deleted]),
      [
        [1, false],
        [1, true],
      ],
    );
    assert.equal(await store.forget((await store.counts()).sequence), 1);
    assert.equal((await store.at("m", 0))?.isForgotten, false);
    await apply(store, { kind: "undelete", name: "m", version: 0 });
  });

  test("a list by digest finds them", async (store) => {
    const { versions } = await apply(store, keptSave("m"));
    const digestPrefix = Buffer.from(versions[0]!.digest).toString("hex");
    assert.deepEqual(await refsOf(store, { hints: { digestPrefix } }), ["m:0"]);
  });
}

function purgeTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "purge");

  test("a version is deleted and forgotten at once, and stays to be read", async (store) => {
    await apply(store, keptSave("m"), keptSave("m"));
    const done = await apply(store, purge("m", 0));
    assert.deepEqual(done.deleted, ["m:0"]);
    const record = await store.at("m", 0);
    assert.deepEqual([record?.deleted, record?.isForgotten, record?.kept], [true, true, KEPT]);
    const { message } = await refused(store, "NOT_FOUND", { kind: "undelete", name: "m", version: 0 });
    assert.match(message, /m:0/);
    assert.equal((await store.counts()).deletedVersions, 0);
    assert.deepEqual(await kindsOf(store), ["save m:0", "save m:1", "delete m:0"]);
  });

  test("one with an alias is a conflict, unless that goes too", async (store) => {
    await apply(store, keptSave("m"), { kind: "alias", name: "m", alias: "best", version: 0 });
    await refused(store, "CONFLICT", purge("m", 0));
    assert.equal((await store.at("m", 0))?.deleted, false);
    assert.deepEqual((await apply(store, purge("m", 0, true))).removedAliases, ["m@best"]);
  });

  test("one that was deleted is only forgotten then, and a repeated call changes nothing", async (store) => {
    await apply(store, keptSave("m"), remove("m", 0));
    assert.deepEqual((await apply(store, purge("m", 0))).deleted, []);
    const record = await store.at("m", 0);
    assert.deepEqual([record?.deleted, record?.isForgotten], [true, true]);
    const { sequence } = await store.counts();
    assert.deepEqual((await apply(store, purge("m", 0))).deleted, []);
    assert.deepEqual(plain(await store.at("m", 0)), plain(record));
    assert.equal((await store.counts()).sequence, sequence);
  });

  test("one that no backend keeps can be brought back, and is not found once it was deleted", async (store) => {
    await apply(store, save("a"));
    assert.deepEqual((await apply(store, purge("a", 0))).deleted, ["a:0"]);
    assert.equal((await store.at("a", 0))?.isForgotten, false);
    await refused(store, "NOT_FOUND", purge("a", 0));
    await apply(store, { kind: "undelete", name: "a", version: 0 });
  });

  test("all versions of a name go, and history keeps what is not purged", async (store) => {
    await apply(store, keptSave("m"), keptSave("m"), keptSave("m"), keptSave("m"));
    await apply(store, remove("m", 1));
    await apply(store, purge("m", 2));
    const { sequence } = await store.counts();
    await store.compact({ historyBefore: sequence });
    assert.deepEqual(await refsOf(store, { mode: "deleted" }), ["m:1"]);
    assert.deepEqual((await store.at("m", 1))?.kept, KEPT);
    const target = { kind: "all" as const, name: "m" };
    const done = await apply(store, { kind: "delete", target, aliases: false, purge: true });
    assert.deepEqual(done.deleted, ["m:0", "m:3"]);
  });
}

function moveTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "move");

  test("the value is in another place, and all else stays", async (store) => {
    const before = await saved(store, "m", keptSave("m"));
    await apply(store, { kind: "annotate", target: at("m", 0), metadata: { a: 1 } });
    const kept = { place: { modelUri: "models:/clf/4" } };
    const { versions } = await apply(store, { kind: "move", name: "m", version: 0, kept });
    const wanted = { ...(plain(before) as object), metadata: { a: 1 }, kept };
    assert.deepEqual(versions.map(plain), [wanted]);
    assert.deepEqual(plain(await store.at("m", 0)), wanted);
    assert.deepEqual(await kindsOf(store), ["save m:0", "annotate m:0", "move m:0"]);
    await apply(store, { kind: "annotate", target: at("m", 0), metadata: { a: 2 } });
    assert.deepEqual((await kindsOf(store)).at(-1), "annotate m:0");
    assert.deepEqual((await store.at("m", 0))?.kept, kept);
  });

  test("only live versions are moved", async (store) => {
    await apply(store, keptSave("m"), remove("m", 0));
    await refused(store, "NOT_FOUND", { kind: "move", name: "m", version: 0, kept: {} });
    await refused(store, "NOT_FOUND", { kind: "move", name: "m", version: 1, kept: {} });
    assert.deepEqual((await all(store.list(query({ mode: "deleted" })))).map(refOf), ["m:0"]);
  });
}
