import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Artifact } from "../../engine/api.ts";
import { SLAB_END } from "../../engine/chunk/slab.ts";
import { failure } from "../helpers/errors.ts";
import { gate, WatchedFiles } from "../helpers/files.ts";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import { closeAll, openSeamStore, openTestStore } from "../helpers/stores.ts";
import { until, within } from "../helpers/time.ts";
import { allFreed, BUFFERED, digestOf, MIB, noise } from "./support.ts";

/** Bytes above 1 MiB are not copied: whoever changes them before the promise settles is told. Streams take little of it. */
const test = suite("memory of large values");
test.after.each(closeAll);

const random = new Random("memory of large values");
const SIZE = 12 * MIB;

test("memory that is changed while it is saved is a rejected save, or a right one, never a wrong digest", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  let conflicts = 0;
  for (let steps = 0; steps < 40; steps++) {
    const bytes = noise(random, MIB + 1);
    const saving: Promise<Artifact> = store.save("a", bytes, { ifVersion: "absent" });
    saving.catch(() => {});
    for (let i = 0; i < steps; i++) await undefined;
    bytes[5]! ^= 1;
    try {
      const saved = await saving;
      assert.is(digestOf(await store.load<Uint8Array>("a")), saved.digest, `${steps} steps`);
      await store.delete("a:latest");
    } catch (error) {
      assert.is((error as { code?: string }).code, "CONFLICT", String(error));
      conflicts++;
    }
  }
  assert.ok(conflicts > 0);
  assert.not(await store.has("a"));
  await allFreed(home, store);
});

test("so is memory of a batch, and memory that is transferred away", async () => {
  const home = newFolder();
  const store = await openTestStore(home, BUFFERED);
  const bytes = noise(random);
  const batch = store.batch(async (queue) => {
    queue.save("small", 1);
    queue.save("a", bytes);
    await new Promise((resolve) => setTimeout(resolve, 50));
    bytes[5]! ^= 1;
  });
  await failure(batch, "CONFLICT");
  assert.not(await store.has("small"));
  for (const size of [MIB + 1, SIZE]) {
    const memory = new Uint8Array(noise(random, size));
    let isGone = false;
    const onProgress = ({ done }: { done: number }) => {
      if (isGone || done < size / 2) return;
      isGone = true;
      structuredClone(memory.buffer, { transfer: [memory.buffer] });
    };
    const { code } = await store.save("a", memory, { onProgress }).then(
      () => ({ code: "saved" }),
      (error) => error,
    );
    assert.ok(["CONFLICT", "INVALID_ARGUMENT"].includes(code), code);
  }
  assert.not(await store.has("a"));
  await allFreed(home, store);
});

test("a stream goes on while the disk is busy, in memory that was written before", async () => {
  const home = newFolder();
  const files = new WatchedFiles();
  const store = await openSeamStore(home, { files });
  const written: number[] = [];
  const slabs = new Set<ArrayBufferLike>();
  files.onAppend = (pieces, write) => {
    for (const { buffer } of pieces) if (buffer.byteLength === SLAB_END) slabs.add(buffer);
    written.push(pieces.reduce((bytes, { length }) => bytes + length, 0));
    write(pieces);
  };
  const disk = gate();
  files.onSync = () => disk.opened;
  function* give() {
    for (let i = 0; i < 50; i++) yield noise(random, MIB);
  }
  const saving = store.save("a", Readable.from(give()));
  saving.catch(() => {});
  const groups = () => written.filter((bytes) => bytes > 7 * MIB).length;
  try {
    await within(20_000, "the save", () => until("five groups are written", () => groups() === 5));
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.is(groups(), 5, "no more is written than the disk can be waited for");
    assert.ok(slabs.size >= 4 && slabs.size <= 9, `${slabs.size} slabs for 40 MiB`);
  } finally {
    disk.open();
  }
  assert.is((await saving).size, 50 * MIB);
});

test.run();
