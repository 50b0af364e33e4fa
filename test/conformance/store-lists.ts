import * as assert from "node:assert/strict";
import type { ArtifactStore, ListFilter } from "../../engine/main.ts";
import type { StoreTesting } from "./store-support.ts";
import { all, refs, refused, storeTests } from "./store-support.ts";

/** Listing and filters, and the lineage between versions. */
export function listTests(testing: StoreTesting): void {
  filterTests(testing);
  orderTests(testing);
  lineageTests(testing);
}

/** Eight versions of five names, a second apart. */
async function fill(store: ArtifactStore): Promise<void> {
  await store.save("iris/model", "aaaa", {
    tags: { stage: "dev" },
    metadata: { accuracy: 0.9, model: { depth: 3 } },
  });
  await store.save("iris/model", "bbb", {
    tags: { stage: "live" },
    metadata: { accuracy: 0.95, "a.b": [1] },
  });
  await store.save("iris/data", Buffer.from("x".repeat(100)), { mediaType: "text/csv" });
  await store.save("iris/old", 1, { metadata: { accuracy: "high" } });
  await store.save("wine/model", { deep: 1 }, { tags: { stage: "dev", team: "b" } });
  await store.save("wine/model", { deep: 2 }, { metadata: { accuracy: 0.5, note: null } });
  await store.save("é/\u{1F600}", "cc");
  await store.delete("iris/old:0");
}

/** The clock of a store that is filled: a second goes by with each look. */
function ticking(): () => Date {
  let looks = 0;
  return () => new Date(Date.UTC(2026, 0, 1, 0, 0, looks++));
}

function filterTests(testing: StoreTesting): void {
  const test = storeTests(testing, "lists");
  const listed: [name: string, filter: ListFilter, refs: string[]][] = [
    ["the latest of each name", {}, ["iris/data:0", "iris/model:1", "wine/model:1", "é/\u{1F600}:0"]],
    [
      "every version",
      { allVersions: true, name: "iris/**" },
      ["iris/data:0", "iris/model:1", "iris/model:0"],
    ],
    ["deleted ones", { deleted: true }, ["iris/old:0"]],
    ["a name", { name: "iris/model" }, ["iris/model:1"]],
    ["globs", { name: "*/model" }, ["iris/model:1", "wine/model:1"]],
    ["no glob that matches", { name: "none/*" }, []],
    ["tags of the latest", { tags: { stage: "dev" } }, []],
    [
      "tags of every version",
      { tags: { stage: "dev" }, allVersions: true },
      ["iris/model:0", "wine/model:0"],
    ],
    ["a value of the metadata", { metadata: { accuracy: 0.95 } }, ["iris/model:1"]],
    [
      "operators",
      { metadata: { accuracy: { gte: 0.5, lt: 0.95 } }, allVersions: true },
      ["iris/model:0", "wine/model:1"],
    ],
    ["a path in the metadata", { metadata: { "model.depth": 3 }, allVersions: true }, ["iris/model:0"]],
    ["a key with a point", { metadata: { "a.b": { eq: [1] } } }, ["iris/model:1"]],
    ["null is a value", { metadata: { note: null } }, ["wine/model:1"]],
    ["what exists", { metadata: { note: { exists: true } } }, ["wine/model:1"]],
    ["an expression", { where: "metadata.accuracy >= 0.9 and tags.stage = 'live'" }, ["iris/model:1"]],
    [
      "an expression with or and not",
      { where: "name = 'iris/data' or not mediaType = 'application/cbor'" },
      ["iris/data:0"],
    ],
    ["media types", { mediaType: "text/csv" }, ["iris/data:0"]],
    ["sizes", { minSize: 100 }, ["iris/data:0"]],
    ["both ends of sizes", { minSize: 4, maxSize: 5, allVersions: true }, ["iris/model:1", "iris/model:0"]],
    ["a limit", { limit: 2 }, ["iris/data:0", "iris/model:1"]],
    ["a limit of none", { limit: 0 }, []],
    ["going on", { after: "iris/model:1" }, ["wine/model:1", "é/\u{1F600}:0"]],
    ["going on behind an older version", { after: "iris/model:0" }, ["wine/model:1", "é/\u{1F600}:0"]],
    [
      "going on among all versions",
      { after: "iris/model:1", allVersions: true, limit: 2 },
      ["iris/model:0", "wine/model:1"],
    ],
    ["going on behind what is deleted", { after: "iris/old:0" }, ["wine/model:1", "é/\u{1F600}:0"]],
  ];
  test("filters", async (store, { again }) => {
    await fill(store);
    for (const reader of [store, await again()])
      for (const [name, filter, expected] of listed)
        assert.deepEqual(await refs(reader.list(filter)), expected, name);
  });

  test(
    "moments, digests and users",
    async (store) => {
      await fill(store);
      const [data] = await all(store.list({ name: "iris/data" }));
      const { createdAt, digest, createdBy } = data!;
      assert.deepEqual(await refs(store.list({ until: createdAt, allVersions: true })), [
        "iris/data:0",
        "iris/model:1",
        "iris/model:0",
      ]);
      const later = { since: new Date(createdAt.getTime() + 1) };
      assert.deepEqual(await refs(store.list(later)), ["wine/model:1", "é/\u{1F600}:0"]);
      for (const part of [digest, digest.slice(7), digest.slice(7, 20).toUpperCase(), digest.slice(0, 18)])
        assert.deepEqual(await refs(store.list({ digest: part })), ["iris/data:0"]);
      assert.deepEqual(await refs(store.list({ digest: "00".repeat(32) })), []);
      assert.equal((await all(store.list({ createdBy: createdBy! }))).length, 4);
      assert.deepEqual(await refs(store.list({ createdBy: "nobody at all" })), []);
    },
    { clock: ticking(), environment: [] },
  );

  test("what is no filter is refused", async (store) => {
    const odd: unknown[] = [
      ...[
        null,
        { nmae: "a" },
        { limit: -1 },
        { since: "2026" },
        { where: "and" },
        { metadata: { a: { zz: 1 } } },
      ],
      ...[{ after: "a" }, { digest: "xyz" }, { sort: "color" }, { name: 3 }, { tags: { a: 1 } }],
    ];
    for (const filter of odd) await refused(() => all(store.list(filter as ListFilter)), "INVALID_ARGUMENT");
    await refused(all(store.list({ sort: "size", after: "never:0" })), "INVALID_ARGUMENT");
  });
}

function orderTests(testing: StoreTesting): void {
  const test = storeTests(testing, "orders");

  test(
    "by name, time and size, both ways, in pages that join",
    async (store) => {
      await fill(store);
      for (const filter of [{}, { allVersions: true }, { deleted: true }] as ListFilter[]) {
        for (const sort of ["name", "createdAt", "size"] as const) {
          const whole = await refs(store.list({ ...filter, sort }));
          assert.deepEqual(await refs(store.list({ ...filter, sort, reverse: true })), [...whole].reverse());
          const paged: string[] = [];
          for (;;) {
            const after = paged.at(-1);
            const page = await refs(store.list({ ...filter, sort, limit: 2, ...(after && { after }) }));
            paged.push(...page);
            if (page.length < 2) break;
          }
          assert.deepEqual(paged, whole);
        }
      }
      const times = (await all(store.list({ sort: "createdAt", allVersions: true }))).map(({ createdAt }) =>
        createdAt.getTime(),
      );
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      const sizes = (await all(store.list({ sort: "size", reverse: true }))).map(({ size }) => size);
      assert.deepEqual(
        sizes,
        [...sizes].sort((a, b) => b - a),
      );
    },
    { clock: ticking() },
  );

  test("versions of a name, oldest first, and more than a page of everything", async (store) => {
    await store.batch((batch) => {
      for (let i = 0; i < 300; i++) for (const name of ["many", `name ${1_000 + i}`]) batch.save(name, i);
    });
    await store.delete("many:7");
    const versions = await all(store.versions("many"));
    assert.equal(versions.length, 299);
    assert.deepEqual(
      versions.slice(5, 9).map(({ version }) => version),
      [5, 6, 8, 9],
    );
    assert.equal((await refs(store.list())).length, 301);
    assert.equal((await refs(store.list({ allVersions: true }))).length, 599);
    await refused(() => all(store.versions("a:b")), "INVALID_ARGUMENT");
    assert.deepEqual(await all(store.versions("none")), []);
  });

  test("a list can be left early, aborted, and ends when the store is closed", async (store) => {
    await store.batch((batch) => {
      for (let i = 0; i < 50; i++) batch.save(`n${i}`, i);
    });
    for await (const { name } of store.list()) if (name === "n1") break;
    const stop = new AbortController();
    const list = store.list({ signal: stop.signal })[Symbol.asyncIterator]();
    await list.next();
    stop.abort();
    await refused(list.next(), "ABORTED");
    const open = store.list()[Symbol.asyncIterator]();
    await open.next();
    await store.close();
    await refused(open.next(), "CLOSED");
  });
}

function lineageTests(testing: StoreTesting): void {
  const test = storeTests(testing, "lineage");

  test("up and down, level by level, with deleted versions", async (store) => {
    await store.save("raw", 1);
    await store.save("other", 1);
    await store.save("clean", 2, { inputs: ["raw", "other", "raw:0"] });
    await store.save("model", 3, { inputs: ["clean"] });
    await store.save("model", 4, { inputs: ["clean", "raw"] });
    await store.save("report", 5, { inputs: ["model:1", "model:0"] });
    await store.delete("other:0");
    const graph = await store.lineage("clean");
    assert.deepEqual(
      graph.nodes.map(({ ref, level, deleted }) => [ref, level, deleted]),
      [
        ["clean:0", 0, false],
        ["raw:0", -1, false],
        ["other:0", -1, true],
        ["model:0", 1, false],
        ["model:1", 1, false],
        ["report:0", 2, false],
      ],
    );
    assert.deepEqual(
      graph.edges.map(({ from, to }) => `${from} → ${to}`),
      [
        "raw:0 → clean:0",
        "other:0 → clean:0",
        "clean:0 → model:0",
        "clean:0 → model:1",
        "model:0 → report:0",
        "model:1 → report:0",
      ],
    );
    assert.equal(graph.complete, true);
    assert.equal(graph.nodes[0]!.digest, (await store.get("clean")).digest);
    const up = await store.lineage("report", { direction: "up", depth: 1 });
    assert.deepEqual(
      up.nodes.map(({ ref }) => ref),
      ["report:0", "model:1", "model:0"],
    );
    await refused(store.lineage("none"), "NOT_FOUND");
    await refused(store.lineage("raw", { depth: -1 }), "INVALID_ARGUMENT");
    await refused(store.lineage("raw", { direction: "sideways" as "up" }), "INVALID_ARGUMENT");
  });

  test("many that were made from one, in the order of names and versions", async (store) => {
    await store.save("raw", 1);
    await store.batch((batch) => {
      for (let i = 0; i < 200; i++) batch.save(`n${i % 100}`, i, { inputs: ["raw"] });
    });
    const { nodes, edges } = await store.lineage("raw", { direction: "down" });
    const names = Array.from({ length: 100 }, (_, i) => `n${i}`).sort();
    assert.deepEqual(
      nodes.slice(1).map(({ ref }) => ref),
      names.flatMap((name) => [`${name}:0`, `${name}:1`]),
    );
    assert.equal(edges.length, 200);
  });
}
