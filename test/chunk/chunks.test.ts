import { openAsBlob, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Chunk, type Chunks, chunksOf, WHOLE_BYTES_MAX } from "../../engine/chunk/chunks.ts";
import { CHUNK_BYTES_MAX } from "../../engine/chunk/cutter.ts";
import { SLAB_BYTES, SLAB_END } from "../../engine/chunk/slab.ts";
import type { ByteSource, FileSource } from "../../engine/chunk/source.ts";
import { VarveError } from "../../engine/errors.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder, openFilesUnder, removeFolders } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { within } from "../helpers/time.ts";
import { cutsOf, inPieces, sha256, steadyBytes, taken, Watched } from "./support.ts";

const test = suite("chunks of a value");
test.after.each(removeFolders);
const MiB = 1024 * 1024;

/** That they are those of `value`, and say so. */
function check(chunks: Chunk[], whole: Chunks["whole"], value: Uint8Array): void {
  const cuts = value.length <= WHOLE_BYTES_MAX ? [value.length] : cutsOf(value);
  assert.equal(
    chunks.map(({ offset, bytes }) => offset + bytes.length),
    cuts,
  );
  for (const { bytes, digest, offset } of chunks) {
    assert.ok(Buffer.from(bytes).equals(value.subarray(offset, offset + bytes.length)), `bytes at ${offset}`);
    assert.ok(digest.equals(sha256(bytes)), `digest at ${offset}`);
  }
  assert.equal(whole, { digest: sha256(value), size: value.length, chunks: cuts.length });
}

test("the same bytes give the same chunks, whatever they come from", async () => {
  const value = steadyBytes("whatever", 5 * MiB + 77);
  const file = join(newFolder(), "value");
  writeFileSync(file, value);
  const handle = await open(file);
  const pieces = () => inPieces(value, new Random("pieces", 4)).values();
  const sources: Record<string, Uint8Array | ByteSource | FileSource> = {
    memory: value,
    Buffer: Buffer.from(value),
    Readable: Readable.from(pieces()),
    "Readable of bytes": Readable.from(pieces(), { objectMode: false }),
    ReadableStream: ReadableStream.from(pieces()),
    iterable: new Watched(pieces()),
    Blob: new Blob([value]),
    File: new File([value], "value"),
    "Blob of a file": await openAsBlob(file),
    path: { file },
    handle: { file: handle },
  };
  for (const [what, source] of Object.entries(sources)) {
    const chunks = chunksOf(source);
    try {
      check(await taken(chunks), chunks.whole, value);
    } catch (error) {
      throw new Error(what, { cause: error });
    }
  }
  assert.is((await handle.stat()).size, value.length, "a handle stays open");
  await handle.close();
});

test("how a value is split into pieces changes nothing", async () => {
  const random = new Random("splits");
  for (let round = 0; round < 12; round++) {
    const lengths = [0, 1, WHOLE_BYTES_MAX, WHOLE_BYTES_MAX + 1, SLAB_BYTES, SLAB_BYTES + 1, 3 * SLAB_BYTES];
    const length = lengths[round] ?? random.below(3 * SLAB_BYTES);
    const value = steadyBytes(`${random.seed} ${round}`, length);
    const chunks = chunksOf(new Watched(inPieces(value, random)));
    check(await taken(chunks), chunks.whole, value);
    const ofMemory = chunksOf(value);
    check(await taken(ofMemory), ofMemory.whole, value);
  }
});

test("a source may write its next piece over the one before", async () => {
  const value = steadyBytes("reused", 6 * MiB);
  const buffer = new Uint8Array(300_000);
  function* pieces() {
    for (let at = 0; at < value.length; at += buffer.length) {
      const piece = value.subarray(at, at + buffer.length);
      buffer.fill(0xee);
      buffer.set(piece);
      yield buffer.subarray(0, piece.length);
    }
  }
  const chunks = chunksOf(new Watched(pieces()));
  check(await taken(chunks), chunks.whole, value);
});

test("bytes in memory are not copied", async () => {
  const value = steadyBytes("views", 3 * MiB).subarray(1000);
  for (const { bytes, offset } of await taken(chunksOf(value))) {
    assert.is(bytes.buffer, value.buffer);
    assert.is(bytes.byteOffset, offset + 1000);
  }
});

test("memory that changes while it is read gives the digest of what its chunks were", async () => {
  const value = steadyBytes("changed", 4 * MiB);
  const chunks = chunksOf(value);
  const copies: Uint8Array[] = [];
  for await (const { bytes, digest, offset } of chunks) {
    copies.push(bytes.slice());
    assert.ok(digest.equals(sha256(bytes)));
    value.fill(copies.length, Math.max(0, offset - 1000), Math.min(value.length, offset + 300_000));
  }
  assert.ok(chunks.whole.digest.equals(sha256(Buffer.concat(copies))));
});

test("memory that is transferred away, meanwhile or before, is an error", async () => {
  const away = (bytes: Uint8Array) => structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
  for (const length of [10, 4 * MiB]) {
    const gone = steadyBytes("gone", length);
    const chunks = chunksOf(gone);
    away(gone);
    await failureWithHint(taken(chunks), "INVALID_ARGUMENT");
    await failureWithHint(() => chunksOf(gone), "INVALID_ARGUMENT");
  }
  const value = steadyBytes("transferred", 4 * MiB);
  const read = async () => {
    for await (const { offset } of chunksOf(value)) if (offset > MiB && value.length > 0) away(value);
  };
  await failureWithHint(read(), "INVALID_ARGUMENT");
});

test("however long a source is, little of it is held, and it is read no faster than its chunks are taken", async () => {
  const piece = steadyBytes("long", 3 * CHUNK_BYTES_MAX + 5);
  const source = new Watched(
    (function* () {
      for (let count = 0; count < 80; count++) yield piece;
    })(),
  );
  let takenBytes = 0;
  const slabs = new Set<ArrayBufferLike>();
  for await (const { bytes } of chunksOf(source)) {
    const held = source.pulledBytes - takenBytes;
    assert.ok(held <= SLAB_BYTES + piece.length, `${held} bytes are held`);
    takenBytes += bytes.length;
    assert.is(bytes.buffer.byteLength, SLAB_END);
    slabs.add(bytes.buffer);
    // Who holds a chunk holds its slab, and no more.
  }
  assert.is(takenBytes, 80 * piece.length);
  assert.ok(slabs.size <= Math.ceil(takenBytes / (SLAB_BYTES - CHUNK_BYTES_MAX)), `${slabs.size} slabs`);
});

test("chunks that are kept stay as they are", async () => {
  const value = steadyBytes("kept", 9 * MiB);
  for (const { bytes, digest } of await taken(
    chunksOf(new Watched([value.subarray(0, 5), value.subarray(5)])),
  ))
    assert.ok(digest.equals(sha256(bytes)));
});

test("the event loop goes on meanwhile", async () => {
  const value = steadyBytes("turns", 24 * MiB);
  for (const source of [value, new Watched([value])]) {
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await taken(chunksOf(source));
    isOver = true;
    assert.ok(turns >= 3, `${turns} turns`);
  }
});

test("who follows is told how many bytes are done, up to all", async () => {
  const value = steadyBytes("followed", 3 * MiB);
  for (const source of [value, new Watched([value]), value.subarray(0, 10)]) {
    const told: number[] = [];
    const all = await taken(chunksOf(source, { onBytes: (done) => told.push(done) }));
    assert.equal(
      told,
      all.map(({ offset, bytes }) => offset + bytes.length),
    );
  }
});

test("digest and size are known at the end, and the chunks are given once", async () => {
  const chunks = chunksOf(new Uint8Array(3));
  await failureWithHint(() => chunks.whole, "INVALID_ARGUMENT");
  await taken(chunks);
  assert.is(chunks.whole.size, 3);
  await failureWithHint(taken(chunks), "INVALID_ARGUMENT");
});

/** Far more than is asked for before it is left. */
const long = () => {
  const piece = steadyBytes("long", 100_000);
  return new Watched(
    (function* () {
      for (let count = 0; count < 800; count++) yield piece;
    })(),
  );
};

test("whoever leaves early closes the source", async () => {
  const left = long();
  for await (const { offset } of chunksOf(left)) if (offset > MiB) break;
  assert.is(left.returned, 1);
  const failed = long();
  const onBytes = () => {
    throw new TypeError("of the caller");
  };
  await taken(chunksOf(failed, { onBytes })).catch((error) => assert.instance(error, TypeError));
  assert.is(failed.returned, 1);
  const untouched = long();
  await chunksOf(untouched).close();
  assert.is(untouched.returned, 1);
  assert.is(untouched.pulled, 0);
});

test("a source that is closed before its end has none", async () => {
  const web = new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from("a")) });
  const node = new PassThrough();
  node.write("a");
  const file = join(newFolder(), "value");
  writeFileSync(file, steadyBytes("closed", 3 * MiB));
  for (const source of [web, node, { file }, long()]) {
    const chunks = chunksOf(source);
    const reading = taken(chunks);
    setImmediate(() => void chunks.close());
    const error = await within(10_000, "a closed source", () => failureOf(reading));
    assert.ok(["ABORTED", "IO"].includes(error.code), error.code);
    await failureWithHint(() => chunks.whole, "INVALID_ARGUMENT");
  }
});

test("a stream that is destroyed before its end, without an error, has none", async () => {
  for (const isWaiting of [false, true]) {
    const stream = new PassThrough();
    stream.write(steadyBytes("destroyed", 3 * MiB));
    const chunks = chunksOf(stream);
    const reading = (async () => {
      for await (const _ of chunks) if (!isWaiting) stream.destroy();
    })();
    if (isWaiting) setTimeout(() => stream.destroy(), 50);
    await failureWithHint(reading, "IO");
    await failureWithHint(() => chunks.whole, "INVALID_ARGUMENT");
  }
});

test("an abort ends it, before it began, between two chunks and in memory", async () => {
  const reason = new Error("enough");
  for (const abortAt of [-1, 0, 3 * MiB]) {
    for (const source of [long(), steadyBytes("aborted", 40 * MiB)]) {
      const stopping = new AbortController();
      if (abortAt < 0) stopping.abort(reason);
      const onBytes = (done: number) => done > abortAt && stopping.abort(reason);
      const error = await failureWithAbort(taken(chunksOf(source, { signal: stopping.signal, onBytes })));
      assert.is(error.cause, reason);
      if (source instanceof Watched) assert.is(source.returned, 1);
    }
  }
});

function failureWithAbort(call: Promise<unknown>): Promise<Error> {
  return within(20_000, "an aborted call", () => failure(call, "ABORTED"));
}

async function failureOf(call: Promise<unknown>): Promise<VarveError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof VarveError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

test("no file stays open, whether it is read to its end, left, or never begun", async () => {
  const folder = newFolder();
  const file = join(folder, "value");
  writeFileSync(file, steadyBytes("file", 5 * MiB));
  for await (const { offset } of chunksOf({ file })) {
    if (offset === 0) assert.is(openFilesUnder(folder).length, process.platform === "linux" ? 1 : 0);
    if (offset > MiB) break;
  }
  assert.equal(openFilesUnder(folder), []);
  await taken(chunksOf({ file }));
  assert.equal(openFilesUnder(folder), []);
  await chunksOf({ file }).close();
  const stopping = new AbortController();
  const onBytes = () => stopping.abort();
  await failureWithAbort(taken(chunksOf({ file }, { signal: stopping.signal, onBytes })));
  assert.equal(openFilesUnder(folder), []);
});

test.run();
