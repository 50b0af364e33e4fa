import { Blob } from "node:buffer";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, Codec } from "../../engine/api.ts";
import { encodeValue } from "../../engine/codec/cbor.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";
import { BUFFERED, digestOf, LARGE, MIB, noise, pieces, same } from "./support.ts";

/** Values of all kinds above 1 MiB, and bytes from sources: what comes out is what went in. */
const test = suite("large values");
test.after.each(closeAll);

const random = new Random("large values");

/** Every way by which bytes come into a store. */
const WAYS: Record<string, (store: ArtifactStore, name: string, bytes: Buffer) => Promise<Artifact>> = {
  Uint8Array: (store, name, bytes) => store.save(name, new Uint8Array(bytes)),
  Buffer: (store, name, bytes) => store.save(name, bytes),
  "part of a larger memory": (store, name, bytes) => {
    const memory = Buffer.concat([Buffer.alloc(7), bytes, Buffer.alloc(9)]);
    return store.save(name, memory.subarray(7, 7 + bytes.length));
  },
  "Node stream": (store, name, bytes) => store.save(name, Readable.from(pieces(bytes, random))),
  "web stream": (store, name, bytes) => store.save(name, ReadableStream.from(pieces(bytes, random))),
  "async iterable": (store, name, bytes) => store.save(name, pieces(bytes, random, new Uint8Array(300_000))),
  Blob: (store, name, bytes) => store.save(name, new Blob([bytes])),
  file: (store, name, bytes) => {
    const path = join(newFolder(), "file");
    writeFileSync(path, bytes);
    return store.saveFile(name, path);
  },
  batch: async (store, name, bytes) => (await store.batch((batch) => void batch.save(name, bytes)))[0]!,
};

for (const [way, save] of Object.entries(WAYS)) {
  test(`bytes by ${way}: all of them, none, and as many as are just kept whole and just are not`, async () => {
    const home = newFolder();
    const store = await openTestStore(home, BUFFERED);
    const all = noise(random);
    const cases = [0, 1, MIB, MIB + 1, LARGE].map((length) => all.subarray(0, length));
    for (const [n, bytes] of cases.entries()) {
      const saved = await save(store, `n${n}`, bytes);
      for (const artifact of [saved, await store.get(`n${n}`)]) {
        assert.is(artifact.size, bytes.length);
        assert.is(artifact.digest, digestOf(bytes));
        assert.is(artifact.mediaType, "application/octet-stream");
        same(await artifact.value(), bytes);
        same(await artifact.bytes(), bytes);
      }
    }
    await store.close();
    const again = await openTestStore(home, { readOnly: true });
    for (const [n, bytes] of cases.entries()) {
      const loaded = await again.load<Uint8Array>(`n${n}`);
      assert.is(Object.getPrototypeOf(loaded), Uint8Array.prototype);
      same(loaded, bytes);
    }
  });
}

test("a long source, whose memory is used again and again, is what it was, where some of it was there already too", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const bytes = noise(random, 30 * MIB);
  await store.save("a", Readable.from(pieces(bytes, random)));
  const changed = Buffer.concat([
    bytes.subarray(0, 13 * MIB),
    noise(random, 9 * MIB),
    bytes.subarray(14 * MIB),
  ]);
  await store.save("b", Readable.from(pieces(changed, random)));
  same(await store.load<Uint8Array>("a"), bytes);
  same(await store.load<Uint8Array>("b"), changed);
  assert.equal((await store.verify({ full: true })).problems, []);
});

test("equal bytes share what is stored, whatever way they come", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random);
  await WAYS["async iterable"]!(store, "first", bytes);
  for (const [way, save] of Object.entries(WAYS)) {
    const before = await store.stats();
    await save(store, "next", bytes);
    const { logBytes, blobs } = await store.stats();
    assert.ok(logBytes - before.logBytes < 1024, `${way} adds ${logBytes - before.logBytes} bytes`);
    assert.is(blobs, before.blobs, way);
  }
});

test("of a value with a few bytes put in, only what is around them is stored again", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random, 4 * MIB);
  await store.save("a", bytes);
  const before = await store.stats();
  const edited = Buffer.concat([bytes.subarray(0, 2 * MIB), Buffer.from("put in"), bytes.subarray(2 * MIB)]);
  await store.save("a", Readable.from([edited]));
  const added = (await store.stats()).logBytes - before.logBytes;
  assert.ok(added < MIB, `${added} bytes are added`);
  same(await store.load("a"), edited);
  same(await store.load("a:0"), bytes);
});

test("structured values above 1 MiB come out as they were, and their digest is that of their encoding", async () => {
  const store = await newStore(BUFFERED);
  const text = noise(random, 700_000).toString("latin1");
  const values: unknown[] = [
    text,
    Array.from({ length: 150_000 }, (_, i) => ({ i, half: i / 2 })),
    new Map(Array.from({ length: 60_000 }, (_, i) => [`key ${i}`, new Date(i)])),
    { deep: [new Float64Array(200_000).fill(-0), text, undefined] },
    new Float32Array(noise(random).buffer.slice(0, 1_200_000)),
  ];
  for (const value of values) {
    const encoded = encodeValue(value);
    assert.ok(encoded.length > MIB, `only ${encoded.length} bytes`);
    const { digest, size, mediaType } = await store.save("v", value);
    assert.equal([digest, size, mediaType], [digestOf(encoded), encoded.length, "application/cbor"]);
    const loaded = await store.load("v");
    assert.is(Object.getPrototypeOf(loaded), Object.getPrototypeOf(value));
    same(encodeValue(loaded), encoded);
    same(await (await store.get("v")).bytes(), encoded);
  }
});

test("what a load gives is the caller's own, and so are the pieces of a stream", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random);
  const artifact = await store.save("a", bytes);
  for (let round = 0; round < 2; round++) {
    const loaded = await store.load<Uint8Array>("a");
    same(loaded, bytes);
    assert.is(loaded.buffer.byteLength, loaded.length, "its memory has nothing else");
    loaded.fill(round);
    (await artifact.bytes()).fill(round);
    const read: Uint8Array[] = [];
    for await (const piece of artifact.stream()) {
      read.push(Buffer.from(piece));
      piece.fill(round);
    }
    same(Buffer.concat(read), bytes);
  }
});

test("media types of bytes and sources, and a codec's own, are kept; equal bytes of another type share storage", async () => {
  const codec: Codec = {
    mediaType: "application/vnd.text",
    encode: (value) => Buffer.from(value as string),
    decode: (bytes) => Buffer.from(bytes).toString(),
  };
  const store = await newStore({ codecs: [codec], ...BUFFERED });
  const text = noise(random, 600_000).toString("hex");
  await store.save("csv", pieces(Buffer.from(text), random), { mediaType: "text/csv" });
  const { logBytes } = await store.stats();
  await store.save("own", text, { codec });
  await store.batch((batch) => void batch.save("html", Buffer.from(text), { mediaType: "text/html" }));
  assert.ok((await store.stats()).logBytes - logBytes < 1024);
  const types = await Promise.all(
    ["csv", "own", "html"].map(async (name) => (await store.get(name)).mediaType),
  );
  assert.equal(types, ["text/csv", "application/vnd.text", "text/html"]);
  assert.ok((await store.load("own")) === text);
  same(await store.load("csv"), Buffer.from(text));
});

test("what can't be is refused before the source is read", async () => {
  const store = await newStore(BUFFERED);
  let isRead = false;
  async function* source() {
    isRead = true;
    yield Buffer.alloc(10);
  }
  for (const options of [{ codec: "application/cbor" }, { mediaType: "no type" }, { ifVersion: -1 }])
    await failureWithHint(store.save("a", source(), options), "INVALID_ARGUMENT");
  await failureWithHint(store.save("a:1", source()), "INVALID_ARGUMENT");
  await failureWithHint(
    store.batch((batch) => void batch.save("a", source() as never)),
    "INVALID_ARGUMENT",
  );
  assert.not(isRead);
  await failureWithHint(store.saveFile("a", join(newFolder(), "none")), "INVALID_ARGUMENT");
  await failureWithHint(store.saveFile("a", newFolder()), "INVALID_ARGUMENT");
  for (const path of [undefined, "", "a\0b", new URL("file:///a")])
    await failureWithHint(store.saveFile("a", path as string), "INVALID_ARGUMENT");
  await failureWithHint(store.save("a", Readable.from(["text"])), "UNSUPPORTED_VALUE");
  const used = Readable.from([Buffer.alloc(10)]);
  for await (const _ of used.iterator({ destroyOnReturn: false })) break;
  await failureWithHint(store.save("a", used), "INVALID_ARGUMENT");
  assert.is(await store.has("a"), false);
});

test("a save tells how far it is", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random);
  for (const [value, total] of [
    [bytes, LARGE],
    [pieces(bytes, random), undefined],
  ] as const) {
    const told: (number | undefined)[][] = [];
    await store.save("a", value, {
      onProgress: (progress) => void told.push([progress.done, progress.total]),
    });
    assert.equal(told.at(-1), [LARGE, total]);
    assert.ok(told.length > 4);
    assert.ok(told.every(([done], i) => i === 0 || done! > told[i - 1]![0]!));
  }
});

test.run();
