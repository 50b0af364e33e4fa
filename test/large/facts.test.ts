import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, ListFilter } from "../../engine/api.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { copyHome, newFolder } from "../helpers/folders.ts";
import { killPrograms } from "../helpers/processes.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";
import { otherProcess } from "./other-process.ts";
import { BUFFERED, digestOf, LARGE, MIB, noise, pieces, pinsOf, same, whole } from "./support.ts";

/** What a store says of large values, and what is done to their versions: as for small ones. */
const test = suite("versions of large values");
test.after.each(closeAll);
test.after.each(killPrograms);

const random = new Random("versions of large values");

async function refs(store: ArtifactStore, filter: ListFilter): Promise<string[]> {
  const found: string[] = [];
  for await (const { ref } of store.list(filter)) found.push(ref);
  return found;
}

test("lists filter and sort by size and digest of the whole value", async () => {
  const store = await newStore(BUFFERED);
  const [middle, long] = [noise(random), noise(random, LARGE + 5)];
  const saved = [
    await store.save("a", long),
    await store.save("b", Buffer.alloc(500_000)),
    await store.save("c", pieces(middle, random), { mediaType: "text/csv" }),
    await store.save("d", 1),
  ];
  assert.equal(await refs(store, { sort: "size" }), ["d:0", "b:0", "c:0", "a:0"]);
  assert.equal(await refs(store, { sort: "size", reverse: true, limit: 2 }), ["a:0", "c:0"]);
  assert.equal(await refs(store, { minSize: LARGE }), ["a:0", "c:0"]);
  assert.equal(await refs(store, { minSize: LARGE + 1 }), ["a:0"]);
  assert.equal(await refs(store, { maxSize: LARGE, minSize: 2 }), ["b:0", "c:0"]);
  assert.equal(await refs(store, { mediaType: "text/csv" }), ["c:0"]);
  for (const { digest, ref } of saved) {
    assert.equal(await refs(store, { digest }), [ref]);
    assert.equal(await refs(store, { digest: digest.slice(0, 20) }), [ref]);
  }
  for await (const artifact of store.list({ name: "c" })) same(await artifact.value(), middle);
});

test("lineage, the count of bytes, and what a version is made from know large values", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random);
  const raw = await store.save("raw", pieces(bytes, random));
  await store.save("clean", bytes.subarray(0, -5), { inputs: [raw], code: "clean()", tags: { a: "b" } });
  const { nodes } = await store.lineage("clean");
  assert.equal(
    nodes.map(({ ref, digest }) => [ref, digest]),
    [
      ["clean:0", digestOf(bytes.subarray(0, -5))],
      ["raw:0", digestOf(bytes)],
    ],
  );
  const { code, tags, inputs } = await store.get("clean");
  assert.equal([code!.sources[0]!.text, tags, inputs], ["clean()", { a: "b" }, ["raw:0"]]);
  const stats = await store.stats();
  assert.is(stats.valueBytes, 2 * LARGE - 5);
  assert.is(stats.versions, 2);
  assert.ok(stats.blobBytes < LARGE + 300_000, "what they share is counted once");
  assert.is(stats.liveBlobBytes, stats.blobBytes);
  assert.is(stats.deadBlobBytes, 0);
});

test("annotating, deleting and bringing back keep size, digest, type and value", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const bytes = noise(random);
  const facts = ({ size, digest, mediaType, createdAt }: Artifact) => [size, digest, mediaType, createdAt];
  const saved = await store.save("a", pieces(bytes, random), { mediaType: "text/csv" });
  const expected = facts(saved);
  assert.equal(facts(await store.annotate("a", { tags: { stage: "dev" }, metadata: { rows: 3 } })), expected);
  same(await store.load("a"), bytes);
  await store.setAlias("a", "best", 0);
  await store.delete("a:0", { aliases: true });
  await failureWithHint(store.load("a:0"), "NOT_FOUND");
  for await (const artifact of store.list({ deleted: true })) assert.equal(facts(artifact), expected);
  const revived = await store.undelete("a:0");
  assert.equal([facts(revived), revived.aliases, revived.tags], [expected, ["best"], { stage: "dev" }]);
  same(await revived.value(), bytes);
  assert.equal(facts(await store.annotate("a", { tags: { stage: null } })), expected);
  await store.rebuildIndex();
  assert.equal(facts(await store.get("a@best")), expected);
  same(await store.load("a@best"), bytes);
  await whole(store);
});

test("a batch saves large values with all else, or nothing", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const [first, second] = [noise(random), noise(random, 3 * MIB)];
  const saved = await store.batch((batch) => {
    const pending = batch.save("a", first);
    batch.save("a", second, { inputs: [pending] });
    batch.save("small", 1);
    batch.setAlias("a", "best", pending);
  });
  assert.equal(
    saved.map(({ ref, sequence }) => [ref, sequence]),
    ["a:0", "a:1", "small:0"].map((ref) => [ref, saved[0]!.sequence]),
  );
  same(await store.load("a@best"), first);
  same(await store.load("a"), second);
  assert.equal((await store.get("a")).inputs, ["a:0"]);
  const before = await store.stats();
  const failing = store.batch((batch) => {
    batch.save("b", noise(random));
    batch.save("a", second, { ifVersion: 0 });
  });
  await failure(failing, "CONFLICT");
  const thrown = store.batch((batch) => {
    batch.save("b", noise(random));
    throw new RangeError("the function gave up");
  });
  assert.instance(await thrown.catch((error) => error), RangeError);
  assert.not(await store.has("b"));
  const { logBytes, blobs, sequence } = await store.stats();
  assert.equal([logBytes, blobs, sequence], [before.logBytes, before.blobs, before.sequence]);
  assert.is(await pinsOf(home), 0);
  await whole(store);
});

test("a value is read by another process, by one that only reads, and by a copy of the store", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  const bytes = noise(random, 3 * MIB);
  await store.save("a", pieces(bytes, random));
  const digest = digestOf(bytes);
  const others = await Promise.all([{}, { readOnly: true }].map((options) => otherProcess(home, options)));
  for (const other of others) {
    assert.is(await other.ask("load a"), digest);
    assert.is(await other.ask("stream a:0"), digest);
  }
  await store.save("a", pieces(bytes.subarray(9), random));
  for (const other of others) {
    assert.is(await other.ask("load a"), digestOf(bytes.subarray(9)));
    await other.ask("close");
    await other.end();
  }
  await store.close();
  const copy = await openTestStore(copyHome(home), { readOnly: true });
  same(await copy.load("a:0"), bytes);
  await whole(copy);
});

test("large and small values of one name are versions like any others, and `ifVersion` compares them", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random);
  await store.save("a", 1, { ifVersion: "absent" });
  await failure(store.save("a", pieces(bytes, random), { ifVersion: "absent" }), "CONFLICT");
  await store.save("a", pieces(bytes, random), { ifVersion: 0 });
  await store.save("a", 2, { ifVersion: 1 });
  await failure(store.save("a", bytes, { ifVersion: 1 }), "CONFLICT");
  const versions: [string, number][] = [];
  for await (const { ref, size } of store.versions("a")) versions.push([ref, size]);
  assert.equal(versions, [
    ["a:0", 1],
    ["a:1", LARGE],
    ["a:2", 1],
  ]);
});

test.run();
