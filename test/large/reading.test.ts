import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ArtifactStore } from "../../engine/api.ts";
import { versionKey } from "../../engine/artifact-key.ts";
import { encodeVersionContent, ValuePlace, versionTag } from "../../engine/artifact-record.ts";
import { MEDIA_TYPE_BYTES } from "../../engine/codec/bytes.ts";
import { chunksIn, LOADED_BYTES_MAX, reusedMemory } from "../../engine/large/chunk-reader.ts";
import { preparePayload } from "../../engine/transaction.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { WatchedFiles } from "../helpers/files.ts";
import { newFolder, openFilesUnder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, newStore, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { BUFFERED, collected, LARGE, MIB, noise, same, withCore } from "./support.ts";

/** Parts of a large value, streams of it, and files that it is written to. */
const test = suite("reading large values");
test.after.each(closeAll);

const random = new Random("reading large values");
const RANGES = 60;

/** A compaction that rewrites something: how many bytes of what it replaced somebody still holds. */
async function heldBytes(store: ArtifactStore): Promise<number> {
  await store.save("gone", noise(random, MIB));
  await store.delete("gone:all");
  return (await store.compact()).waitingBytes;
}

test("any range is what `subarray` gives, by `bytes` and by `stream`, at edges too", async () => {
  const store = await newStore(BUFFERED);
  for (const length of [LARGE, 9 * MIB]) {
    const bytes = noise(random, length);
    const artifact = await store.save("a", bytes);
    const edges = [0, 1, 32 * 1024, MIB, length - 1, length];
    const ranges = edges.flatMap((start) => edges.map((end) => ({ start, end })));
    for (let i = 0; i < RANGES; i++)
      ranges.push({ start: random.below(length), end: random.below(length * 1.1) });
    for (const { start, end } of ranges.filter((range) => range.start <= range.end)) {
      const what = `from ${start} to ${end} of ${length}`;
      const expected = bytes.subarray(start, end);
      same(await artifact.bytes({ start, end }), expected, what);
      if (expected.length < 300_000) same(await collected(artifact.stream({ start, end })), expected, what);
    }
    same(await collected(artifact.stream()), bytes);
    same(await artifact.bytes({ start: length - 5 }), bytes.subarray(-5));
    same(await artifact.bytes({ end: 5 }), bytes.subarray(0, 5));
    same(await artifact.bytes({ start: length + 5, end: length + 9 }), bytes.subarray(length));
    for (const range of [{ start: -1 }, { start: 2, end: 1 }, { end: 0.5 }]) {
      await failureWithHint(artifact.bytes(range), "INVALID_ARGUMENT");
      await failureWithHint(() => artifact.stream(range), "INVALID_ARGUMENT");
    }
  }
});

test("a range reads little more than itself", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files }, "buffered");
  const artifact = await store.save("a", noise(random, 9 * MIB));
  const before = files.counts.readBytes;
  await artifact.bytes({ start: 5 * MIB, end: 5 * MIB + 10 });
  const read = files.counts.readBytes - before;
  assert.ok(read > 0 && read < 400_000, `${read} bytes are read`);
});

test("a stream reads no further ahead than a few chunks", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files }, "buffered");
  const artifact = await store.save("a", noise(random, 9 * MIB));
  const before = files.counts.readBytes;
  const reader = artifact.stream().getReader();
  await reader.read();
  // What is on its way comes to its end, however busy the machine is, or shows less than there is.
  await sleep(300);
  const read = files.counts.readBytes - before;
  // Three runs of a MiB, and the one that is asked for when the first is used.
  assert.ok(read < 5 * MIB, `${read} bytes are read for the first piece`);
  await reader.cancel();
});

test("chunks that lie one behind the other are read together", async () => {
  const files = new WatchedFiles();
  const store = await openSeamStore(newFolder(), { files }, "buffered");
  const bytes = noise(random, 9 * MIB);
  const artifact = await store.save("a", bytes);
  const before = files.counts.reads;
  same(await collected(artifact.stream()), bytes);
  const reads = files.counts.reads - before;
  assert.ok(reads < 40, `${reads} reads for some 150 chunks`);
});

test("each piece of a stream is in memory of its own, that its user may write to or give away", async () => {
  const store = await newStore(BUFFERED);
  const bytes = noise(random, 9 * MIB);
  const artifact = await store.save("a", bytes);
  const pieces: Uint8Array[] = [];
  for await (const piece of artifact.stream()) pieces.push(piece);
  same(Buffer.concat(pieces), bytes);
  assert.is(new Set(pieces.map(({ buffer }) => buffer)).size, pieces.length);
  const [first] = pieces.splice(0, 1);
  const { length } = first!;
  structuredClone(first!.buffer, { transfer: [first!.buffer as ArrayBuffer] });
  same(Buffer.concat(pieces), bytes.subarray(length));
});

test("memory that is used again has what was given until the next is asked for", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const bytes = noise(random, 9 * MIB);
  await store.save("a", bytes);
  await withCore(home, async (core) => {
    const value = { root: core.row(versionKey("a", 0))!.references[0]!, size: bytes.length };
    const span = { start: 1, end: bytes.length };
    const buffers = new Set<ArrayBufferLike>();
    let at = span.start;
    for await (const piece of chunksIn(core, value, span, { memoryFor: reusedMemory() })) {
      // What is read meanwhile comes to its end.
      await sleep(30);
      same(piece, bytes.subarray(at, at + piece.length));
      at += piece.length;
      buffers.add(piece.buffer);
    }
    assert.is(at, span.end);
    assert.ok(buffers.size <= 3, `${buffers.size} buffers`);
  });
});

test("a stream that is left early, aborted, or never begun holds nothing", async () => {
  const home = newFolder();
  const store = await openTestStore(home);
  const artifact = await store.save("a", noise(random, 3 * MIB));
  const leave: Record<string, () => Promise<unknown>> = {
    cancelled: async () => {
      const reader = artifact.stream().getReader();
      await reader.read();
      await reader.cancel();
    },
    "cancelled at once": () => artifact.stream().cancel(),
    "left in a loop": async () => {
      for await (const _ of artifact.stream()) break;
    },
    aborted: async () => {
      const abort = new AbortController();
      const reader = artifact.stream(undefined, { signal: abort.signal }).getReader();
      await reader.read();
      abort.abort();
      await failure(async () => {
        while (!(await reader.read()).done);
      }, "ABORTED");
    },
    "never begun": async () => void artifact.stream(),
    "read to its end": () => collected(artifact.stream()),
  };
  for (const [how, action] of Object.entries(leave)) {
    const held = artifact.stream().getReader();
    await held.read();
    assert.ok((await heldBytes(store)) > 0, "a stream that is read holds the files that it reads");
    await held.cancel();
    await action();
    assert.is(await heldBytes(store), 0, how);
  }
  await store.close();
  assert.equal(openFilesUnder(home), []);
});

test("a signal ends a read of bytes, and of a value", async () => {
  const store = await newStore(BUFFERED);
  const artifact = await store.save("a", noise(random));
  await failure(artifact.bytes({}, { signal: AbortSignal.abort() }), "ABORTED");
  const read: ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => artifact.bytes({}, { signal }),
    (signal) => artifact.value({ signal }),
    (signal) => store.load("a", { signal }),
  ];
  for (const reads of read) {
    const abort = new AbortController();
    const reading = reads(abort.signal);
    abort.abort();
    await failure(reading, "ABORTED");
  }
});

test("a file is written whole, or stays as it was", async () => {
  const files = new WatchedFiles();
  const home = newFolder();
  const store = await openSeamStore(home, { files }, "buffered");
  const bytes = noise(random, 3 * MIB);
  const artifact = await store.save("a", bytes);
  const folder = newFolder();
  const path = join(folder, "file");
  await artifact.writeTo(path);
  same(readFileSync(path), bytes);
  writeFileSync(path, "old");
  const abort = new AbortController();
  abort.abort();
  await failure(artifact.writeTo(path, { signal: abort.signal }), "ABORTED");
  const stopping = new AbortController();
  const writing = artifact.writeTo(path, { signal: stopping.signal });
  let isOver = false;
  const over = () => (isOver = true);
  writing.then(over, over);
  while (!isOver && !readdirSync(folder).some((name) => name.endsWith(".tmp")))
    await new Promise(setImmediate);
  stopping.abort();
  await failure(writing, "ABORTED");
  assert.equal(readdirSync(folder), ["file"]);
  assert.is(readFileSync(path, "utf8"), "old");
  mkdirSync(join(folder, "directory"));
  await failureWithHint(artifact.writeTo(join(folder, "directory")), "INVALID_ARGUMENT");
  await failure(artifact.writeTo(join(folder, "none", "file")), "IO");
  assert.equal(readdirSync(folder), ["directory", "file"]);
  assert.not(existsSync(join(folder, "none")));
  assert.is(await heldBytes(store), 0);
  await artifact.writeTo(path);
  same(readFileSync(path), bytes);
});

test("a file is written where a link leads, under the longest name, and never in place of a device", async () => {
  const store = await openTestStore(newFolder(), BUFFERED);
  const artifact = await store.save("a", noise(random));
  const folder = newFolder();
  const [path, link, long, pipe] = ["file", "link", "n".repeat(255), "pipe"].map((name) =>
    join(folder, name),
  );
  writeFileSync(path!, "old");
  symlinkSync("file", link!);
  execFileSync("mkfifo", [pipe!]);
  await artifact.writeTo(link!);
  assert.ok(lstatSync(link!).isSymbolicLink());
  same(readFileSync(path!), await artifact.bytes());
  await artifact.writeTo(long!);
  same(readFileSync(long!), await artifact.bytes());
  await failureWithHint(artifact.writeTo(pipe!), "INVALID_ARGUMENT");
  assert.ok(lstatSync(pipe!).isFIFO());
  for (const none of ["", "a\0b", undefined as unknown as string])
    await failureWithHint(artifact.writeTo(none), "INVALID_ARGUMENT");
  assert.equal(readdirSync(folder).sort(), ["file", "link", "n".repeat(255), "pipe"].sort());
});

test("above 1 GiB a load is refused, and says what to use instead", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  await store.save("a", noise(random));
  const size = LOADED_BYTES_MAX + 1;
  await withCore(home, async (core) => {
    const { references } = core.row(versionKey("a", 0))!;
    const content = encodeVersionContent({ size, digest: Buffer.alloc(32) });
    const payload = preparePayload(references, content, 0n);
    const tag = versionTag(MEDIA_TYPE_BYTES, { deleted: false, rewritten: false, place: ValuePlace.tree });
    await core.commit({
      run: (transaction) => transaction.put(versionKey("huge", 0), payload, { tag, isNew: true }),
      bytes: 1000,
      durable: false,
    });
  });
  const artifact = await store.get("huge");
  assert.is(artifact.size, size);
  for (const read of [() => store.load("huge"), () => artifact.value(), () => artifact.bytes()]) {
    const { hint } = await failureWithHint(read, "NOT_SUPPORTED");
    assert.match(hint!, /stream\(\)/);
  }
});

test("a store that is closed gives no more of a stream", async () => {
  const store = await newStore(BUFFERED);
  const artifact = await store.save("a", noise(random));
  const reader = artifact.stream().getReader();
  await reader.read();
  await store.close();
  await failure(async () => {
    while (!(await reader.read()).done);
  }, "CLOSED");
});

test.run();
