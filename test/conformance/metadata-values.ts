import * as assert from "node:assert/strict";
import type { JsonObject, MetadataStore } from "../../engine/main.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  digestOf,
  factsOf,
  hex,
  latest,
  plain,
  query,
  refOf,
  refsOf,
  refused,
  remove,
  save,
  saved,
  storeTests,
  succeeded,
  unit,
} from "./metadata-support.ts";

/** What saves give, which values are needed, forgetting those that are not, and counts. */
export function valueTests(testing: MetadataTesting): void {
  givenTests(testing);
  neededTests(testing);
  forgetTests(testing);
  countTests(testing);
}

function givenTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "results");

  test("what a save gives is what is read, whatever becomes of what was given", async (store) => {
    const given: JsonObject[] = [
      { text: "ü", number: 0.5, yes: true, none: null },
      { deep: { list: [1, { two: 2 }] } },
      JSON.parse('{"__proto__": "own", "constructor": 1}'),
      { "2": "second", "1": "first", "-0": -0 },
    ];
    for (const metadata of given) {
      const record = await saved(store, "a", { metadata, tags: { kind: "model" } });
      const text = JSON.stringify(metadata);
      metadata.added = "later";
      assert.equal(JSON.stringify(record.metadata), text);
      assert.deepEqual(plain(await store.find(latest("a"))), plain(record));
    }
  });

  test("what a save gives is not what a later unit of the same call makes of it", async (store) => {
    for (const user of ["mia", "x".repeat(1_100_000)]) {
      const target = at(user.slice(0, 3), 0);
      const results = await store.commit([
        unit([save(target.name, { environment: { user }, tags: { state: "new" } })]),
        unit([{ kind: "annotate", target, tags: { state: "old" } }]),
      ]);
      const versions = results.flatMap((result) => succeeded(result).versions);
      assert.deepEqual(
        versions.map(({ tags }) => tags.state),
        ["new", "old"],
      );
      assert.equal(versions[0]!.environment.user, user);
    }
  });
}

function neededTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "values");

  test("values of live versions and of deleted ones are needed, each with all its facts", async (store) => {
    const stamps = digestOf("stamps");
    await apply(
      store,
      save("a", { value: factsOf("one") }),
      save("b", { value: factsOf("one") }),
      save("b", { value: factsOf("two") }),
      save("c", { value: { ...factsOf("tree"), mediaType: "text/tree", stamps } }),
      save("d", { value: factsOf("gone") }),
    );
    await apply(store, remove("a", 0), remove("d", 0));
    assert.deepEqual(await needed(store), {
      [hex(digestOf("one"))]: { size: 3, deleted: false },
      [hex(digestOf("two"))]: { size: 3, deleted: false },
      [hex(digestOf("tree"))]: { size: 4, deleted: false },
      [hex(digestOf("gone"))]: { size: 4, deleted: true },
    });
    const tree = (await all(store.values())).find(({ mediaType }) => mediaType === "text/tree");
    assert.equal(tree?.stamps && hex(tree.stamps), hex(stamps));
  });

  test("values of more versions than a page holds are all given", async (store) => {
    const names = Array.from({ length: 900 }, (_, i) => `n${i}`);
    await store.commit(names.map((name) => unit([save(name)])));
    assert.deepEqual(
      Object.keys(await needed(store)).sort(),
      names.map((name) => hex(digestOf(name))).sort(),
    );
  });
}

/** What `values` gives, by digest: needed by a live version wherever one of them says so. */
async function needed(store: MetadataStore): Promise<Record<string, { size: number; deleted: boolean }>> {
  const found: Record<string, { size: number; deleted: boolean }> = {};
  for await (const { digest, size, deleted } of store.values()) {
    const key = hex(digest);
    found[key] = { size, deleted: deleted && (found[key]?.deleted ?? true) };
  }
  return found;
}

function forgetTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "forget");

  test("a forgotten version says so, needs no value, and can't be brought back", async (store, { again }) => {
    const before = await saved(store, "a", { tags: { x: "1" } });
    const { sequence } = await apply(store, remove("a", 0));
    assert.equal(await store.forget(sequence), 1);
    assert.equal(await store.forget(sequence), 0, "it was forgotten before");
    for (const handle of [store, await again()]) {
      const found = await handle.at("a", 0);
      assert.deepEqual(plain(found), { ...(plain(before) as object), deleted: true, isForgotten: true });
      assert.deepEqual(await needed(handle), {});
      assert.equal(await handle.find(latest("a")), undefined);
    }
    const error = await refused(store, "NOT_FOUND", { kind: "undelete", name: "a", version: 0 });
    assert.equal(error.message, "the bytes of a:0 were compacted away");
    assert.deepEqual(error.details, { ref: "a:0" });
    assert.ok(error.hint);
    const missing = await refused(store, "NOT_FOUND", { kind: "alias", name: "a", alias: "x", version: 0 });
    assert.match(missing.hint ?? "", /compacted away/);
  });

  test("a forgotten version is listed with the deleted ones", async (store) => {
    await apply(store, save("a"), save("a"));
    await apply(store, remove("a", 0));
    await store.forget((await store.counts()).sequence);
    const [found] = await all(store.list(query({ mode: "deleted" })));
    assert.deepEqual([found && refOf(found), found?.isForgotten, found?.size], ["a:0", true, 1]);
    assert.deepEqual(await refsOf(store), ["a:1"]);
  });

  test("only what is deleted since operations up to the sequence is forgotten", async (store) => {
    await apply(store, save("a"), save("a"), save("a"), save("a"), save("b"));
    const first = await apply(store, remove("a", 0), remove("a", 1), remove("a", 3));
    await apply(
      store,
      { kind: "undelete", name: "a", version: 1 },
      { kind: "undelete", name: "a", version: 3 },
    );
    await apply(store, remove("a", 2), remove("a", 3));
    assert.equal(await store.forget(first.sequence - 1), 0);
    assert.equal(await store.forget(first.sequence), 1);
    const states = await Promise.all([0, 1, 2, 3].map((version) => store.at("a", version)));
    assert.deepEqual(
      states.map((state) => state?.deleted),
      [true, false, true, true],
    );
    assert.deepEqual(
      states.map((state) => state?.isForgotten),
      [true, false, false, false],
    );
    const { versions } = await apply(store, { kind: "undelete", name: "a", version: 2 });
    assert.deepEqual(versions.map(refOf), ["a:2"]);
  });

  test("a value that another version needs too stays needed, and the same bytes may come again", async (store) => {
    await apply(store, save("a", { value: factsOf("x") }), save("b", { value: factsOf("x") }));
    const { sequence } = await apply(store, remove("a", 0));
    assert.equal(await store.forget(sequence), 1);
    assert.deepEqual(Object.keys(await needed(store)), [hex(digestOf("x"))]);
    await refused(store, "NOT_FOUND", { kind: "undelete", name: "a", version: 0 });
    assert.equal((await saved(store, "a", { value: factsOf("x") })).version, 1);
  });

  test("hundreds are forgotten at once", async (store) => {
    await store.commit(Array.from({ length: 700 }, (_, i) => unit([save(`n${i % 7}`)])));
    const names = Array.from({ length: 7 }, (_, i) => `n${i}`);
    const removed = names.map((name) =>
      unit([{ kind: "delete", target: { name, kind: "all" }, aliases: false }]),
    );
    await store.commit(removed);
    assert.equal((await all(store.values())).filter(({ deleted }) => deleted).length > 0, true);
    assert.equal(await store.forget((await store.counts()).sequence), 700);
    assert.deepEqual(await needed(store), {});
    assert.equal((await store.counts()).deletedVersions, 0, "those that can still be brought back");
  });
}

function countTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "counts");

  test("an empty store counts nothing", async (store) => {
    const { names, versions, deletedVersions, aliases, valueBytes } = await store.counts();
    assert.deepEqual([names, versions, deletedVersions, aliases, valueBytes], [0, 0, 0, 0, 0]);
    assert.deepEqual(await store.check(), []);
    assert.deepEqual(await all(store.values()), []);
  });

  test("counts follow every change", async (store) => {
    await apply(store, save("a", { value: factsOf("xxx") }), save("a", { value: factsOf("xx") }), save("b"));
    await apply(
      store,
      { kind: "alias", name: "a", alias: "x", version: 0 },
      { kind: "alias", name: "b", alias: "y", version: 0 },
    );
    const counts = async () => {
      const { names, versions, deletedVersions, aliases, valueBytes } = await store.counts();
      return [names, versions, deletedVersions, aliases, valueBytes];
    };
    assert.deepEqual(await counts(), [2, 3, 0, 2, 6]);
    await apply(store, { kind: "delete", target: at("a", 0), aliases: true });
    assert.deepEqual(await counts(), [2, 2, 1, 1, 3]);
    const { sequence } = await apply(store, { kind: "delete", target: at("b", 0), aliases: true });
    assert.deepEqual(await counts(), [1, 1, 2, 0, 2]);
    await apply(store, { kind: "undelete", name: "a", version: 0 });
    assert.deepEqual(await counts(), [1, 2, 1, 1, 5]);
    await store.forget(sequence);
    assert.deepEqual(await counts(), [1, 2, 0, 1, 5]);
    assert.deepEqual(await store.check(), []);
  });

  test("a size of more than 2^53 bytes together is no reason to fail", async (store) => {
    const value = { ...factsOf("x"), size: 2 ** 50 };
    await apply(store, ...Array.from({ length: 20 }, () => save("a", { value })));
    assert.equal((await store.counts()).valueBytes, 20 * 2 ** 50);
    assert.equal((await store.at("a", 3))?.size, 2 ** 50);
  });
}
