import assert from "node:assert/strict";
import type { BlobSpan, BlobStore } from "../../engine/main.ts";
import type { Sample, TestOfPlaces } from "./blob-places.ts";
import {
  collected,
  fails,
  hex,
  isNotThere,
  isThere,
  listed,
  MIB,
  putSamples,
  SIZES,
  same,
  sample,
  sortedHex,
} from "./blob-places.ts";
import type { Damage } from "./blob-store.ts";

const PIECE_BYTES_MAX = 8 * MIB;

/** What is read is right, or an error says that it is not. */
export function testReading(test: TestOfPlaces): void {
  test("any span is given, exactly", async (places) => {
    const { store } = await places.open();
    for (const { bytes, digest, size } of await putSamples(store)) {
      for (const span of spansOf(size)) {
        const wanted = bytes.subarray(span.start, span.end);
        const what = `${span.start} to ${span.end} of ${size}`;
        same(await store.get(digest, size, span), wanted, what);
        same(await collected(store.pieces(digest, size, span)), wanted, `pieces from ${what}`);
      }
    }
  });

  test("pieces are of a bounded length, and none is empty", async (places) => {
    const { store } = await places.open();
    const long = await putSamples(store, [0, 12 * MIB]);
    for (const { digest, size } of long) {
      for await (const piece of store.pieces(digest, size))
        assert.ok(piece.length > 0 && piece.length <= PIECE_BYTES_MAX, `a piece of ${piece.length}`);
    }
  });

  test("who leaves early has what came first, and the rest of the store works", async (places) => {
    const { store } = await places.open();
    const [long] = await putSamples(store, [12 * MIB]);
    for await (const piece of store.pieces(long!.digest, long!.size)) {
      same(piece, long!.bytes.subarray(0, piece.length));
      break;
    }
    for await (const _ of store.list()) break;
    await isThere(store, long!);
  });

  test("what was given belongs to the caller", async (places) => {
    const { store } = await places.open();
    for (const each of await putSamples(store, [1000, MIB])) {
      (await store.get(each.digest, each.size)).fill(0);
      for await (const piece of store.pieces(each.digest, each.size)) piece.fill(0);
      await isThere(store, each);
    }
  });

  test("what is not there is NOT_FOUND", async (places) => {
    const { store } = await places.open();
    await isNotThere(store, sample(10));
    await putSamples(store);
    for (const size of SIZES.slice(1)) await isNotThere(store, sample(size));
  });

  test("a blob of another length than its metadata tell is CORRUPTION", async (places) => {
    const { store } = await places.open();
    for (const { digest, size } of await putSamples(store)) {
      for (const told of [size - 1, size + 1, size * 2 + 10]) {
        if (told < 0) continue;
        await fails(store.get(digest, told), "CORRUPTION");
        await fails(store.get(digest, told, { start: 0, end: Math.min(told, 1) }), "CORRUPTION");
        await fails(collected(store.pieces(digest, told)), "CORRUPTION");
      }
    }
  });

  for (const damage of ["other bytes", "shorter", "longer"] as const)
    test(`a copy that is damaged (${damage}) is CORRUPTION, before the last of it is given`, async (places) => {
      for (const size of [1000, MIB, 5 * MIB]) {
        const { place, store } = await places.open();
        const [one, other] = await putSamples(store, [size, size]);
        await store.close();
        if (!(await place.damage?.(one!.digest, size, damage))) return;
        const again = await places.again(place);
        await fails(again.get(one!.digest, size), "CORRUPTION");
        await endsEarly(again, one!);
        await isThere(again, other!);
      }
    });

  for (const damage of ["shorter", "longer"] satisfies Damage[])
    test(`a copy that is ${damage} than it was is replaced by the bytes that are put`, async (places) => {
      const { place, store } = await places.open();
      for (const size of [1000, MIB + 1]) {
        const [one] = await putSamples(store, [size]);
        if (!(await place.damage?.(one!.digest, size, damage))) return;
        await store.put(one!.bytes, one!.digest);
        await isThere(store, one!);
      }
    });

  test("a listing has all blobs, in the order of their digests, with what is to be known of them", async (places) => {
    const { store } = await places.open();
    assert.deepEqual(await listed(store), []);
    const before = await store.now();
    const samples = await putSamples(store, [...SIZES, ...Array.from({ length: 300 }, (_, i) => 100 + i)]);
    const all = await listed(store);
    const after = await store.now();
    assert.deepEqual(
      all.map(({ digest }) => hex(digest)),
      sortedHex(samples),
    );
    const sizes = new Map(samples.map(({ digest, size }) => [hex(digest), size]));
    for (const { digest, size, putAt, ownBytes } of all) {
      assert.equal(size, sizes.get(hex(digest)));
      assert.ok(putAt >= before - CLOCK_STEP_MILLISECONDS && putAt <= after + CLOCK_STEP_MILLISECONDS);
      assert.ok(ownBytes >= size * 0.9 && ownBytes <= size * 1.1 + 8192, `${ownBytes} of ${size}`);
    }
  });
}

/** Times of files go by steps of the system's own clock, which may lie behind the one that is asked. */
const CLOCK_STEP_MILLISECONDS = 20;

function spansOf(size: number): BlobSpan[] {
  const middle = size >> 1;
  const ends = [0, 1, 65_536, middle, MIB, size - 1, size];
  const within = [...new Set(ends.filter((end) => end >= 0 && end <= size))].sort((a, b) => a - b);
  return within.flatMap((start) => within.filter((end) => end >= start).map((end) => ({ start, end })));
}

/** The reading fails while something is left to give. */
async function endsEarly(store: BlobStore, { bytes, digest, size }: Sample): Promise<void> {
  let given = 0;
  const read = async () => {
    for await (const piece of store.pieces(digest, size)) given += piece.length;
  };
  await fails(read(), "CORRUPTION");
  assert.ok(given < bytes.length, `${given} bytes were given of ${bytes.length}`);
}
