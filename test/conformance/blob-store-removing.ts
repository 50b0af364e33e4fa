import assert from "node:assert/strict";
import type { BlobStore } from "../../engine/main.ts";
import type { TestOfPlaces } from "./blob-places.ts";
import {
  inPieces,
  isNotThere,
  isThere,
  letPass,
  listed,
  MIB,
  putSamples,
  SIZES,
  sample,
  sampleOf,
  slackPasses,
  sortedHex,
} from "./blob-places.ts";
import type { BlobPlace } from "./blob-store.ts";

const ROUNDS = 40;

/** What is removed is gone, what is put again is not. */
export function testRemoving(test: TestOfPlaces): void {
  test("what was put before a moment is removed, and so told; all else is as it was", async (places) => {
    const { place, store } = await places.open();
    // All but the empty one, which is the same each time.
    const sizes = SIZES.slice(1);
    const old = await putSamples(store, sizes);
    const stays = await putSamples(store, sizes);
    await letPass(store, place, 30);
    const moment = await store.now();
    await letPass(store, place, 30);
    const young = await putSamples(store, sizes);
    const absent = sizes.map(sample);
    const asked = [...old, ...young, ...absent].map(({ digest }) => digest);
    const gone = await store.remove(asked, moment);
    const expected = [...old, ...absent];
    assert.deepEqual(sortedHex(gone.map((digest) => ({ digest }))), sortedHex(expected));
    for (const each of expected) await isNotThere(store, each);
    for (const each of [...stays, ...young]) await isThere(store, each);
    assert.deepEqual(await store.remove([], moment), []);
  });

  test("what was removed is not listed, is so for others, and can be put again", async (places) => {
    const { place, store } = await places.open();
    const other = await places.again(place);
    const samples = await putSamples(store);
    await letPass(store, place, 30);
    await store.remove(
      samples.map(({ digest }) => digest),
      await store.now(),
    );
    assert.deepEqual(await listed(store), []);
    assert.deepEqual(await listed(other), []);
    for (const each of samples) await isNotThere(other, each);
    for (const { bytes, digest } of samples) await other.put(bytes, digest);
    for (const each of samples) await isThere(store, each);
  });

  test("a put of what is there already counts as put now", async (places) => {
    const { place, store } = await places.open();
    if (!slackPasses(store, place)) return;
    const samples = await putSamples(store);
    await letPass(store, place, store.capabilities.putAtSlackMilliseconds + 30);
    const moment = await store.now();
    await letPass(store, place, 30);
    for (const [i, { bytes, digest }] of samples.entries()) {
      if (i % 2 === 0) await store.put(bytes, digest);
      else await store.putPieces(inPieces(bytes, 500_000));
    }
    for (const { putAt } of await listed(store)) assert.ok(putAt >= moment, `${putAt} is before ${moment}`);
    const digests = samples.map(({ digest }) => digest);
    assert.deepEqual(await store.remove(digests, moment), []);
    for (const each of samples) await isThere(store, each);
  });

  test("what is put again while it is removed is there", async (places) => {
    const { place, store } = await places.open();
    if (!slackPasses(store, place)) return;
    const other = await places.again(place);
    for (let round = 0; round < ROUNDS; round++) {
      const samples = await putSamples(store, [100, 1000, ...(round % 10 === 0 ? [MIB + 1] : [])]);
      await letPass(store, place, store.capabilities.putAtSlackMilliseconds + 5);
      const moment = await store.now();
      await letPass(store, place, 30);
      const digests = samples.map(({ digest }) => digest);
      const putting = samples.map(({ bytes, digest }) => other.put(bytes, digest));
      const removing = [store, other].map((each) => each.remove(digests, moment));
      await Promise.all([...putting, ...removing]);
      for (const each of samples) await isThere(store, each);
    }
    await settled(place, store);
  });

  test("to collect takes nothing of what was put, and gives back the room of what was removed", async (places) => {
    const { place, store } = await places.open();
    const kept = await putSamples(store);
    const dead = await putSamples(store, [6 * MIB, 1000]);
    await letPass(store, place, 30);
    const before = await store.space();
    await store.remove(
      dead.map(({ digest }) => digest),
      await store.now(),
    );
    const freed = await store.collect(await store.now());
    assert.ok(freed >= 0);
    const after = await store.space();
    if (before !== undefined && after !== undefined)
      assert.ok(after < before - 4 * MIB, `${before} → ${after}`);
    for (const each of kept) await isThere(store, each);
    for (const each of dead) await isNotThere(store, each);
    for (const each of kept) await isThere(await places.again(place), each);
  });

  test("to collect takes nothing of what is being put", async (places) => {
    const { store } = await places.open();
    const samples = [1000, MIB + 1, 6 * MIB].map(sample);
    const putting = samples.map(({ bytes }) =>
      store.putPieces(
        (async function* () {
          yield* inPieces(bytes.subarray(0, bytes.length - 1), MIB);
          await store.collect((await store.now()) - 60_000);
          yield bytes.subarray(bytes.length - 1);
        })(),
      ),
    );
    // One of those that compact at the same time may be told so.
    const ended = await Promise.allSettled(putting);
    for (const [i, end] of ended.entries()) if (end.status === "fulfilled") await isThere(store, samples[i]!);
    assert.ok(ended.some(({ status }) => status === "fulfilled"));
  });

  test("parts that blobs have in common are kept for the one that stays", async (places) => {
    const { place, store } = await places.open();
    const one = sample(5 * MIB);
    const other = sampleOf(Buffer.concat([one.bytes, sample(1000).bytes]));
    for (const { bytes, digest } of [one, other]) await store.put(bytes, digest);
    const own = (await listed(store)).reduce((sum, { ownBytes }) => sum + ownBytes, 0);
    if (store.capabilities.sharesChunks) assert.ok(own < 2 * MIB, `${own} bytes of their own`);
    await letPass(store, place, 30);
    await store.remove([one.digest], await store.now());
    await store.collect(await store.now());
    await isThere(store, other);
    await isNotThere(store, one);
  });
}

async function settled(place: BlobPlace, store: BlobStore): Promise<void> {
  await store.collect((await store.now()) + 60_000);
  assert.deepEqual((await place.leftBehind?.()) ?? [], []);
}
