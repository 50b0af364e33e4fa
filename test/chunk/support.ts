import { createCipheriv, createHash } from "node:crypto";
import { types } from "node:util";
import type { Chunk, Chunks } from "../../engine/chunk/chunks.ts";
import { nextCut } from "../../engine/chunk/cutter.ts";
import type { Random } from "../helpers/random.ts";

/** Bytes that look random and are the same everywhere: AES-256-CTR over zeros, the key being the SHA-256 of the text. */
export function steadyBytes(text: string, length: number): Uint8Array {
  const cipher = createCipheriv("aes-256-ctr", sha256(text), Buffer.alloc(16));
  return new Uint8Array(cipher.update(Buffer.alloc(length)));
}

export function sha256(bytes: Uint8Array | string): Buffer {
  return createHash("sha256").update(bytes).digest();
}

/** The ends of all chunks. */
export function cutsOf(bytes: Uint8Array): number[] {
  const cuts: number[] = [];
  for (let from = 0; from < bytes.length; from = cuts.at(-1)!)
    cuts.push(nextCut(bytes, from, bytes.length, true)!);
  return cuts;
}

/** The bytes in pieces of any lengths, some of them empty. */
export function inPieces(bytes: Uint8Array, random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const longest = 1 + Math.floor(bytes.length / 4000) + random.below(2 ** random.below(23));
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + random.below(longest + 1));
    pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}

export async function taken(chunks: Chunks): Promise<Chunk[]> {
  const all: Chunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** An iterable that tells what became of it. */
export class Watched implements AsyncIterableIterator<Uint8Array> {
  readonly #pieces: Iterator<unknown>;
  pulled = 0;
  pulledBytes = 0;
  returned = 0;

  constructor(pieces: Iterable<unknown>) {
    this.#pieces = pieces[Symbol.iterator]();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array>> {
    const { done, value } = this.#pieces.next() as IteratorResult<Uint8Array>;
    if (done) return { done, value: undefined };
    this.pulled += 1;
    if (value instanceof Uint8Array && !types.isProxy(value)) this.pulledBytes += value.length;
    return { done: false, value };
  }

  async return(): Promise<IteratorResult<Uint8Array>> {
    this.returned += 1;
    return { done: true, value: undefined };
  }
}
