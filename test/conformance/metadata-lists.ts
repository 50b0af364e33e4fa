import * as assert from "node:assert/strict";
import type { ListQuery, MetadataStore, VersionRecord } from "../../engine/main.ts";
import { fill, pick, randomQuery, wanted } from "./metadata-list-model.ts";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  all,
  apply,
  at,
  factsOf,
  plain,
  query,
  randomOf,
  refOf,
  refsOf,
  rejected,
  START,
  save,
  saved,
  storeTests,
  unit,
} from "./metadata-support.ts";

const SAVES = 1_500;
const QUERIES = 120;
const SEED = 20_261;

export function listTests(testing: MetadataTesting): void {
  orderTests(testing);
  pageTests(testing);
  modelTests(testing);
}

function orderTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "list");

  test("latest of each name, every live version, or every deleted one", async (store) => {
    await apply(store, save("b"), save("a"), save("a"), save("a"), save("c"));
    await apply(
      store,
      { kind: "delete", target: at("a", 2), aliases: false },
      { kind: "delete", target: at("c", 0), aliases: false },
    );
    assert.deepEqual(await refsOf(store, { mode: "latest" }), ["a:1", "b:0"]);
    assert.deepEqual(await refsOf(store, { mode: "live" }), ["a:1", "a:0", "b:0"]);
    assert.deepEqual(await refsOf(store, { mode: "deleted" }), ["a:2", "c:0"]);
    assert.deepEqual(await refsOf(store, { mode: "latest", reverse: true }), ["b:0", "a:1"]);
    assert.deepEqual(await refsOf(store, { reverse: true }), ["b:0", "a:0", "a:1"]);
  });

  test("by time and size ascending, equal ones by name, versions newest first", async (store) => {
    for (const [time, name, text] of [
      [3, "b", "xx"],
      [3, "a", "x"],
      [5, "c", "xx"],
      [5, "a", "xx"],
      [5, "a", "xx"],
    ] as const)
      await store.commit([unit([save(name, { value: factsOf(text) })], START + time)]);
    const byTime = ["a:0", "b:0", "a:2", "a:1", "c:0"];
    assert.deepEqual(await refsOf(store, { sort: "createdAt" }), byTime);
    assert.deepEqual(await refsOf(store, { sort: "createdAt", reverse: true }), byTime.reverse());
    const bySize = ["a:0", "a:2", "a:1", "b:0", "c:0"];
    assert.deepEqual(await refsOf(store, { sort: "size" }), bySize);
    assert.deepEqual(await refsOf(store, { sort: "size", reverse: true }), bySize.reverse());
  });

  test("an annotation changes neither time nor place", async (store) => {
    await store.commit([1, 2, 3].map((time) => unit([save(`n${time}`)], START + time)));
    const tags = { x: "1" };
    await store.commit([unit([{ kind: "annotate", target: at("n1", 0), tags }], START + 9)]);
    const records = await all(store.list(query({ sort: "createdAt" })));
    assert.deepEqual(records.map(refOf), ["n1:0", "n2:0", "n3:0"]);
    assert.deepEqual([records[0]?.createdAt, records[0]?.tags], [START + 1, { x: "1" }]);
    assert.deepEqual(
      await refsOf(store, {
        hints: { until: START + 1 },
        matches: ({ createdAt }) => createdAt <= START + 1,
      }),
      ["n1:0"],
    );
  });

  test("hints only leave out what `matches` would; the latest version is chosen before", async (store) => {
    await apply(
      store,
      save("a", { tags: { x: "1" } }),
      save("a", { tags: { x: "2" } }),
      save("b", { tags: { x: "1" } }),
    );
    const options = { hints: { tags: { x: "1" } }, matches: ({ tags }: VersionRecord) => tags.x === "1" };
    assert.deepEqual(await refsOf(store, { ...options, mode: "latest" }), ["b:0"]);
    assert.deepEqual(await refsOf(store, { ...options, mode: "live" }), ["a:0", "b:0"]);
    const none = { ...options, matches: () => false };
    assert.deepEqual(await refsOf(store, none), []);
  });

  test("records of a list are those of `at`, aliases and all", async (store) => {
    await saved(store, "a", {
      tags: { x: "1" },
      metadata: { y: 1 },
      environment: { user: "mia" },
      code: { sources: [{ text: "x" }] },
    });
    await saved(store, "b", { inputs: [at("a", 0)] });
    await apply(
      store,
      { kind: "alias", name: "a", alias: "y", version: 0 },
      { kind: "alias", name: "a", alias: "x", version: 0 },
    );
    const matched: VersionRecord[] = [];
    const matches = (record: VersionRecord) => matched.push(record) > 0;
    for (const sort of ["name", "createdAt", "size"] as const) {
      for (const record of await all(store.list(query({ sort, matches }))))
        assert.deepEqual(plain(record), plain(await store.at(record.name, record.version)));
    }
    assert.deepEqual(
      matched.find(({ name }) => name === "a")?.aliases,
      ["x", "y"],
      "`matches` sees all of it",
    );
  });
}

function pageTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "list");

  test("a list goes on behind a version that is gone since", async (store) => {
    await store.commit(
      [1, 2, 3, 4].map((time) => unit([save("a", { value: factsOf("x".repeat(time)) })], START + time)),
    );
    await apply(store, { kind: "delete", target: at("a", 1), aliases: false });
    await store.forget((await store.counts()).sequence);
    const after = { name: "a", version: 1 };
    assert.deepEqual(await refsOf(store, { after }), ["a:0"]);
    assert.deepEqual(await refsOf(store, { after, reverse: true }), ["a:2", "a:3"]);
    for (const sort of ["createdAt", "size"] as const) {
      assert.deepEqual(await refsOf(store, { after, sort }), ["a:2", "a:3"]);
      assert.deepEqual(await refsOf(store, { after, sort, reverse: true }), ["a:0"]);
    }
  });

  test("by time and size, a place that never was is refused; by name it will do", async (store) => {
    await apply(store, save("a"), save("c"));
    const after = { name: "b", version: 7 };
    assert.deepEqual(await refsOf(store, { after }), ["c:0"]);
    assert.deepEqual(await refsOf(store, { after, mode: "latest" }), ["c:0"]);
    for (const sort of ["createdAt", "size"] as const) {
      const error = await rejected(all(store.list(query({ after, sort }))), "INVALID_ARGUMENT");
      assert.deepEqual(error.details, { ref: "b:7" });
      assert.match(error.message, /there never was a b:7 to go on after/);
    }
  });

  test("of latest versions, a list goes on behind the name", async (store) => {
    await apply(store, save("a"), save("a"), save("b"), save("b"));
    assert.deepEqual(await refsOf(store, { mode: "latest", after: { name: "a", version: 1 } }), ["b:1"]);
    assert.deepEqual(await refsOf(store, { mode: "latest", after: { name: "a", version: 9 } }), ["b:1"]);
    assert.deepEqual(
      await refsOf(store, { mode: "latest", after: { name: "b", version: 0 }, reverse: true }),
      ["a:1"],
    );
  });

  test("a limit of 0 gives nothing, and leaving early frees what is held", async (store) => {
    await store.commit(Array.from({ length: 400 }, (_, i) => unit([save(`n${i}`)])));
    assert.deepEqual(await refsOf(store, { limit: 0 }), []);
    for (const sort of ["name", "createdAt"] as const) {
      for (let i = 0; i < 30; i++) for await (const _ of store.list(query({ sort }))) break;
    }
    for (let i = 0; i < 30; i++) for await (const _ of store.versions("n1")) break;
    for (let i = 0; i < 30; i++) for await (const _ of store.operations(0)) break;
    for (let i = 0; i < 30; i++) for await (const _ of store.values()) break;
    assert.equal((await saved(store, "n0")).version, 1);
    const failing = () => {
      throw new Error("of the caller");
    };
    await assert.rejects(all(store.list(query({ matches: failing }))), /of the caller/);
  });

  test("a store that is written to while it is listed misses nothing that stays", async (store, {
    again,
  }) => {
    await store.commit(Array.from({ length: 600 }, (_, i) => unit([save(`n${1000 + i}`)])));
    const other = await again();
    const seen = new Set<string>();
    for await (const record of store.list(query({ mode: "latest" }))) {
      assert.ok(!seen.has(record.name), "none is given twice");
      seen.add(record.name);
      if (seen.size % 100 === 0) await apply(other, save(`n${1000 + seen.size}`), save(`m${seen.size}`));
    }
    for (let i = 0; i < 600; i++) assert.ok(seen.has(`n${1000 + i}`), `n${1000 + i} is missing`);
  });
}

function modelTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "list");

  test(`lists of ${SAVES} versions at random are what filtering all of them gives`, async (store, {
    again,
  }) => {
    const below = randomOf(SEED);
    const records = await fill(store, below, SAVES);
    assert.equal(records.length, SAVES);
    const other = await again();
    for (let i = 0; i < QUERIES; i++) {
      const asked = { ...randomQuery(below, records), ...place(below, records) };
      await compare(i % 2 === 0 ? store : other, asked, records);
    }
    for (const mode of ["latest", "live", "deleted"] as const)
      for (const sort of ["name", "createdAt", "size"] as const)
        for (const reverse of [false, true]) await compare(store, query({ mode, sort, reverse }), records);
    await compareCounts(store, records);
  });
}

function place(below: (end: number) => number, records: readonly VersionRecord[]): Partial<ListQuery> {
  const { name, version } = pick(below, records);
  return {
    ...(below(3) === 0 && { after: { name, version } }),
    ...(below(2) === 0 && { limit: 1 + below(300) }),
  };
}

async function compare(
  store: MetadataStore,
  asked: ListQuery,
  records: readonly VersionRecord[],
): Promise<void> {
  const listed = await all(store.list(asked));
  const told = JSON.stringify({ ...asked, seed: SEED });
  assert.deepEqual(listed.map(refOf), wanted(records, asked).map(refOf), told);
  const known = new Map(records.map((record) => [refOf(record), record]));
  for (const record of listed.slice(0, 20))
    assert.deepEqual(plain(record), plain(known.get(refOf(record))), told);
}

async function compareCounts(store: MetadataStore, records: readonly VersionRecord[]): Promise<void> {
  const live = records.filter(({ deleted }) => !deleted);
  const counts = await store.counts();
  assert.deepEqual(
    [counts.names, counts.versions, counts.deletedVersions, counts.aliases, counts.valueBytes],
    [
      new Set(live.map(({ name }) => name)).size,
      live.length,
      records.length - live.length,
      live.reduce((sum, { aliases }) => sum + aliases.length, 0),
      live.reduce((sum, { size }) => sum + size, 0),
    ],
  );
}
