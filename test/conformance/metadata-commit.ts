import * as assert from "node:assert/strict";
import type { MetadataTesting } from "./metadata-support.ts";
import {
  alias,
  all,
  apply,
  at,
  digestOf,
  factsOf,
  failed,
  hex,
  latest,
  pending,
  plain,
  refsOf,
  refused,
  rejected,
  START,
  save,
  saved,
  storeTests,
  succeeded,
  unit,
} from "./metadata-support.ts";

/** Units: what they give, and that they apply together or not at all. */
export function commitTests(testing: MetadataTesting): void {
  wholeTests(testing);
  unitTests(testing);
}

function wholeTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "commit");

  test("a save is read as it was given", async (store) => {
    const input = await saved(store, "data");
    const code = { sources: [{ file: "train.ts", text: "let x = 'é';\n" }, { text: "x".repeat(20_000) }] };
    const environment = {
      node: "v22.1.0",
      user: "mia",
      git: { commit: "abc", dirty: true },
      packages: { left: "1.0.0" },
      command: ["node", "-e", ""],
    };
    const stamps = digestOf("stamps");
    const value = {
      digest: digestOf("v"),
      size: 2 ** 41 + 1,
      mediaType: "text/plain; charset=utf-8",
      stamps,
    };
    const record = await saved(store, "model", {
      value,
      code,
      environment,
      backend: "mlflow",
      inputs: [latest("data"), at("data", 0)],
      tags: { stage: "dev" },
      metadata: { accuracy: 0.93 },
    });
    assert.deepEqual(plain(record), {
      name: "model",
      version: 0,
      sequence: input.sequence + 1,
      createdAt: START,
      digest: hex(value.digest),
      size: value.size,
      mediaType: value.mediaType,
      stamps: hex(stamps),
      backend: "mlflow",
      code,
      inputs: ["data:0", "data:0"],
      environment,
      tags: { stage: "dev" },
      metadata: { accuracy: 0.93 },
      aliases: [],
      deleted: false,
      isForgotten: false,
    });
    assert.deepEqual(plain(await store.at("model", 0)), plain(record));
    assert.deepEqual(plain(await store.find(latest("model"))), plain(record));
  });

  test("what is not given is absent, or empty", async (store) => {
    const record = await saved(store, "a");
    assert.equal("code" in record, false);
    assert.equal("stamps" in record, false);
    assert.deepEqual([record.inputs, record.tags, record.metadata, record.environment], [[], {}, {}, {}]);
    assert.deepEqual(plain(await store.at("a", 0)), plain(record));
  });

  test("an empty value has a size of 0, and any media type is kept", async (store) => {
    for (const mediaType of [
      "application/cbor",
      "application/octet-stream",
      "application/vnd.é'x",
      "x".repeat(300),
    ]) {
      const value = { ...factsOf(""), mediaType };
      const record = await saved(store, "a", { value });
      assert.deepEqual(plain(await store.at("a", record.version)), plain(record));
      assert.deepEqual([record.size, record.mediaType], [0, mediaType]);
    }
  });

  test("an environment is kept once, however many versions name it", async (store) => {
    const environment = { node: "v22.1.0", diff: "x".repeat(50_000) };
    for (let i = 0; i < 3; i++) await saved(store, `n${i}`, { environment });
    await saved(store, "other", { environment: { node: "v24.0.0" } });
    for (let i = 0; i < 3; i++) assert.deepEqual((await store.at(`n${i}`, 0))?.environment, environment);
    assert.deepEqual((await store.at("other", 0))?.environment, { node: "v24.0.0" });
  });
}

function unitTests(testing: MetadataTesting): void {
  const test = storeTests(testing, "commit");

  test("operations of a unit apply in order, under one sequence number", async (store) => {
    const before = await saved(store, "a");
    const result = await apply(
      store,
      save("a"),
      save("b", { inputs: [pending(0), at("a", 0)] }),
      { kind: "alias", name: "a", alias: "best", version: pending(0) },
      { kind: "alias", name: "a", alias: "first", version: 0 },
      { kind: "annotate", target: pending(1), tags: { stage: "dev" } },
      { kind: "annotate", target: alias("a", "best"), metadata: { late: true } },
    );
    assert.equal(result.sequence, before.sequence + 1);
    assert.deepEqual(
      result.versions.map(({ name, version, sequence }) => [name, version, sequence]),
      [
        ["a", 1, result.sequence],
        ["b", 0, result.sequence],
        ["b", 0, result.sequence],
        ["a", 1, result.sequence],
      ],
    );
    const [a, b] = result.versions;
    assert.deepEqual(
      [a?.aliases, a?.metadata],
      [["best"], { late: true }],
      "as they are behind the whole unit",
    );
    assert.deepEqual([b?.inputs, b?.tags], [["a:1", "a:0"], { stage: "dev" }]);
    assert.deepEqual(plain(result.versions[2]), plain(b));
    assert.deepEqual(plain(await store.at("a", 1)), plain(a));
    assert.deepEqual(plain(await store.at("b", 0)), plain(b));
  });

  test("a version can be saved and deleted in one unit", async (store) => {
    const result = await apply(store, save("a"), { kind: "delete", target: pending(0), aliases: false });
    assert.deepEqual([result.versions[0]?.deleted, result.deleted], [true, ["a:0"]]);
    assert.equal(await store.find(latest("a")), undefined);
    assert.equal((await saved(store, "a")).version, 1);
  });

  test("a unit that fails in the middle changes nothing", async (store) => {
    const before = await saved(store, "a", { tags: { x: "1" } });
    const error = await refused(
      store,
      "NOT_FOUND",
      save("a"),
      save("new"),
      { kind: "alias", name: "a", alias: "best", version: 0 },
      { kind: "annotate", target: at("a", 0), tags: { x: "2" } },
      { kind: "delete", target: at("a", 0), aliases: true },
      { kind: "deleteAlias", name: "a", alias: "none" },
      save("later"),
    );
    assert.deepEqual(error.details, { ref: "a@none" });
    assert.deepEqual(await refsOf(store), ["a:0"]);
    assert.deepEqual(plain(await store.at("a", 0)), plain(before));
    assert.deepEqual(await store.aliases("a"), {});
    assert.deepEqual((await all(store.operations(0))).length, 1);
    const after = await saved(store, "a");
    assert.deepEqual([after.version, after.sequence], [1, before.sequence + 1]);
  });

  test("each unit stands for itself: one that fails has its error in its place", async (store) => {
    const results = await store.commit([
      unit([save("a")]),
      unit([save("b"), save("c", { inputs: [latest("none")] })]),
      unit([save("a", { ifVersion: 0 })]),
      unit([save("a", { ifVersion: 0 })]),
      unit([save("d", { inputs: [at("a", 1)] })]),
    ]);
    assert.equal(results.length, 5);
    const first = succeeded(results[0]);
    assert.deepEqual(failed(results[1], "NOT_FOUND").details, { ref: "none" });
    assert.equal(succeeded(results[2]).sequence, first.sequence + 1);
    assert.deepEqual(failed(results[3], "CONFLICT").details, { name: "a", latest: 1, ifVersion: 0 });
    assert.equal(succeeded(results[4]).sequence, first.sequence + 2);
    assert.deepEqual(await refsOf(store), ["a:1", "a:0", "d:0"]);
  });

  test("a unit that fails gives back an alias to the version that had it", async (store) => {
    await saved(store, "m");
    await saved(store, "m");
    await apply(store, { kind: "alias", name: "m", alias: "prod", version: 0 });
    const results = await store.commit([
      unit([
        { kind: "alias", name: "m", alias: "prod", version: 1 },
        { kind: "delete", target: at("m", 1), aliases: false },
      ]),
      unit([{ kind: "delete", target: at("m", 0), aliases: false }]),
    ]);
    for (const result of results) failed(result, "CONFLICT");
    assert.deepEqual(await store.aliases("m"), { prod: 0 });
    assert.deepEqual(await refsOf(store), ["m:1", "m:0"]);
    assert.deepEqual(await store.check(), []);
  });

  test("no units have no results, and a unit without operations changes nothing", async (store) => {
    assert.deepEqual(await store.commit([]), []);
    const { sequence } = await saved(store, "a");
    assert.deepEqual(await apply(store), { sequence, versions: [], deleted: [], removedAliases: [] });
    assert.equal((await saved(store, "a")).sequence, sequence + 1);
  });

  test("inputs must exist and be live", async (store) => {
    await saved(store, "a");
    await saved(store, "a");
    await apply(store, { kind: "delete", target: at("a", 1), aliases: false });
    assert.deepEqual((await saved(store, "b", { inputs: [latest("a")] })).inputs, ["a:0"]);
    for (const target of [at("a", 1), at("a", 2), alias("a", "x"), latest("none")]) {
      const error = await refused(store, "NOT_FOUND", save("c", { inputs: [latest("a"), target] }));
      assert.ok(error.hint);
    }
    const deleted = await refused(store, "NOT_FOUND", save("c", { inputs: [at("a", 1)] }));
    assert.match(deleted.hint ?? "", /varve undelete a:1/);
    assert.deepEqual(await refsOf(store, { prefix: "c" }), []);
  });

  test("ifVersion: saved only if the latest live version is that one", async (store) => {
    const absent = await refused(store, "CONFLICT", save("a", { ifVersion: 0 }));
    assert.deepEqual(absent.details, { name: "a", latest: "absent", ifVersion: 0 });
    assert.equal(absent.message, "the latest version of a is absent, not 0");
    assert.equal((await saved(store, "a", { ifVersion: "absent" })).version, 0);
    const present = await refused(store, "CONFLICT", save("a", { ifVersion: "absent" }));
    assert.deepEqual(present.details, { name: "a", latest: 0, ifVersion: "absent" });
    assert.ok(present.hint);
    assert.equal((await saved(store, "a", { ifVersion: 0 })).version, 1);
    await apply(store, { kind: "delete", target: at("a", 1), aliases: false });
    await refused(store, "CONFLICT", save("a", { ifVersion: 1 }));
    assert.equal((await saved(store, "a", { ifVersion: 0 })).version, 2, "a number is never given twice");
    await apply(store, { kind: "delete", target: { name: "a", kind: "all" }, aliases: false });
    assert.equal((await saved(store, "a", { ifVersion: "absent" })).version, 3);
    const { versions } = await apply(store, save("a", { ifVersion: 3 }), save("a", { ifVersion: 4 }));
    assert.deepEqual(
      versions.map(({ version }) => version),
      [4, 5],
      "within a unit too",
    );
  });

  test("an aborted signal rejects the call, and nothing is changed", async (store) => {
    const signal = AbortSignal.abort();
    await rejected(store.commit([unit([save("a")])], { signal }), "ABORTED");
    await rejected(store.find(latest("a"), { signal }), "ABORTED");
    await rejected(store.at("a", 0, { signal }), "ABORTED");
    await rejected(store.aliases("a", { signal }), "ABORTED");
    await rejected(store.counts({ signal }), "ABORTED");
    await rejected(all(store.versions("a", { signal })), "ABORTED");
    await rejected(all(store.operations(0, { signal })), "ABORTED");
    await rejected(store.lineage("up", [{ name: "a", version: 0 }], { signal }), "ABORTED");
    assert.deepEqual(await refsOf(store), []);
  });
}
