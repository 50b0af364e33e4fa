import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, openSeamStore } from "../helpers/stores.ts";

const test = suite("delete and undelete");
test.after.each(killPrograms);
test.after.each(closeAll);

test("delete wants to be told which version", async () => {
  const store = await newStore();
  await store.save("a", 1);
  const error = await failureWithHint(store.delete("a"), "INVALID_ARGUMENT");
  assert.match(error.hint!, "a:all");
  assert.is(await store.load("a"), 1);
});

test("a deleted version is gone for every reader, and latest is the highest that is left", async () => {
  const store = await newStore();
  for (const value of ["v0", "v1", "v2"]) await store.save("a", value);
  assert.equal(await store.delete("a:2"), { deleted: ["a:2"], aliases: [] });
  assert.is(await store.load("a"), "v1");
  assert.is(await store.load("a:latest"), "v1");
  await failureWithHint(store.load("a:2"), "NOT_FOUND");
  await failureWithHint(store.get("a:2"), "NOT_FOUND");
  assert.is(await store.has("a:2"), false);
  await failureWithHint(store.delete("a:2"), "NOT_FOUND");
  assert.equal(await store.delete("a:latest"), { deleted: ["a:1"], aliases: [] });
  assert.is(await store.load("a"), "v0");
});

test("a number is never given twice, also after the deletion of all", async () => {
  const store = await newStore();
  for (const value of [0, 1]) await store.save("a", value);
  assert.equal((await store.delete("a:all")).deleted, ["a:0", "a:1"]);
  assert.is((await store.save("a", 2)).version, 2);
  await store.delete("a:2");
  await store.rebuildIndex();
  assert.is((await store.save("a", 3)).version, 3);
});

test("a version with an alias is deleted with its aliases only when asked for, and gets them back where free", async () => {
  const store = await newStore();
  await store.save("a", 0);
  await store.save("a", 1);
  for (const alias of ["x", "y", "z"]) await store.setAlias("a", alias, 0);
  await failureWithHint(store.delete("a:0"), "CONFLICT");
  await failureWithHint(store.delete("a:all"), "CONFLICT");
  await failureWithHint(store.delete("a@x"), "CONFLICT");
  assert.is((await store.stats()).versions, 2);
  assert.equal(await store.delete("a@x", { aliases: true }), {
    deleted: ["a:0"],
    aliases: ["a@x", "a@y", "a@z"],
  });
  assert.equal(await store.aliases("a"), {});
  await store.setAlias("a", "y", 1);
  const revived = await store.undelete("a:0");
  assert.equal(revived.aliases, ["x", "z"]);
  assert.equal(await store.aliases("a"), { x: 0, y: 1, z: 0 });
});

test("undelete brings back everything that a version was", async () => {
  const store = await newStore();
  const code = "c".repeat(1000);
  const options = { code, tags: { a: "b" }, metadata: { m: 1 }, mediaType: "text/csv" };
  const saved = await store.save("a", Buffer.from("bytes"), options);
  await store.delete("a:0");
  await store.save("a", 5);
  const revived = await store.undelete("a:0");
  for (const item of [
    "ref",
    "digest",
    "size",
    "mediaType",
    "sequence",
    "createdAt",
    "code",
    "tags",
    "metadata",
  ] as const) {
    assert.equal(revived[item], saved[item], item);
  }
  assert.equal(Buffer.from(await store.load<Uint8Array>("a:0")).toString(), "bytes");
  await failureWithHint(store.undelete("a:7"), "NOT_FOUND");
  await failureWithHint(store.undelete("a"), "INVALID_ARGUMENT");
  assert.is((await store.undelete("a:1")).version, 1, "of a live version it changes nothing");
});

test("deleting one name never touches a value that another name or version has", async () => {
  const store = await newStore();
  const shared = Buffer.alloc(5000, 3);
  await store.save("a", shared);
  await store.save("a", shared);
  await store.save("b", shared);
  await store.delete("a:0");
  assert.ok(shared.equals(await store.load<Uint8Array>("a:1")));
  await store.delete("a:all");
  assert.ok(shared.equals(await store.load<Uint8Array>("b")));
  assert.is((await store.stats()).liveBlobBytes, 5000);
  await store.delete("b:0");
  assert.is((await store.stats()).liveBlobBytes, 0);
  await store.undelete("a:1");
  assert.ok(shared.equals(await store.load<Uint8Array>("a")));
  assert.ok((await store.verify({ full: true })).ok);
});

test("after random saves, deletes and undeletes every version is what it should be, before and after a rebuild", async () => {
  const random = new Random("delete and undelete");
  const store = await newStore({ durability: "buffered" });
  const names = ["a", "b", "c"];
  const expected = new Map<string, { value: number; deleted: boolean }>();
  const counts = new Map<string, number>();
  for (let i = 0; i < 400; i++) {
    const name = names[random.below(3)]!;
    const count = counts.get(name) ?? 0;
    const ref = `${name}:${random.below(count + 1)}`;
    const known = expected.get(ref);
    if (random.next() < 0.5) {
      const value = random.below(20);
      assert.is((await store.save(name, { value, pad: "x".repeat(value * 100) })).version, count);
      expected.set(`${name}:${count}`, { value, deleted: false });
      counts.set(name, count + 1);
    } else if (known && !known.deleted) {
      await store.delete(ref);
      known.deleted = true;
    } else if (known) {
      await store.undelete(ref);
      known.deleted = false;
    }
  }
  const check = async () => {
    for (const [ref, { value, deleted }] of expected) {
      assert.is(await store.has(ref), !deleted, ref);
      if (!deleted) assert.is((await store.load<{ value: number }>(ref)).value, value, ref);
    }
    const values = [...expected.values()];
    const live = new Set(values.filter(({ deleted }) => !deleted).map(({ value }) => value));
    const stats = await store.stats();
    assert.is(stats.versions, values.filter(({ deleted }) => !deleted).length);
    assert.is(stats.blobs, new Set(values.map(({ value }) => value)).size);
    let liveBytes = 0;
    for (const value of live) {
      const [ref] = [...expected].find(([, e]) => e.value === value && !e.deleted)!;
      liveBytes += (await store.get(ref)).size;
    }
    assert.is(stats.liveBlobBytes, liveBytes);
    return stats;
  };
  const before = await check();
  await store.rebuildIndex();
  const after = await check();
  assert.equal({ ...after, indexBytes: 0 }, { ...before, indexBytes: 0 });
});

test("annotate replaces top-level keys, null removes one, and the value stays", async () => {
  const store = await newStore();
  const saved = await store.save(
    "a",
    { v: 1 },
    { tags: { a: "1", b: "2" }, metadata: { m: { x: 1 }, n: 2 } },
  );
  const changed = await store.annotate("a", {
    tags: { a: null, c: "3" },
    metadata: { m: { y: 2 }, n: null },
  });
  assert.equal(changed.tags, { b: "2", c: "3" });
  assert.equal(changed.metadata, { m: { y: 2 } });
  assert.equal(saved.tags, { a: "1", b: "2" }, "an artifact is a snapshot");
  const again = await store.get("a");
  assert.equal([again.tags, again.metadata], [changed.tags, changed.metadata]);
  assert.equal(
    [again.sequence, again.createdAt, again.digest],
    [saved.sequence, saved.createdAt, saved.digest],
  );
  assert.equal(await store.load("a"), { v: 1 });
  assert.is((await store.save("a", 2)).version, 1);
  await failureWithHint(store.annotate("a", { tags: { a: 5 } as never }), "INVALID_ARGUMENT");
  await failureWithHint(store.annotate("a", null as never), "INVALID_ARGUMENT");
});

for (const [call, act] of [
  ["undelete", (store: ArtifactStore) => store.undelete("a:0")],
  ["annotate", (store: ArtifactStore) => store.annotate("a:0", { tags: { stage: "kept" } })],
] as const) {
  test(`${call} gives what it has made, though another has deleted and compacted it away meanwhile`, async () => {
    const home = newFolder();
    const files = new WatchedFiles();
    const store = await openSeamStore(home, { files });
    await store.save("a", "value", { code: `// ${"long ".repeat(500)}`, tags: { kept: "yes" } });
    if (call === "undelete") await store.delete("a:0");
    const deleter = new Program("../processes/deleter.ts", [home]);
    await deleter.expect();
    files.onSync = async () => {
      files.onSync = undefined;
      await deleter.ask("a:0");
    };
    const artifact = await act(store);
    assert.equal([artifact.ref, artifact.tags.kept, artifact.deleted], ["a:0", "yes", false]);
    assert.is(artifact.code, undefined, "its bytes are gone");
    assert.is(await store.has("a:0"), false);
  });
}

test.run();
