import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { BlobFacts, BlobStore, Digest, ListedBlob } from "../../engine/main.ts";
import type { BlobPlace } from "./blob-store.ts";

export const MIB = 1024 * 1024;
/** Where places go over from one way of keeping to another, and what lies on both sides. */
export const SIZES = [0, 1, 1000, MIB - 1, MIB, MIB + 1, 5 * MIB];

export type TestOfPlaces = (name: string, run: (places: BlobPlaces) => Promise<void>) => void;

/** The places of one test, and what is open of them. */
export class BlobPlaces {
  readonly #newPlace: () => Promise<BlobPlace>;
  readonly #open: BlobStore[] = [];

  constructor(newPlace: () => Promise<BlobPlace>) {
    this.#newPlace = newPlace;
  }

  /** A new place, opened. */
  async open(): Promise<{ place: BlobPlace; store: BlobStore }> {
    const place = await this.#newPlace();
    return { place, store: await this.again(place) };
  }

  /** A place that is there, opened once more. */
  async again(place: BlobPlace): Promise<BlobStore> {
    return this.track(await place.open());
  }

  track(store: BlobStore): BlobStore {
    this.#open.push(store);
    return store;
  }

  async close(): Promise<void> {
    await Promise.all(this.#open.splice(0).map((store) => store.close()));
  }
}

/** A blob that no other test has. */
export interface Sample extends BlobFacts {
  bytes: Uint8Array;
}

export function sample(size: number): Sample {
  return sampleOf(randomBytes(size));
}

export function sampleOf(bytes: Uint8Array): Sample {
  return { bytes, size: bytes.length, digest: createHash("sha256").update(bytes).digest() };
}

/** One of each of the sizes, kept. */
export async function putSamples(store: BlobStore, sizes = SIZES): Promise<Sample[]> {
  const samples = sizes.map(sample);
  await Promise.all(samples.map(({ bytes, digest }) => store.put(bytes, digest)));
  return samples;
}

/** Pieces of some length, in one memory that is written over each time, with an empty one now and then. */
export async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(length);
  for (let at = 0, count = 0; at < bytes.length; count++) {
    if (count % 5 === 3) yield memory.subarray(0, 0);
    const piece = bytes.subarray(at, at + length);
    memory.set(piece);
    at += piece.length;
    yield memory.subarray(0, piece.length);
    memory.fill(0xee);
  }
}

export async function collected(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

export async function listed(store: BlobStore): Promise<ListedBlob[]> {
  const all: ListedBlob[] = [];
  for await (const blob of store.list()) all.push(blob);
  return all;
}

export const hex = (digest: Digest): string => Buffer.from(digest).toString("hex");

export const sortedHex = (blobs: readonly { digest: Digest }[]): string[] =>
  blobs.map(({ digest }) => hex(digest)).sort();

/** Without printing a million bytes where they are not. */
export function same(actual: Uint8Array, expected: Uint8Array, what = "bytes"): void {
  assert.ok(actual instanceof Uint8Array, `${what}: no Uint8Array`);
  assert.equal(actual.length, expected.length, `${what}: their number`);
  assert.ok(Buffer.compare(actual, expected) === 0, `${what}: other bytes`);
}

export async function isThere(store: BlobStore, { bytes, digest, size }: Sample): Promise<void> {
  assert.equal(await store.sizeOf(digest), size, "size");
  same(await store.get(digest, size), bytes, `get of ${size}`);
  same(await collected(store.pieces(digest, size)), bytes, `pieces of ${size}`);
}

export async function isNotThere(store: BlobStore, { digest, size }: BlobFacts): Promise<void> {
  assert.equal(await store.sizeOf(digest), undefined, "size");
  await fails(store.get(digest, size), "NOT_FOUND");
  await fails(store.get(digest, size, { start: 0, end: 0 }), "NOT_FOUND");
  await fails(collected(store.pieces(digest, size)), "NOT_FOUND");
}

/** Whatever is thrown is a `VarveError` with this code. */
export async function fails(call: Promise<unknown>, code: string): Promise<Error & { cause?: unknown }> {
  const error = await call.then(
    () => assert.fail(`it succeeded instead of failing with ${code}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Error, `no error was thrown but ${String(error)}`);
  assert.equal(error.name, "VarveError", `${error.stack}`);
  assert.equal((error as Error & { code?: string }).code, code, error.message);
  return error;
}

/** The time of the place is later than now by more than so much. */
export async function letPass(store: BlobStore, place: BlobPlace, milliseconds: number): Promise<void> {
  const until = (await store.now()) + milliseconds;
  place.pass?.(milliseconds + 1);
  while ((await store.now()) <= until) await sleep(1 + (until - (await store.now())));
}

/** Whether a test can wait until a put of what is there counts anew. */
export function slackPasses(store: BlobStore, place: BlobPlace): boolean {
  return place.pass !== undefined || store.capabilities.putAtSlackMilliseconds <= 1_000;
}
