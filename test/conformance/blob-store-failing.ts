import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { BlobStore } from "../../engine/main.ts";
import type { TestOfPlaces } from "./blob-places.ts";
import {
  fails,
  inPieces,
  isNotThere,
  isThere,
  listed,
  MIB,
  putSamples,
  SIZES,
  sample,
} from "./blob-places.ts";
import type { BlobPlace } from "./blob-store.ts";

/** What fails leaves nothing behind. */
export function testFailing(test: TestOfPlaces): void {
  test("pieces that fail are an IO with the cause, and leave nothing", async (places) => {
    const { place, store } = await places.open();
    const [kept] = await putSamples(store, [1000]);
    for (const size of SIZES) {
      const { bytes, digest } = sample(size);
      const broken = new TypeError("the pieces fail");
      const error = await fails(store.putPieces(failing(bytes, broken)), "IO");
      assert.equal(error.cause, broken);
      await isNotThere(store, { digest, size });
    }
    await nothingLeft(place, store, 1);
    await isThere(store, kept!);
  });

  test("pieces that are no bytes are refused, and their source is closed", async (places) => {
    const { place, store } = await places.open();
    let isClosed = false;
    const mixed = (async function* () {
      try {
        yield new Uint8Array(MIB + 1);
        yield "text" as unknown as Uint8Array;
        yield new Uint8Array(1);
      } finally {
        isClosed = true;
      }
    })();
    await fails(store.putPieces(mixed), "UNSUPPORTED_VALUE");
    assert.ok(isClosed);
    await nothingLeft(place, store, 0);
  });

  test("a signal ends a put of pieces that waits for its source, and nothing is left", async (places) => {
    const { place, store } = await places.open();
    for (const size of [1000, 5 * MIB]) {
      const { bytes } = sample(size);
      const abort = new AbortController();
      const never = (async function* () {
        yield* inPieces(bytes, 300_000);
        setTimeout(() => abort.abort(), 10);
        await sleep(600_000, undefined, { ref: false });
      })();
      await fails(store.putPieces(never, { signal: abort.signal }), "ABORTED");
    }
    await nothingLeft(place, store, 0);
  });

  test("a signal that is aborted already is ABORTED, and nothing is done", async (places) => {
    const { place, store } = await places.open();
    const [kept] = await putSamples(store, [1000]);
    const options = { signal: AbortSignal.abort() };
    const { bytes, digest, size } = sample(1000);
    await fails(store.put(bytes, digest, options), "ABORTED");
    await fails(store.putPieces(inPieces(bytes, 100), options), "ABORTED");
    await fails(store.get(kept!.digest, size, undefined, options), "ABORTED");
    await fails(collect(store.pieces(kept!.digest, size, undefined, options)), "ABORTED");
    await fails(store.sizeOf(kept!.digest, options), "ABORTED");
    await fails(collect(store.list(options)), "ABORTED");
    await fails(store.remove([kept!.digest], Date.now() + 1e9, options), "ABORTED");
    await fails(store.collect(Date.now(), options), "ABORTED");
    await isNotThere(store, { digest, size });
    await isThere(store, kept!);
    await nothingLeft(place, store, 1);
  });

  test("what failed can be repeated", async (places) => {
    const { store } = await places.open();
    for (const size of SIZES) {
      const one = sample(size);
      await fails(store.putPieces(failing(one.bytes, new Error("not yet"))), "IO");
      if (size % 2 === 0) await store.put(one.bytes, one.digest);
      else await store.putPieces(inPieces(one.bytes, 100_000));
      await isThere(store, one);
    }
  });

  test("closing waits for what runs, may be repeated, and all calls after it are CLOSED", async (places) => {
    const { place, store } = await places.open();
    const one = sample(3 * MIB);
    const putting = store.put(one.bytes, one.digest);
    await Promise.all([store.close(), store.close()]);
    await putting;
    await store.close();
    const { bytes, digest, size } = one;
    await fails(store.storeId(), "CLOSED");
    await fails(store.bind("0".repeat(32)), "CLOSED");
    await fails(store.now(), "CLOSED");
    await fails(store.put(bytes, digest), "CLOSED");
    await fails(store.putPieces(inPieces(bytes, MIB)), "CLOSED");
    await fails(store.get(digest, size), "CLOSED");
    await fails(collect(store.pieces(digest, size)), "CLOSED");
    await fails(store.sizeOf(digest), "CLOSED");
    await fails(collect(store.list()), "CLOSED");
    await fails(store.remove([digest], 0), "CLOSED");
    await fails(store.collect(0), "CLOSED");
    await fails(store.space(), "CLOSED");
    await isThere(await places.again(place), one);
  });

  test("who may only read can't change anything", async (places) => {
    const { place, store } = await places.open();
    const [kept] = await putSamples(store, [5 * MIB]);
    await store.close();
    if (!place.openReadOnly) return;
    const reader = places.track(await place.openReadOnly());
    const { bytes, digest } = sample(1000);
    await fails(reader.put(bytes, digest), "READ_ONLY");
    await fails(reader.putPieces(inPieces(bytes, 100)), "READ_ONLY");
    await fails(reader.remove([kept!.digest], Date.now() + 1e9), "READ_ONLY");
    await fails(reader.collect(Date.now()), "READ_ONLY");
    await isThere(reader, kept!);
    assert.equal((await listed(reader)).length, 1);
  });
}

/** All of the bytes, and then an error in place of the end. */
async function* failing(bytes: Uint8Array, error: Error): AsyncGenerator<Uint8Array> {
  yield* inPieces(bytes, 300_000);
  throw error;
}

async function collect(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function nothingLeft(place: BlobPlace, store: BlobStore, blobs: number): Promise<void> {
  await store.collect((await store.now()) + 60_000);
  assert.equal((await listed(store)).length, blobs);
  assert.deepEqual((await place.leftBehind?.()) ?? [], []);
}
