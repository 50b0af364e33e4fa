import * as assert from "node:assert/strict";
import type { StoreTesting } from "./store-support.ts";
import { refs, refused, storeTests } from "./store-support.ts";

/** What happens to versions that are there: aliases, annotations, deletes; and to the store: closing, read-only handles. */
export function changeTests(testing: StoreTesting): void {
  aliasTests(testing);
  deleteTests(testing);
  handleTests(testing);
}

function aliasTests(testing: StoreTesting): void {
  const test = storeTests(testing, "aliases and annotations");

  test("aliases are set, moved, listed and removed", async (store) => {
    for (let i = 0; i < 3; i++) await store.save("a", i);
    await store.setAlias("a", "best", 1);
    await store.setAlias("a", "Also", 1);
    assert.deepEqual((await store.get("a@best")).aliases, ["Also", "best"]);
    await store.setAlias("a", "best", 2);
    assert.deepEqual(await store.aliases("a"), { Also: 1, best: 2 });
    assert.deepEqual(Object.keys(await store.aliases("a")), ["Also", "best"]);
    await store.deleteAlias("a", "best");
    await refused(store.get("a@best"), "NOT_FOUND");
    await refused(store.deleteAlias("a", "best"), "NOT_FOUND");
    await refused(store.setAlias("a", "best", 9), "NOT_FOUND");
    for (const alias of ["latest", "7", "a b", ""])
      await refused(store.setAlias("a", alias, 0), "INVALID_ARGUMENT");
    assert.deepEqual(await store.aliases("none"), {});
  });

  test("annotations set and remove keys, and leave the rest of the version alone", async (store) => {
    const saved = await store.save("a", 1, {
      tags: { x: "1", y: "2" },
      metadata: { m: { deep: 1 }, n: 2 },
      code: "c",
    });
    const changed = await store.annotate("a", {
      tags: { x: null, z: "3" },
      metadata: { m: [1], n: null },
    });
    assert.deepEqual({ ...changed.tags }, { y: "2", z: "3" });
    assert.deepEqual({ ...changed.metadata }, { m: [1] });
    const { digest, createdAt, sequence, code } = await store.get("a");
    assert.deepEqual(
      { digest, createdAt, sequence, code },
      { digest: saved.digest, createdAt: saved.createdAt, sequence: saved.sequence, code: saved.code },
    );
    await refused(store.annotate("none", { tags: { a: "b" } }), "NOT_FOUND");
    await refused(store.annotate("a", { tags: { a: 1 as unknown as string } }), "INVALID_ARGUMENT");
    await refused(store.annotate("a:all", { tags: {} }), "INVALID_ARGUMENT");
  });
}

function deleteTests(testing: StoreTesting): void {
  const test = storeTests(testing, "deletes");

  test("a deleted version is gone, its number is not given again, and it can be brought back", async (store) => {
    for (let i = 0; i < 3; i++) await store.save("a", i);
    assert.deepEqual(await store.delete("a:2"), { deleted: ["a:2"], aliases: [] });
    assert.equal(await store.load("a"), 1);
    const error = await refused(store.get("a:2"), "NOT_FOUND");
    assert.match(error.hint ?? "", /undelete a:2/);
    assert.equal((await store.save("a", 3)).version, 3);
    const back = await store.undelete("a:2");
    assert.equal(back.deleted, false);
    assert.equal(await back.value(), 2);
    assert.equal((await store.undelete("a:2")).ref, "a:2");
    await refused(store.undelete("a"), "INVALID_ARGUMENT");
    await refused(store.undelete("a:77"), "NOT_FOUND");
    await refused(store.delete("a"), "INVALID_ARGUMENT");
    await refused(store.delete("none:all"), "NOT_FOUND");
  });

  test("aliases protect, go along when that is wanted, and come back", async (store) => {
    for (let i = 0; i < 3; i++) await store.save("a", i);
    await store.setAlias("a", "best", 1);
    await store.setAlias("a", "first", 0);
    const error = await refused(store.delete("a:all"), "CONFLICT");
    assert.match(error.hint ?? "", /aliases: true/);
    assert.equal((await refs(store.versions("a"))).length, 3);
    const report = await store.delete("a:all", { aliases: true });
    assert.deepEqual(report, { deleted: ["a:0", "a:1", "a:2"], aliases: ["a@first", "a@best"] });
    assert.equal(await store.has("a"), false);
    assert.deepEqual(await refs(store.list({ deleted: true })), ["a:2", "a:1", "a:0"]);
    await store.save("a", 9);
    await store.setAlias("a", "best", 3);
    assert.deepEqual((await store.undelete("a:0")).aliases, ["first"]);
    assert.deepEqual((await store.undelete("a:1")).aliases, []);
  });

  test("what is deleted comes back until its bytes are compacted away", async (store, { settle }) => {
    await store.save("a", "gone");
    const held = await store.get("a");
    await store.save("b", "stays");
    await store.delete("a:0");
    await settle();
    await store.compact();
    const error = await refused(store.undelete("a:0"), "NOT_FOUND");
    assert.match(error.message, /compacted away/);
    assert.match((await refused(store.get("a:0"), "NOT_FOUND")).hint ?? "", /compacted away/);
    await refused(held.value(), "NOT_FOUND");
    assert.equal(await store.load("b"), "stays");
    assert.equal((await store.save("a", "new")).version, 1);
    assert.deepEqual((await store.verify({ full: true })).problems, []);
  });
}

function handleTests(testing: StoreTesting): void {
  const test = storeTests(testing, "handles");

  test("a closed store refuses, after what was running is done", async (store, { again }) => {
    const saving = store.save("a", 1);
    await store.close();
    assert.equal((await saving).version, 0);
    await store.close();
    await refused(store.get("a"), "CLOSED");
    await refused(store.save("a", 1), "CLOSED");
    assert.equal(await (await again()).load("a"), 1);
  });

  test("a read-only handle reads everything and changes nothing", async (store, { again }) => {
    await store.save("a", 1);
    const reader = await again({ readOnly: true });
    assert.equal(reader.readOnly, true);
    assert.equal(reader.id, store.id);
    assert.equal(await reader.load("a"), 1);
    await store.save("a", 2);
    assert.equal(await reader.load("a"), 2);
    const changes = [
      () => reader.save("a", 3),
      () => reader.save("a", Buffer.alloc(2_000_000)),
      () => reader.delete("a:0"),
      () => reader.undelete("a:0"),
      () => reader.setAlias("a", "x", 0),
      () => reader.deleteAlias("a", "x"),
      () => reader.annotate("a", { tags: { a: "b" } }),
      () => reader.batch((batch) => void batch.save("a", 1)),
      () => reader.compact(),
      () => reader.prune({ keepLast: 1 }),
      () => reader.repair(),
    ];
    for (const change of changes) await refused(change(), "READ_ONLY");
    assert.equal((await reader.compact({ dryRun: true })).dryRun, true);
    assert.equal((await reader.stats()).versions, 2);
  });

  test("an aborted call is refused", async (store) => {
    const signal = AbortSignal.abort();
    for (const call of [
      () => store.save("a", 1, { signal }),
      () => store.get("a", { signal }),
      () => store.delete("a:0", { signal }),
    ])
      await refused(call(), "ABORTED");
  });

  test("refs that are none, and what stands for many", async (store) => {
    for (const ref of ["", "a:", "a:x", "a@", "a:01", "/a", null, 7, {}])
      await refused(() => store.get(ref as string), "INVALID_ARGUMENT");
    await refused(store.get("a:all"), "INVALID_ARGUMENT");
    assert.equal(await store.find("a"), undefined);
    assert.equal(await store.has("a@best"), false);
    await refused(store.load("a"), "NOT_FOUND");
  });
}
