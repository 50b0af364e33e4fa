import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ListFilter } from "../../engine/api.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openSeamStore } from "../helpers/stores.ts";
import { refs, tickingStore } from "./list-support.ts";

const test = suite("list filters");
test.after.each(closeAll);

test("metadata filters compare values of equal types only", async () => {
  const store = await newStore();
  await store.save("number", 1, { metadata: { x: 0.9, deep: { y: 2 } } });
  await store.save("text", 1, { metadata: { x: "0.9" } });
  await store.save("null", 1, { metadata: { x: null } });
  await store.save("list", 1, { metadata: { x: [1, { a: 2 }] } });
  await store.save("object", 1, { metadata: { x: { b: 1, a: 2 } } });
  await store.save("none", 1);
  const cases: [NonNullable<ListFilter["metadata"]>, string[]][] = [
    [{ x: 0.9 }, ["number"]],
    [{ x: { eq: 0.9 } }, ["number"]],
    [{ x: "0.9" }, ["text"]],
    [{ x: null }, ["null"]],
    [{ x: { ne: 1 } }, ["number"]],
    [{ x: { ne: "a" } }, ["text"]],
    [{ x: { gte: 0.9, lt: 1 } }, ["number"]],
    [{ x: { gt: 0.9 } }, []],
    [{ x: { gte: "0" } }, ["text"]],
    [{ x: { lte: "0.9" } }, ["text"]],
    [{ x: { in: [null, 0.9, [1, { a: 2 }]] } }, ["list", "null", "number"]],
    [{ x: [1, { a: 2 }] }, ["list"]],
    [{ x: { eq: { a: 2, b: 1 } } }, ["object"]],
    [{ x: { exists: true } }, ["list", "null", "number", "object", "text"]],
    [{ x: { exists: false } }, ["none"]],
    [{ "deep.y": 2 }, ["number"]],
    [{ x: { exists: true }, "deep.y": { exists: false } }, ["list", "null", "object", "text"]],
    [{ toString: { exists: true } }, []],
  ];
  for (const [metadata, expected] of cases) {
    assert.equal(
      await refs(store, { metadata }),
      expected.map((name) => `${name}:0`),
      JSON.stringify(metadata),
    );
  }
});

test("a key with points in it is found as it is before it is taken for a path", async () => {
  const store = await newStore();
  await store.save("a", 1, { metadata: { "x.y": 1, x: { y: 2 } } });
  assert.equal(await refs(store, { metadata: { "x.y": 1 } }), ["a:0"]);
  assert.equal(await refs(store, { metadata: { "x.y": 2 } }), []);
});

test("size, media type, digest, creator and tags are filters", async () => {
  const store = await newStore({ environment: [] });
  const small = await store.save("small", Buffer.from("abc"), { mediaType: "text/plain" });
  await store.save("large", Buffer.alloc(1000), { tags: { a: "1", b: "2" } });
  await store.save("value", { x: 1 }, { tags: { a: "1" } });
  assert.equal(await refs(store, { minSize: 1000 }), ["large:0"]);
  assert.equal(await refs(store, { minSize: 3, maxSize: 3 }), ["small:0"]);
  assert.equal(await refs(store, { mediaType: "text/plain" }), ["small:0"]);
  assert.equal(await refs(store, { mediaType: "application/cbor" }), ["value:0"]);
  assert.equal(await refs(store, { mediaType: "application/octet-stream" }), ["large:0"]);
  assert.equal(await refs(store, { digest: small.digest }), ["small:0"]);
  assert.equal(await refs(store, { digest: small.digest.slice(0, 12) }), ["small:0"]);
  assert.equal(await refs(store, { digest: small.digest.slice(7, 12).toUpperCase() }), ["small:0"]);
  assert.equal(await refs(store, { digest: `sha256:${"0".repeat(64)}` }), []);
  assert.is((await refs(store, { createdBy: small.createdBy! })).length, 3);
  assert.equal(await refs(store, { createdBy: "nobody" }), []);
  assert.equal(await refs(store, { tags: { a: "1" } }), ["large:0", "value:0"]);
  assert.equal(await refs(store, { tags: { a: "1", b: "2" } }), ["large:0"]);
});

test("every digest is found by every beginning of it", async () => {
  const store = await newStore();
  const saved = await Promise.all(Array.from({ length: 60 }, (_, i) => store.save(`n${i}`, i)));
  for (const { digest } of saved) {
    for (const length of [8, 9, 10, 11, 40, 70, 71]) {
      const start = digest.slice(0, length);
      const expected = saved.filter((other) => other.digest.startsWith(start)).map(({ ref }) => ref);
      assert.equal((await refs(store, { digest: start })).sort(), expected.sort(), start);
    }
  }
});

test("a deleted version is found by its digest among the deleted", async () => {
  const store = await newStore();
  const { digest } = await store.save("a", 1);
  await store.delete("a:0");
  assert.equal(await refs(store, { digest }), []);
  assert.equal(await refs(store, { digest, deleted: true }), ["a:0"]);
});

test("since and until include their moment, and mean the save also after an annotation", async () => {
  const store = await tickingStore();
  const saved = [await store.save("a", 1), await store.save("b", 1), await store.save("c", 1)];
  await store.annotate("a", { metadata: { long: "x".repeat(400) } });
  await store.annotate("b", { tags: { x: "y" } });
  const [a, b, c] = saved.map(({ createdAt }) => createdAt) as [Date, Date, Date];
  assert.equal(await refs(store, { since: b }), ["b:0", "c:0"]);
  assert.equal(await refs(store, { until: b }), ["a:0", "b:0"]);
  assert.equal(await refs(store, { since: a, until: a }), ["a:0"]);
  assert.equal(await refs(store, { since: new Date(c.getTime() + 1) }), []);
  assert.equal(await refs(store, { where: `createdAt <= '${a.toISOString()}'` }), ["a:0"]);
});

test("filters that the row can answer read nothing of the log", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  await store.batch((batch) => {
    for (let i = 0; i < 300; i++) {
      batch.save(`n${i}`, Buffer.alloc(i), { metadata: { text: "x".repeat(1000) }, code: "y".repeat(2000) });
    }
  });
  const { digest } = await store.get("n7");
  const day = new Date("2020-01-01");
  const unmatched: ListFilter[] = [
    { minSize: 1000 },
    { maxSize: 3, where: "version > 3 and metadata.text = 'x'" },
    { digest, minSize: 8 },
    { since: new Date("2100-01-01") },
    { until: day, metadata: { text: "x" } },
    { until: day, sort: "createdAt" },
    { mediaType: "application/cbor", tags: { a: "b" } },
    { where: "name = 'x' or size > 5000 or createdAt < '2020-01-01' or mediaType = 'text/plain'" },
    { where: `digest != '${digest}' and size = 7`, sort: "size" },
    { name: "**/x", createdBy: "nobody" },
  ];
  files.counts.readBytes = 0;
  for (const filter of unmatched) {
    assert.equal(await refs(store, filter), [], JSON.stringify(filter));
    assert.is(files.counts.readBytes, 0, JSON.stringify(filter));
  }
  await refs(store, { metadata: { text: "x" } });
  assert.ok(files.counts.readBytes > 0);
});

test("what is wrong in a filter is INVALID_ARGUMENT that says what is right", async () => {
  const store = await newStore();
  await store.save("a", 1);
  const wrong: unknown[] = [
    { names: "a" },
    { metadat: {} },
    { name: "" },
    { name: 3 },
    { tags: { a: 1 } },
    { metadata: { x: { gte: null } } },
    { metadata: { x: { gt: true } } },
    { metadata: { x: { in: 3 } } },
    { metadata: { x: { exists: 1 } } },
    { metadata: { x: { bigger: 1 } } },
    { metadata: { x: Number.NaN } },
    { metadata: { x: undefined } },
    { metadata: 3 },
    { where: 3 },
    { where: "metadata.x =" },
    { since: "2026-01-01" },
    { until: new Date("never") },
    { mediaType: 3 },
    { minSize: -1 },
    { maxSize: 1.5 },
    { maxSize: "1" },
    { digest: "sha256:" },
    { digest: "sha256:xyz" },
    { digest: "md5:00" },
    { digest: "0".repeat(65) },
    { createdBy: null },
    { allVersions: "yes" },
    { deleted: 1 },
    { sort: "age" },
    { sort: "toString" },
    { reverse: 1 },
    { limit: -1 },
    { limit: 1.5 },
    { after: "a" },
    { after: "a@b" },
    { after: 3 },
    { after: "nothing:0", sort: "size" },
    null,
    3,
  ];
  for (const filter of wrong) {
    await failureWithHint(() => refs(store, filter as ListFilter), "INVALID_ARGUMENT");
  }
});

test("an error of where points at its place", async () => {
  const store = await newStore();
  const error = await failureWithHint(() => refs(store, { where: "metadata.x > and" }), "INVALID_ARGUMENT");
  assert.equal(error.details, { position: 13 });
  assert.match(error.message, /\n {2}metadata\.x > and\n {15}\^$/);
});

test.run();
