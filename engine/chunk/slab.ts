import { CHUNK_BYTES_MAX } from "./cutter.ts";

/** Pieces are gathered in memory of this size: more than a whole value, so it tells one from the beginning of a longer one. */
export const SLAB_BYTES = 2 * 1024 * 1024;
/** In front of that is room for what of the slab before has no end yet, which is less than the longest chunk. */
export const SLAB_BEGIN = CHUNK_BYTES_MAX;
export const SLAB_END = SLAB_BEGIN + SLAB_BYTES;

/**
 * Memory that pieces are gathered in and chunks are cut from; another thread may look at it. It is used again when all of its
 * chunks were given back: new memory for each two megabytes of a value costs as much time as the digests of its chunks. One
 * of which a chunk is never given back is left to the collector.
 */
export class Slab {
  readonly memory = new SharedArrayBuffer(SLAB_END);
  readonly bytes = new Uint8Array(this.memory);
  readonly #onFree: (slab: Slab) => void;
  /** Who gathers in it, and chunks that somebody needs. */
  #users = 1;

  constructor(onFree: (slab: Slab) => void) {
    this.#onFree = onFree;
  }

  /** A chunk of it, which somebody needs until `release`. */
  hold(start: number, end: number): Uint8Array {
    this.#users++;
    return this.bytes.subarray(start, end);
  }

  /** One of those who need it does not any more: to be called once by each. */
  readonly release = (): void => {
    this.#users--;
    if (this.#users > 0) return;
    this.#users = 1;
    this.#onFree(this);
  };
}

/** Those of one value. */
export class Slabs {
  readonly #free: Slab[] = [];

  /** @param before a full one, behind which this goes on */
  take(before?: Slab): Slab {
    const slab = this.#free.pop() ?? new Slab((free) => this.#free.push(free));
    if (before) slab.bytes.set(before.bytes.subarray(SLAB_END - SLAB_BEGIN));
    return slab;
  }
}
