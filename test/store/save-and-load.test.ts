import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";

const test = suite("save and load");
test.after.each(closeAll);

test("what is saved is loaded, by name, version, latest, alias and artifact", async () => {
  const store = await newStore();
  const first = await store.save("iris/model", { weights: [1, 2] });
  const second = await store.save("iris/model", { weights: [3] });
  await store.setAlias("iris/model", "production", 0);
  assert.equal(await store.load("iris/model"), { weights: [3] });
  assert.equal(await store.load("iris/model:latest"), { weights: [3] });
  assert.equal(await store.load("iris/model:0"), { weights: [1, 2] });
  assert.equal(await store.load("iris/model@production"), { weights: [1, 2] });
  assert.equal(await store.load(first), { weights: [1, 2] });
  assert.equal(await second.value(), { weights: [3] });
});

test("an artifact tells everything that was saved with the value", async () => {
  const home = newFolder();
  const now = new Date("2026-01-02T03:04:05.678Z");
  const store = await openTestStore(home, { clock: () => now });
  const clean = await store.save("clean", 1);
  const saved = await store.save(
    "model",
    { x: 1 },
    { code: "train()", inputs: [clean, "clean:0"], tags: { stage: "dev" }, metadata: { accuracy: 0.97 } },
  );
  await store.close();
  const reopened = await openTestStore(home);
  for (const artifact of [saved, await reopened.get("model")]) {
    assert.is(artifact.ref, "model:0");
    assert.is(artifact.version, 0);
    assert.is(artifact.mediaType, "application/cbor");
    assert.equal(artifact.createdAt, now);
    assert.is(artifact.sequence, 2);
    assert.is(artifact.backend, "varve");
    assert.equal(artifact.code, { sources: [{ text: "train()" }] });
    assert.equal(artifact.inputs, ["clean:0", "clean:0"]);
    assert.equal(artifact.tags, { stage: "dev" });
    assert.equal(artifact.metadata, { accuracy: 0.97 });
    assert.equal(artifact.aliases, []);
    assert.is(artifact.deleted, false);
  }
  assert.match(saved.digest, /^sha256:[0-9a-f]{64}$/);
});

test("versions of a name are 0, 1, 2, and names do not share them", async () => {
  const store = await newStore();
  const refs: string[] = [];
  for (const name of ["a", "b", "a", "a/b", "a", "b"]) refs.push((await store.save(name, name)).ref);
  assert.equal(refs, ["a:0", "b:0", "a:1", "a/b:0", "a:2", "b:1"]);
});

test("concurrent saves of one name get consecutive versions, each with its own value", async () => {
  const store = await newStore();
  const saved = await Promise.all(Array.from({ length: 200 }, (_, i) => store.save("x", { i })));
  assert.equal(
    saved.map(({ version }) => version),
    Array.from({ length: 200 }, (_, i) => i),
  );
  for (const { version } of saved) assert.equal(await store.load(`x:${version}`), { i: version });
});

test("the value is taken at the call", async () => {
  const store = await newStore();
  const value = { list: [1], bytes: new Uint8Array([1]) };
  const bytes = Buffer.from("before");
  const tags = { stage: "dev" };
  const metadata = { nested: { x: 1 } };
  const inputs = ["in"];
  await store.save("in", 0);
  const saving = [store.save("value", value, { tags, metadata, inputs }), store.save("bytes", bytes)];
  value.list.push(2);
  value.bytes[0] = 9;
  bytes.write("after!");
  tags.stage = "live";
  metadata.nested.x = 2;
  inputs.length = 0;
  await Promise.all(saving);
  assert.equal(await store.load("value"), { list: [1], bytes: new Uint8Array([1]) });
  assert.equal(Buffer.from(await store.load<Uint8Array>("bytes")).toString(), "before");
  const artifact = await store.get("value");
  assert.equal(
    [artifact.tags, artifact.metadata, artifact.inputs],
    [{ stage: "dev" }, { nested: { x: 1 } }, ["in:0"]],
  );
});

test("every load is a fresh value, small or large, and so are tags, metadata, bytes and code", async () => {
  const store = await newStore();
  await store.save("object", { list: [1, 2, 3], bytes: new Uint8Array(10) }, { metadata: { a: { b: 1 } } });
  await store.save("bytes", new Uint8Array(100_000).fill(7), { code: "x".repeat(2000) });
  const object = await store.load<{ list: number[]; bytes: Uint8Array }>("object");
  object.list.push(4);
  object.bytes.fill(9);
  const bytes = await store.load<Uint8Array>("bytes");
  bytes.fill(0);
  const artifact = await store.get("object");
  (artifact.metadata.a as { b: number }).b = 2;
  (await artifact.bytes()).fill(0);
  const [source] = (await store.get("bytes")).code!.sources as { text: string }[];
  try {
    source!.text = "changed";
  } catch {
    // Frozen is as good as fresh.
  }
  assert.equal(await store.load("object"), { list: [1, 2, 3], bytes: new Uint8Array(10) });
  assert.ok((await store.load<Uint8Array>("bytes")).every((byte) => byte === 7));
  assert.equal((await store.get("object")).metadata, { a: { b: 1 } });
  assert.is((await store.get("bytes")).code!.sources[0]!.text.length, 2000);
});

test("values loaded one after another do not share memory", async () => {
  const store = await newStore();
  await store.save("a", { bytes: new Uint8Array([1, 1, 1]), floats: new Float64Array([1.5]) });
  await store.save("b", { bytes: new Uint8Array([2, 2, 2]), floats: new Float64Array([2.5]) });
  const a = await store.load("a");
  const b = await store.load("b");
  assert.equal(a, { bytes: new Uint8Array([1, 1, 1]), floats: new Float64Array([1.5]) });
  assert.equal(b, { bytes: new Uint8Array([2, 2, 2]), floats: new Float64Array([2.5]) });
});

test("values of all sizes around the inner limits come back", async () => {
  const store = await newStore();
  const sizes = [
    0, 1, 7, 8, 200, 255, 256, 257, 4096, 65_471, 65_472, 65_535, 65_536, 65_537, 262_143, 262_144,
  ];
  sizes.push(1_048_575, 1_048_577, 3_000_001);
  for (const size of sizes) await store.save(`size/${size}`, Buffer.alloc(size, size % 251));
  for (const size of sizes) {
    const loaded = await store.load<Uint8Array>(`size/${size}`);
    assert.ok(Buffer.from(loaded).equals(Buffer.alloc(size, size % 251)), `size ${size}`);
  }
  assert.ok((await store.verify({ full: true })).ok);
});

test("bytes load as a Uint8Array, under the media type that was given", async () => {
  const store = await newStore();
  const plain = await store.save("plain", Buffer.from("abc"));
  const csv = await store.save("csv", Buffer.from("a,b"), { mediaType: "text/csv" });
  assert.is(plain.mediaType, "application/octet-stream");
  assert.is(csv.mediaType, "text/csv");
  assert.is((await store.get("csv")).mediaType, "text/csv");
  assert.is(Object.getPrototypeOf(await store.load("csv")), Uint8Array.prototype);
  await failureWithHint(store.save("x", { a: 1 }, { mediaType: "text/csv" }), "INVALID_ARGUMENT");
  await failureWithHint(store.save("x", Buffer.from("x"), { mediaType: "no type" }), "INVALID_ARGUMENT");
});

test("equal bytes share storage whatever their name and media type, and each keeps its own", async () => {
  const store = await newStore();
  const bytes = Buffer.alloc(10_000, 1);
  await store.save("a", bytes);
  const before = (await store.stats()).logBytes;
  const b = await store.save("b", bytes, { mediaType: "text/plain" });
  const after = await store.stats();
  assert.is(after.blobs, 1);
  assert.is(after.deduplicatedBytes, 10_000);
  assert.is(after.valueBytes, 20_000);
  assert.ok(after.logBytes - before < 1000);
  assert.is(b.mediaType, "text/plain");
  assert.is((await store.get("a")).mediaType, "application/octet-stream");
});

test("a file keeps its bytes: the digest is that of sha256sum", async () => {
  const store = await newStore();
  const path = join(newFolder(), "data.bin");
  writeFileSync(path, Buffer.alloc(100_003, 5));
  const artifact = await store.saveFile("file", path, { mediaType: "application/onnx" });
  assert.is(artifact.digest, `sha256:${createHash("sha256").update(readFileSync(path)).digest("hex")}`);
  assert.is(artifact.size, 100_003);
  assert.is(artifact.mediaType, "application/onnx");
  await failureWithHint(store.saveFile("file", `${path}.missing`), "INVALID_ARGUMENT");
  await failureWithHint(store.saveFile("file", newFolder()), "INVALID_ARGUMENT");
});

test("an artifact gives ranges of its bytes, streams, and writes files", async () => {
  const store = await newStore();
  const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 253));
  const artifact = await store.save("x", bytes);
  assert.equal(Buffer.from(await artifact.bytes({ start: 5, end: 9 })), bytes.subarray(5, 9));
  assert.equal(Buffer.from(await artifact.bytes({ start: 199_998 })), bytes.subarray(199_998));
  assert.is((await artifact.bytes({ start: 300_000 })).length, 0);
  const pieces: Uint8Array[] = [];
  for await (const piece of artifact.stream({ start: 1 })) pieces.push(piece);
  assert.ok(Buffer.concat(pieces).equals(bytes.subarray(1)));
  const path = join(newFolder(), "out");
  await artifact.writeTo(path);
  assert.ok(readFileSync(path).equals(bytes));
  await failureWithHint(artifact.bytes({ start: 5, end: 4 }), "INVALID_ARGUMENT");
  await failureWithHint(artifact.bytes({ start: -1 }), "INVALID_ARGUMENT");
});

test.run();
