import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore, ListFilter } from "../../engine/api.ts";
import { Catalog } from "../../engine/index/catalog.ts";
import { damageText, marked, segmentsOf } from "../helpers/damage.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openSeamStore } from "../helpers/stores.ts";

const test = suite("list and versions");
test.after.each(closeAll);

async function refs(store: ArtifactStore, filter?: ListFilter): Promise<string[]> {
  const found: string[] = [];
  for await (const { ref } of store.list(filter)) found.push(ref);
  return found;
}

/** How many rows of versions `action` reads. */
async function rowsRead(action: () => Promise<void>): Promise<number> {
  let rows = 0;
  const read = Catalog.prototype.rowIn;
  Catalog.prototype.rowIn = function (entry) {
    rows++;
    return read.call(this, entry);
  };
  try {
    await action();
  } finally {
    Catalog.prototype.rowIn = read;
  }
  return rows;
}

async function filled(): Promise<ArtifactStore> {
  const store = await newStore();
  await store.batch((batch) => {
    for (const name of ["b", "a/x", "a/y/z", "a", "c"]) batch.save(name, name, { tags: { first: name[0]! } });
    for (const name of ["a/x", "c"]) batch.save(name, "second");
    batch.save("d", "gone");
    batch.delete("d:0");
    batch.delete("c:0");
  });
  return store;
}

test("the latest live version of each name, in the order of names", async () => {
  const store = await filled();
  assert.equal(await refs(store), ["a:0", "a/x:1", "a/y/z:0", "b:0", "c:1"]);
  assert.equal(await refs(store, { reverse: true }), ["c:1", "b:0", "a/y/z:0", "a/x:1", "a:0"]);
});

test("all versions, deleted ones, patterns, tags", async () => {
  const store = await filled();
  assert.equal(await refs(store, { allVersions: true }), ["a:0", "a/x:1", "a/x:0", "a/y/z:0", "b:0", "c:1"]);
  assert.equal(await refs(store, { deleted: true }), ["c:0", "d:0"]);
  assert.equal(await refs(store, { name: "a/*" }), ["a/x:1"]);
  assert.equal(await refs(store, { name: "a/**" }), ["a/x:1", "a/y/z:0"]);
  assert.equal(await refs(store, { name: "*" }), ["a:0", "b:0", "c:1"]);
  assert.equal(await refs(store, { name: "a" }), ["a:0"]);
  assert.equal(await refs(store, { tags: { first: "b" } }), ["b:0"]);
  assert.equal(await refs(store, { name: "none/**" }), []);
});

test("limit and after page through everything, in both directions", async () => {
  const store = await filled();
  for (const base of [{}, { reverse: true }, { allVersions: true }, { allVersions: true, reverse: true }]) {
    const all = await refs(store, base);
    for (const limit of [1, 2, 3]) {
      const paged: string[] = [];
      for (;;) {
        const after = paged.at(-1);
        const page = await refs(store, { ...base, limit, ...(after !== undefined && { after }) });
        if (page.length === 0) break;
        paged.push(...page);
      }
      assert.equal(paged, all, JSON.stringify({ base, limit }));
    }
  }
  assert.equal(await refs(store, { limit: 0 }), []);
  await failureWithHint(refs(store, { limit: -1 }), "INVALID_ARGUMENT");
  await failureWithHint(refs(store, { after: "a" }), "INVALID_ARGUMENT");
  await failureWithHint(refs(store, { name: "" }), "INVALID_ARGUMENT");
});

test("versions are the live ones of one name, oldest first, however many", async () => {
  const store = await newStore({ durability: "buffered" });
  await store.batch((batch) => {
    for (let i = 0; i < 300; i++) batch.save("x", i);
    for (let i = 0; i < 300; i += 7) batch.delete(`x:${i}`);
    batch.save("x/y", 1);
    batch.save("w", 1);
  });
  const found: number[] = [];
  for await (const { version } of store.versions("x")) found.push(version);
  assert.equal(
    found,
    Array.from({ length: 300 }, (_, i) => i).filter((i) => i % 7 !== 0),
  );
});

test("a listing is one state of the store, and sees nothing that is saved meanwhile", async () => {
  const store = await newStore();
  await store.batch((batch) => {
    for (let i = 0; i < 300; i++) batch.save(`n/${String(i).padStart(3, "0")}`, i);
  });
  const found: string[] = [];
  for await (const { ref } of store.list()) {
    if (found.length === 10) await store.batch((batch) => void batch.save("n/999", 1));
    if (found.length === 20) await store.delete("n/200:0");
    found.push(ref);
  }
  assert.is(found.length, 300);
  assert.is((await refs(store)).length, 300);
});

test("listing 100 of 20,000 names reads about 100 rows and nothing of the log", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files });
  for (let i = 0; i < 20_000; i += 5000) {
    await store.batch((batch) => {
      for (let j = i; j < i + 5000; j++) batch.save(`n/${String(j).padStart(6, "0")}`, 1);
    });
  }
  const { readBytes } = files.counts;
  const rows = await rowsRead(async () => {
    assert.is((await refs(store, { name: "n/01**", limit: 100 })).length, 100);
    assert.is((await refs(store, { after: "n/015000:0", limit: 100 }))[0], "n/015001:0");
    let left = 0;
    for await (const _ of store.list()) if (++left === 100) break;
  });
  assert.ok(rows >= 300 && rows <= 3 * 100 * 3, `${rows} rows for 300 artifacts`);
  assert.is(files.counts.readBytes, readBytes);
});

test("the versions of a name below its latest are jumped over", async () => {
  const store = await newStore({ durability: "buffered" });
  await store.batch((batch) => {
    for (const name of ["a", "b", "c"]) for (let i = 0; i < 2000; i++) batch.save(name, i);
  });
  const rows = await rowsRead(async () => {
    assert.equal(await refs(store), ["a:1999", "b:1999", "c:1999"]);
    assert.equal(await refs(store, { reverse: true }), ["c:1999", "b:1999", "a:1999"]);
  });
  assert.ok(rows >= 6 && rows < 600, `${rows} rows for 6 artifacts`);
});

test("what comes before an artifact that can't be read is listed", async () => {
  const store = await newStore();
  for (const name of ["a", "b", "c"])
    await store.save(name, 1, { metadata: { text: `${name}-${marked(1)}` } });
  damageText(segmentsOf(store.home)[0]!, `b-${marked(1)}`);
  for (const listing of [() => store.list(), () => store.list({ sort: "createdAt" })]) {
    const listed: string[] = [];
    await failure(async () => {
      for await (const { name } of listing()) listed.push(name);
    }, "CORRUPTION");
    assert.equal(listed, ["a"]);
  }
});

test("a listing ends with its store, and when it is aborted, at the next artifact", async () => {
  const ends = [
    ["CLOSED", (store: ArtifactStore) => store.close()],
    ["ABORTED", (_: ArtifactStore, aborting: AbortController) => aborting.abort()],
  ] as const;
  for (const [code, end] of ends) {
    const store = await newStore();
    for (const name of ["a", "b", "c"]) await store.save(name, 1);
    const aborting = new AbortController();
    const listed: string[] = [];
    await failure(async () => {
      for await (const { name } of store.list({ signal: aborting.signal })) {
        listed.push(name);
        await end(store, aborting);
      }
    }, code);
    assert.equal(listed, ["a"]);
  }
});

test("leaving a listing early lets the store close and the index be used", async () => {
  const store = await filled();
  for await (const _ of store.list()) break;
  for await (const _ of store.versions("a/x")) break;
  const open = store.list()[Symbol.asyncIterator]();
  await open.next();
  await store.close();
  await failureWithHint(open.next(), "CLOSED");
});

test("stats count names, versions, aliases and bytes", async () => {
  const store = await filled();
  await store.setAlias("a", "x", 0);
  const stats = await store.stats();
  assert.is(stats.names, 5);
  assert.is(stats.versions, 6);
  assert.is(stats.deletedVersions, 2);
  assert.is(stats.aliases, 1);
  assert.is(stats.sequence, 2);
  assert.is(stats.segments, 1);
  assert.ok(stats.logBytes > 0 && stats.indexBytes > 0);
});

test.run();
