/** Pieces are gathered in memory of this size: more than a whole value, so it tells one from the beginning of a longer one. */
export const SLAB_BYTES = 2 * 1024 * 1024;

/**
 * Memory that pieces are gathered in and chunks are cut from. It is used again when all of its chunks were given back: new
 * memory for each two megabytes of a value costs as much time as the digests of its chunks. One of which a chunk is never
 * given back is left to the collector.
 */
export class Slab {
  readonly bytes = new Uint8Array(Buffer.allocUnsafeSlow(SLAB_BYTES).buffer);
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

  take(): Slab {
    return this.#free.pop() ?? new Slab((slab) => this.#free.push(slab));
  }
}
