import { suite } from "uvu";
import * as assert from "uvu/assert";
import { versionKey } from "../../engine/artifact-key.ts";
import { openCore } from "../../engine/open.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";
import { refs, tickingStore } from "./list-support.ts";

/** Sorts, cursors, and what a list that goes on has of its beginning. */
const test = suite("the order of lists");
test.after.each(closeAll);

test("sorts put equal ones in order of names, and reverse is exactly the other way round", async () => {
  const store = await tickingStore();
  await store.save("c", Buffer.alloc(5));
  await store.save("a", Buffer.alloc(9));
  await store.save("b", Buffer.alloc(5));
  await store.save("a", Buffer.alloc(1));
  await store.annotate("c", { tags: { later: "yes" } });
  assert.equal(await refs(store, { sort: "createdAt" }), ["c:0", "b:0", "a:1"]);
  assert.equal(await refs(store, { sort: "createdAt", reverse: true }), ["a:1", "b:0", "c:0"]);
  assert.equal(await refs(store, { sort: "size" }), ["a:1", "b:0", "c:0"]);
  assert.equal(await refs(store, { sort: "size", allVersions: true }), ["a:1", "b:0", "c:0", "a:0"]);
  assert.equal(await refs(store, { sort: "size", limit: 2, reverse: true }), ["c:0", "b:0"]);
  assert.equal(await refs(store, { sort: "name", allVersions: true }), ["a:1", "a:0", "b:0", "c:0"]);
});

test("a cursor goes on in every sort, also when its artifact was deleted since", async () => {
  const store = await tickingStore();
  for (let i = 0; i < 30; i++) await store.save(`n${i % 7}`, Buffer.alloc(i % 4));
  for (const sort of ["name", "createdAt", "size"] as const) {
    for (const reverse of [false, true]) {
      for (const allVersions of [false, true]) {
        const filter = { sort, reverse, allVersions };
        const whole = await refs(store, filter);
        const paged: string[] = [];
        for (;;) {
          const page = await refs(store, {
            ...filter,
            limit: 3,
            ...(paged.length > 0 && { after: paged.at(-1)! }),
          });
          paged.push(...page);
          if (page.length < 3) break;
        }
        assert.equal(paged, whole, JSON.stringify(filter));
      }
    }
  }
  const bySize = await refs(store, { sort: "size", allVersions: true });
  await store.delete(bySize[4]!);
  assert.equal(await refs(store, { sort: "size", allVersions: true, after: bySize[4]! }), bySize.slice(5));
});

test("a cursor outside of the pattern's names is before or behind all of them", async () => {
  const store = await newStore();
  for (const name of ["a/1", "b/1", "b/2", "c/1"]) await store.save(name, 1);
  assert.equal(await refs(store, { name: "b/*", after: "a/1:0" }), ["b/1:0", "b/2:0"]);
  assert.equal(await refs(store, { name: "b/*", after: "c/1:0" }), []);
  assert.equal(await refs(store, { name: "b/*", after: "c/1:0", reverse: true }), ["b/2:0", "b/1:0"]);
  assert.equal(await refs(store, { name: "b/*", after: "a/1:0", reverse: true }), []);
});

test("names with many versions, and many deleted ones, give their latest in both directions", async () => {
  const store = await newStore({ durability: "buffered" });
  await store.batch((batch) => {
    for (let i = 0; i < 700; i++) for (const name of ["a", "b", "c"]) batch.save(name, i);
    for (let i = 0; i < 40; i++) batch.save(`d${i}`, i);
  });
  await store.batch((batch) => {
    for (let i = 100; i < 700; i++) batch.delete(`b:${i}`);
    for (let i = 0; i < 700; i++) batch.delete(`c:${i}`);
  });
  const others = Array.from({ length: 40 }, (_, i) => `d${i}`)
    .sort()
    .map((name) => `${name}:0`);
  assert.equal(await refs(store), ["a:699", "b:99", ...others]);
  assert.equal(await refs(store, { reverse: true }), ["a:699", "b:99", ...others].reverse());
  assert.is((await refs(store, { deleted: true })).length, 1300);
});

test("a name without a star finds only itself, however many names begin with it", async () => {
  const store = await newStore();
  for (const name of ["iris", "iris2", "iris/model"]) await store.save(name, 1);
  assert.equal(await refs(store, { name: "iris" }), ["iris:0"]);
  assert.equal(await refs(store, { name: "iris", reverse: true, allVersions: true }), ["iris:0"]);
  assert.equal(await refs(store, { name: "iri" }), []);
});

test("a long search that finds nothing lets other work run, and can be aborted", async () => {
  const store = await newStore({ durability: "buffered" });
  await store.batch((batch) => {
    for (let i = 0; i < 20_000; i++) batch.save(`n${i}`, 1);
  });
  let turns = 0;
  const timer = setInterval(() => turns++, 0);
  await refs(store, { minSize: 1000 });
  clearInterval(timer);
  assert.ok(turns > 0);
  const abort = new AbortController();
  setImmediate(() => abort.abort());
  await failure(() => refs(store, { minSize: 1000, signal: abort.signal }), "ABORTED");
});

test("a list goes on in the state it began with while others save and delete", async () => {
  const store = await newStore();
  for (const name of ["a", "b", "c"]) await store.save(name, 1);
  for (const sort of ["name", "createdAt"] as const) {
    const seen: string[] = [];
    for await (const { ref } of store.list({ sort })) {
      seen.push(ref);
      if (seen.length > 1) continue;
      await store.save("d", 1);
      await store.delete("c:latest");
    }
    assert.equal(seen.slice(0, 3), ["a:0", "b:0", "c:0"]);
    await store.undelete("c:0");
    await store.delete("d:all");
  }
});

test("a key of the index that is no text is gone over once", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  for (const name of ["a", "p", "z"]) await store.save(name, 1);
  const { core, release } = await openCore(home, { application: "artifact" });
  const key = versionKey("p", 0);
  const row = core.row(key)!;
  // With its highest bit set the first letter begins no text: the sign that stands for such a byte is a lower one.
  key[1]! |= 0x80;
  core.catalog.transact(() => core.catalog.movedRow(key, row));
  await release();
  for (const reverse of [false, true]) {
    for (const allVersions of [false, true]) {
      const found: string[] = [];
      for await (const { ref } of store.list({ reverse, allVersions })) {
        found.push(ref);
        assert.ok(found.length < 9, found.join(" "));
      }
      assert.equal(found.filter((ref) => /^[apz]:0$/.test(ref)).sort(), ["a:0", "p:0", "z:0"]);
    }
  }
});

test.run();
