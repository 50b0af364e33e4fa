import { createHash } from "node:crypto";
import { types } from "node:util";
import { contentDigest } from "../blob/digest.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import { nextCut } from "./cutter.ts";
import { SLAB_BEGIN, SLAB_END, Slabs } from "./slab.ts";
import { type FullSlab, SlabCutter } from "./slab-cutter.ts";
import { type ByteSource, type FileSource, type Pieces, piecesOf } from "./source.ts";

/** A value of at most this size is one chunk, however it came: it is kept whole. Part of the format, as the cuts are. */
export const WHOLE_BYTES_MAX = 1024 * 1024;
/** For so long the event loop waits for cuts and hashes. */
const TURN_MILLISECONDS = 3;

/** What is taken of a chunk together with its digest: see `ChunkOptions`. */
export interface Seal {
  salt: bigint;
  checksum: bigint;
}

export interface Chunk {
  /**
   * Nothing writes to them before `release`, unless the value was given as bytes in memory: then they are a view of that
   * memory, and whoever keeps them makes sure that they are still those of the digest.
   */
  bytes: Uint8Array;
  /** Their memory may be used for others: to be called once, by who has done with them, or never. */
  release?: (() => void) | undefined;
  /** Their SHA-256. */
  digest: Buffer;
  /** Where in the value they begin. */
  offset: number;
  seal?: Seal | undefined;
}

/** What is known when all has been read. */
export interface Whole {
  /** SHA-256 of all bytes. */
  digest: Buffer;
  size: number;
  chunks: number;
}

export interface ChunkOptions {
  signal?: AbortSignal | undefined;
  /** Called with the number of bytes that were cut and hashed so far, behind each chunk. */
  onBytes?: ((done: number) => void) | undefined;
  /**
   * Called with the bytes of each chunk without a pause behind their digest: what it takes of them is of the same bytes,
   * whatever somebody does to their memory later.
   */
  seal?: ((bytes: Uint8Array) => Seal) | undefined;
}

/**
 * A value as chunks, in order, with their digests. The same bytes give the same chunks, whether they come as a stream, in whatever
 * pieces, or lie in memory. A value of up to 1 MiB is one chunk, also an empty one.
 *
 * A source is read no faster than chunks are taken. Held are a few slabs of 2 MiB and those whose chunks somebody still
 * holds. Iterate once; leaving early, or `close` without iterating at all, closes the source.
 *
 * @throws as `piecesOf`
 */
export function chunksOf(source: Uint8Array | ByteSource | FileSource, options: ChunkOptions = {}): Chunks {
  return new Chunks(types.isUint8Array(source) ? viewOf(source) : piecesOf(source, options), options);
}

export class Chunks implements AsyncIterable<Chunk> {
  readonly #from: Uint8Array | Pieces;
  /** Of memory, when it was given. */
  readonly #length: number;
  readonly #options: ChunkOptions;
  readonly #whole = createHash("sha256");
  #size = 0;
  #count = 0;
  #digest: Buffer | undefined;
  #isTaken = false;
  #turnAt = 0;

  constructor(from: Uint8Array | Pieces, options: ChunkOptions) {
    this.#from = from;
    this.#length = types.isUint8Array(from) ? from.length : 0;
    this.#options = options;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Chunk, void> {
    if (this.#isTaken) {
      throw new VarveError("INVALID_ARGUMENT", "the chunks were iterated before", {
        hint: "make others, from a source that was not read yet",
      });
    }
    this.#isTaken = true;
    return types.isUint8Array(this.#from) ? this.#ofMemory(this.#from) : this.#ofPieces(this.#from);
  }

  /** Digest and size of the whole value, known when the last chunk was taken. */
  get whole(): Whole {
    if (this.#digest === undefined) {
      throw new VarveError("INVALID_ARGUMENT", "the value was not read to its end", {
        hint: "take all chunks first",
      });
    }
    return { digest: this.#digest, size: this.#size, chunks: this.#count };
  }

  /** For who gives up before the first chunk, or while one is waited for: that ends with ABORTED, or an error of the source. */
  async close(): Promise<void> {
    if (!types.isUint8Array(this.#from)) await this.#from.return();
  }

  async *#ofMemory(bytes: Uint8Array): AsyncGenerator<Chunk, void> {
    const length = this.#length;
    throwIfAborted(this.#options.signal);
    if (bytes.length !== length) throw takenAway();
    if (length <= WHOLE_BYTES_MAX) return yield this.#takeWhole(bytes);
    for (let from = 0; from < length; ) {
      if (bytes.length !== length) throw takenAway();
      const end = nextCut(bytes, from, length, true)!;
      yield this.#takeForeign(bytes.subarray(from, end));
      from = end;
      await this.#breathe();
    }
    this.#digest = this.#whole.digest();
  }

  /** Leaving the loop early closes the source. */
  async *#ofPieces(pieces: Pieces): AsyncGenerator<Chunk, void> {
    const slabs = new Slabs();
    const cutter = new SlabCutter();
    let slab = slabs.take();
    let end = SLAB_BEGIN;
    try {
      for await (const piece of pieces) {
        for (let at = 0; at < piece.length; ) {
          const part = piece.subarray(at, at + SLAB_END - end);
          slab.bytes.set(part, end);
          end += part.length;
          at += part.length;
          if (end < SLAB_END) continue;
          const full = slab;
          slab = slabs.take(full);
          yield* this.#cut(cutter, { slab: full, end, isLast: false });
          end = SLAB_BEGIN;
        }
      }
      if (!pieces.hasEnded) throw closed();
      const isWhole = this.#count === 0 && end - SLAB_BEGIN <= WHOLE_BYTES_MAX;
      if (isWhole) return yield this.#takeWhole(slab.bytes.slice(SLAB_BEGIN, end));
      yield* this.#cut(cutter, { slab, end, isLast: true });
      this.#digest = this.#whole.digest();
    } finally {
      await cutter.close();
    }
  }

  async *#cut(cutter: SlabCutter, full: FullSlab): AsyncGenerator<Chunk, void> {
    const { slab, end } = full;
    this.#whole.update(slab.bytes.subarray(SLAB_BEGIN, end));
    cutter.give(full);
    for (let next = cutter.next(); next; next = cutter.next()) {
      const { slab, cuts } = await next;
      for (const { start, end, digest } of cuts) {
        yield this.#take(slab.hold(start, end), digest, slab.release);
        await this.#breathe();
      }
      slab.release();
    }
  }

  #take(bytes: Uint8Array, digest: Buffer, release?: () => void): Chunk {
    const chunk = { bytes, release, digest, offset: this.#size, seal: this.#options.seal?.(bytes) };
    this.#count += 1;
    this.#size += bytes.length;
    this.#options.onBytes?.(this.#size);
    return chunk;
  }

  /** Chunk and whole are hashed without a pause between them: whatever happens to the bytes, the one is made of the others. */
  #takeForeign(bytes: Uint8Array): Chunk {
    const chunk = this.#take(bytes, contentDigest(bytes));
    this.#whole.update(bytes);
    return chunk;
  }

  #takeWhole(bytes: Uint8Array): Chunk {
    const digest = contentDigest(bytes);
    this.#digest = digest;
    this.#count = 1;
    this.#size = bytes.length;
    this.#options.onBytes?.(this.#size);
    return { bytes, digest, offset: 0 };
  }

  /** A source that has its bytes at hand would else keep everybody waiting to its end. */
  async #breathe(): Promise<void> {
    if (performance.now() - this.#turnAt < TURN_MILLISECONDS) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(this.#options.signal);
    this.#turnAt = performance.now();
  }
}

/** Of one class, whatever was given: the loops over them are made for it. */
function viewOf(bytes: Uint8Array): Uint8Array {
  try {
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch {
    throw takenAway();
  }
}

/** What was read of it so far must not pass for all of it. */
function closed(): VarveError {
  return new VarveError("ABORTED", "the source was closed before its end", {
    hint: "nothing of it was saved; give a new one to try again",
  });
}

function takenAway(): VarveError {
  return new VarveError("INVALID_ARGUMENT", "the memory of the value was transferred away", {
    hint: "leave the bytes as they are until the promise settles",
  });
}
