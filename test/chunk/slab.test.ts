import { suite } from "uvu";
import * as assert from "uvu/assert";
import { chunksOf } from "../../engine/chunk/chunks.ts";
import { SLAB_BYTES } from "../../engine/chunk/slab.ts";
import { Random } from "../helpers/random.ts";
import { inPieces, sha256, steadyBytes, Watched } from "./support.ts";

const test = suite("memory of chunks");

test("is used again once all chunks of it were given back, and not before", async () => {
  const random = new Random("given back");
  const value = steadyBytes("given back", 20 * SLAB_BYTES);
  const slabs = new Set<ArrayBufferLike>();
  const waiting: { bytes: Uint8Array; digest: Buffer; release?: (() => void) | undefined }[] = [];
  const giveBack = (index: number) => {
    const [chunk] = waiting.splice(index, 1);
    assert.ok(sha256(chunk!.bytes).equals(chunk!.digest), "nobody has written to it");
    chunk!.release!();
  };
  for await (const chunk of chunksOf(new Watched(inPieces(value, random)))) {
    slabs.add(chunk.bytes.buffer);
    waiting.push(chunk);
    // In another order than they came, and never more than two slabs of them waiting.
    while (waiting.length > 24) giveBack(random.below(8));
  }
  while (waiting.length > 0) giveBack(waiting.length - 1);
  assert.ok(slabs.size >= 2 && slabs.size <= 6, `${slabs.size} slabs for ${value.length / SLAB_BYTES}`);
});

test("is that of the collector where somebody keeps a chunk", async () => {
  const value = steadyBytes("kept", 8 * SLAB_BYTES);
  const kept: { bytes: Uint8Array; digest: Buffer }[] = [];
  let count = 0;
  for await (const chunk of chunksOf(new Watched([value]))) {
    if (count++ % 40 === 0) kept.push(chunk);
    else chunk.release!();
  }
  assert.ok(kept.length > 3);
  for (const { bytes, digest } of kept) assert.ok(sha256(bytes).equals(digest));
});

test.run();
