import type { Chunk, Chunks } from "../chunk/chunks.ts";
import { ListBuilder } from "../chunk/list-builder.ts";

/**
 * The pieces of a file, and the digest of the lists of its chunks as they pass: the manifest of the embedded store names it, and
 * so does that of every other, so that the same folder has the same digest everywhere.
 */
export class ListedPieces {
  readonly #chunks: Chunks;
  readonly #lists = new ListBuilder();
  #isChunked = false;

  constructor(chunks: Chunks) {
    this.#chunks = chunks;
  }

  async *pieces(): AsyncGenerator<Uint8Array> {
    let first: Chunk | undefined;
    for await (const chunk of this.#chunks) {
      if (chunk.offset > 0 && !this.#isChunked) {
        this.#isChunked = true;
        this.#lists.add(first!.digest, first!.bytes.length);
      }
      first ??= chunk;
      if (this.#isChunked) this.#lists.add(chunk.digest, chunk.bytes.length);
      yield chunk.bytes;
      // Only the first one is asked for its length later.
      if (chunk !== first) chunk.release?.();
    }
  }

  /** When all pieces were taken; undefined for what is kept whole. */
  get root(): Uint8Array | undefined {
    return this.#isChunked ? this.#lists.end().root.digest : undefined;
  }
}
