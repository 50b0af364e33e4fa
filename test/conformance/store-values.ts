import * as assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { Codec } from "../../engine/main.ts";
import type { StoreTesting } from "./store-support.ts";
import { all, noise, refused, storeTests } from "./store-support.ts";

const MIB = 1024 * 1024;

/** Values: saved, loaded, and read in parts. */
export function valueTests(testing: StoreTesting): void {
  kindTests(testing);
  largeTests(testing);
  refusedTests(testing);
}

function kindTests(testing: StoreTesting): void {
  const test = storeTests(testing, "values");

  test("what is saved is loaded, by name, version, latest, alias and artifact", async (store, { again }) => {
    const first = await store.save("iris/model", { weights: [1, 2] });
    const second = await store.save("iris/model", { weights: [3] });
    await store.setAlias("iris/model", "production", 0);
    for (const reader of [store, await again()]) {
      assert.deepEqual(await reader.load("iris/model"), { weights: [3] });
      assert.deepEqual(await reader.load("iris/model:latest"), { weights: [3] });
      assert.deepEqual(await reader.load("iris/model:0"), { weights: [1, 2] });
      assert.deepEqual(await reader.load("iris/model@production"), { weights: [1, 2] });
      assert.deepEqual(await reader.load(first), { weights: [1, 2] });
    }
    assert.deepEqual(await second.value(), { weights: [3] });
  });

  test("values of all kinds come back as they were", async (store) => {
    const values = [
      ...[null, true, 0, -1.5, 2n ** 70n, "text \u{1F600}", [], {}, [1, [2, { a: null }]]],
      ...[new Map<unknown, unknown>([[1, "a"]]), new Set(["x", 2]), new Date(1_700_000_000_123)],
      ...[new Float32Array([1.5, -2]), new Uint8Array([1, 2, 3]), new Uint8Array()],
    ];
    for (const [i, value] of values.entries()) {
      const saved = await store.save(`v${i}`, value);
      assert.deepEqual(await store.load(`v${i}`), value);
      assert.equal((await saved.bytes()).length, saved.size);
    }
  });

  test("the digest is that of the bytes, and equal values share it", async (store) => {
    const bytes = noise(1_000);
    const saved = await store.save("a", bytes);
    const sha = createHash("sha256").update(bytes).digest("hex");
    assert.equal(saved.digest, `sha256:${sha}`);
    assert.equal(saved.size, 1_000);
    assert.equal(saved.mediaType, "application/octet-stream");
    assert.equal((await store.save("b", bytes)).digest, saved.digest);
    assert.equal((await store.stats()).deduplicatedBytes >= 1_000, true);
  });

  test("the value is taken at the call", async (store) => {
    const value = { list: [1] };
    const bytes = new Uint8Array([1, 2, 3]);
    const saves = [store.save("value", value), store.save("bytes", bytes)];
    value.list.push(2);
    bytes.fill(9);
    await Promise.all(saves);
    assert.deepEqual(await store.load("value"), { list: [1] });
    assert.deepEqual(await store.load("bytes"), new Uint8Array([1, 2, 3]));
  });

  test("versions are numbered in the order of the calls", async (store) => {
    const sizes = [900_000, 1, 70_000, 0, 500_000, 3];
    const saved = await Promise.all(sizes.map((size) => store.save("a", noise(size))));
    assert.deepEqual(
      saved.map(({ version, size }) => [version, size]),
      sizes.map((size, i) => [i, size]),
    );
    const sequences = saved.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => a - b),
    );
  });

  test("parts of the bytes are read, streamed and written to a file", async (store, { folder }) => {
    const bytes = noise(200_000);
    const saved = await store.save("a", bytes);
    assert.deepEqual(Buffer.from(await saved.bytes()), bytes);
    assert.deepEqual(Buffer.from(await saved.bytes({ start: 10, end: 20 })), bytes.subarray(10, 20));
    assert.deepEqual(
      Buffer.from(await saved.bytes({ start: 199_990, end: 300_000 })),
      bytes.subarray(199_990),
    );
    assert.equal((await saved.bytes({ start: 300_000 })).length, 0);
    assert.deepEqual(Buffer.concat(await all(saved.stream({ start: 5 }))), bytes.subarray(5));
    const path = join(folder(), "copy");
    await saved.writeTo(path);
    assert.deepEqual(readFileSync(path), bytes);
    await refused(saved.bytes({ start: 2, end: 1 }), "INVALID_ARGUMENT");
  });

  test("bytes that are given are the caller's", async (store) => {
    const saved = await store.save("a", new Uint8Array([1, 2, 3]));
    (await saved.bytes()).fill(9);
    (await store.load<Uint8Array>("a")).fill(9);
    assert.deepEqual(await store.load("a"), new Uint8Array([1, 2, 3]));
  });

  const upper: Codec = {
    mediaType: "text/x-upper",
    accepts: (value) => typeof value === "string" && value === value.toUpperCase(),
    encode: (value) => Buffer.from(`<${String(value)}>`),
    decode: (bytes) => Buffer.from(bytes).toString().slice(1, -1),
  };
  test(
    "codecs of the user are asked first, and named ones used",
    async (store, { again }) => {
      const saved = await store.save("a", "ABC");
      assert.equal(saved.mediaType, "text/x-upper");
      assert.equal(await store.load("a"), "ABC");
      assert.equal(Buffer.from(await saved.bytes()).toString(), "<ABC>");
      assert.equal((await store.save("b", "abc")).mediaType, "application/cbor");
      // Where nobody knows it, its bytes are the value.
      const stranger = await again();
      assert.equal(Buffer.from(await stranger.load<Uint8Array>("a")).toString(), "<ABC>");
    },
    { codecs: [upper] },
  );
}

function largeTests(testing: StoreTesting): void {
  const test = storeTests(testing, "large values");
  const bytes = noise(3 * MIB + 12_345);
  const sha = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

  test("files, streams, blobs, iterables and bytes give the same artifact", async (store, { folder }) => {
    const path = join(folder(), "large");
    writeFileSync(path, bytes);
    async function* pieces() {
      for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000);
    }
    const saves = [
      () => store.save("a", bytes),
      () => store.saveFile("a", path, { mediaType: "text/csv" }),
      () => store.save("a", Readable.from(pieces(), { objectMode: false })),
      () => store.save("a", new Blob([bytes])),
      () => store.save("a", pieces()),
      () => store.save("a", ReadableStream.from(pieces())),
    ];
    for (const save of saves) {
      const saved = await save();
      assert.equal(saved.digest, sha);
      assert.equal(saved.size, bytes.length);
    }
    assert.equal((await store.get("a:1")).mediaType, "text/csv");
    assert.deepEqual(Buffer.from(await store.load<Uint8Array>("a")), bytes);
    const saved = await store.get("a");
    const part = { start: MIB - 7, end: 2 * MIB + 9 };
    assert.deepEqual(Buffer.from(await saved.bytes(part)), bytes.subarray(part.start, part.end));
    assert.deepEqual(Buffer.concat(await all(saved.stream())), bytes);
  });

  test("small and empty sources are as small values", async (store, { folder }) => {
    const path = join(folder(), "small");
    writeFileSync(path, "abc");
    const saved = await store.saveFile("a", path);
    assert.equal(saved.digest, (await store.save("a", Buffer.from("abc"))).digest);
    assert.equal((await store.save("empty", Readable.from([]))).size, 0);
    assert.deepEqual(await store.load("empty"), new Uint8Array());
  });

  test("large structured values come back", async (store) => {
    const value = { text: "x".repeat(2 * MIB), list: Array.from({ length: 1_000 }, (_, i) => i) };
    await store.save("a", value);
    assert.deepEqual(await store.load("a"), value);
  });

  test("bytes above 1 MiB that are changed meanwhile are refused, or kept as they were", async (store) => {
    const own = Buffer.from(bytes);
    const saving = store.save("a", own);
    own.fill(7);
    const saved = await saving.catch((error: unknown) => error);
    if (saved instanceof Error) assert.equal((saved as { code?: string }).code, "CONFLICT");
    else {
      const { digest } = saved as { digest: string };
      const stored = Buffer.from(await store.load<Uint8Array>("a"));
      assert.equal(digest, `sha256:${createHash("sha256").update(stored).digest("hex")}`);
    }
  });

  test("progress is told, up to the last byte", async (store) => {
    const told: number[] = [];
    await store.save("a", bytes, { onProgress: ({ done }) => told.push(done) });
    assert.equal(told.at(-1), bytes.length);
  });
}

function refusedTests(testing: StoreTesting): void {
  const test = storeTests(testing, "refused values");

  test("what can't be kept names its place", async (store) => {
    const error = await refused(() => store.save("a", { deep: [() => 1] }), "UNSUPPORTED_VALUE");
    assert.match(error.message, /value\.deep\[0\]/);
    assert.equal(await store.has("a"), false);
  });

  test("a source that fails, gives no bytes, or is aborted leaves nothing", async (store) => {
    async function* failing() {
      yield noise(2 * MIB);
      throw new Error("the line broke");
    }
    const failed = await refused(store.save("a", failing()), "IO");
    assert.match(failed.message, /the line broke/);
    async function* texts() {
      yield "text" as unknown as Uint8Array;
    }
    await refused(store.save("a", texts()), "UNSUPPORTED_VALUE");
    const stop = new AbortController();
    async function* endless() {
      for (let i = 0; ; i++) {
        if (i === 3) stop.abort();
        yield noise(MIB);
      }
    }
    await refused(store.save("a", endless(), { signal: stop.signal }), "ABORTED");
    assert.equal(await store.has("a"), false);
    assert.deepEqual((await store.stats()).versions, 0);
  });

  test("files that are none, and odd arguments", async (store, { folder }) => {
    await refused(store.saveFile("a", join(folder(), "nowhere")), "INVALID_ARGUMENT");
    await refused(store.saveFile("a", folder()), "INVALID_ARGUMENT");
    await refused(() => store.save("a:b", 1), "INVALID_ARGUMENT");
    await refused(() => store.save("a", 1, { mediaType: "text/csv" }), "INVALID_ARGUMENT");
    await refused(
      () => store.save("a", Readable.from([]), { codec: "application/cbor" }),
      "INVALID_ARGUMENT",
    );
    await refused(() => store.save("a", 1, { codec: "text/unknown" }), "INVALID_ARGUMENT");
    await refused(
      () => store.save("a", Buffer.from("x"), { mediaType: "application/vnd.varve.directory" }),
      "INVALID_ARGUMENT",
    );
  });
}
