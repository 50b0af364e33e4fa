import assert from "node:assert/strict";
import type { TestOfPlaces } from "./blob-places.ts";
import {
  fails,
  hex,
  inPieces,
  isNotThere,
  isThere,
  listed,
  MIB,
  putSamples,
  SIZES,
  sample,
  sampleOf,
  sortedHex,
} from "./blob-places.ts";

/** What is put is there, whole, once, for everybody. */
export function testKeeping(test: TestOfPlaces): void {
  test("bytes of any length come back as they were put, also when the place is opened again", async (places) => {
    const { place, store } = await places.open();
    const samples = await putSamples(store);
    for (const each of samples) await isThere(store, each);
    for (const each of samples) await isThere(await places.again(place), each);
    await store.close();
    for (const each of samples) await isThere(await places.again(place), each);
  });

  test("pieces come back as one blob, whose digest and size are told", async (places) => {
    const { place, store } = await places.open();
    for (const size of SIZES) {
      const { bytes, digest } = sample(size);
      const facts = await store.putPieces(inPieces(bytes, Math.max(1, Math.ceil(size / 7))));
      assert.deepEqual({ ...facts, digest: Buffer.from(facts.digest) }, { digest, size });
      await isThere(store, { bytes, digest, size });
      await isThere(await places.again(place), { bytes, digest, size });
    }
  });

  test("no pieces at all, or empty ones, are the empty blob", async (places) => {
    const { store } = await places.open();
    const empty = sampleOf(new Uint8Array());
    const facts = await store.putPieces(inPieces(new Uint8Array(), 1));
    assert.equal(facts.size, 0);
    await isThere(store, empty);
    const none = (async function* () {
      yield new Uint8Array();
      yield new Uint8Array();
    })();
    assert.deepEqual(Buffer.from((await store.putPieces(none)).digest), empty.digest);
    assert.deepEqual(sortedHex(await listed(store)), sortedHex([empty]));
  });

  test("a view of a larger memory is kept without what lies around it", async (places) => {
    const { store } = await places.open();
    for (const size of [1000, MIB + 1]) {
      const around = sample(size + 200).bytes;
      const inside = sampleOf(around.subarray(100, 100 + size));
      await store.put(inside.bytes, inside.digest);
      await isThere(store, inside);
    }
  });

  test("the same bytes put by many at once, in either way, are one blob", async (places) => {
    const { place, store } = await places.open();
    const stores = [store, await places.again(place)];
    for (const size of [0, 1000, MIB + 1]) {
      const one = sample(size);
      const puts = Array.from({ length: 16 }, async (_, i) => {
        const each = stores[i % 2]!;
        if (i % 4 > 1) await each.put(one.bytes, one.digest);
        else await each.putPieces(inPieces(one.bytes, 300_000));
      });
      await Promise.all(puts);
      for (const each of stores) await isThere(each, one);
      assert.equal((await listed(store)).filter(({ digest }) => hex(digest) === hex(one.digest)).length, 1);
    }
  });

  test("many small blobs put at once are all there", async (places) => {
    const { place, store } = await places.open();
    const samples = await putSamples(
      store,
      Array.from({ length: 500 }, (_, i) => 32 + i),
    );
    const again = await places.again(place);
    assert.deepEqual(sortedHex(await listed(again)), sortedHex(samples));
    for (const each of samples.slice(0, 20)) await isThere(again, each);
  });

  test("bytes put again are there still, and listed once", async (places) => {
    const { store } = await places.open();
    const samples = await putSamples(store);
    for (const { bytes, digest } of samples) await store.put(bytes, digest);
    for (const { bytes } of samples) await store.putPieces(inPieces(bytes, MIB));
    for (const each of samples) await isThere(store, each);
    assert.deepEqual(sortedHex(await listed(store)), sortedHex(samples));
  });

  test("long bytes that are not those of the digest are refused, and nothing is under it", async (places) => {
    const { store } = await places.open();
    const { digest, size } = sample(MIB + 1);
    await fails(store.put(sample(MIB + 1).bytes, digest), "CONFLICT");
    await isNotThere(store, { digest, size });
    assert.deepEqual(await listed(store), []);
  });
}
