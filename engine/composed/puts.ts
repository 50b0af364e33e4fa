import type { CallOptions } from "../api.ts";
import { throwIfAborted, VarveError } from "../errors.ts";
import type { BlobFacts, BlobStore, Digest } from "../ports/blob-store.ts";

/** So many of those that are read while they are put are under way at a time: others wait. */
const STREAMS_MAX = 16;

/** Since when something lasts, by two clocks: one of them may stand still while the machine sleeps, the other be set. */
export class Since {
  readonly #steady = performance.now();
  readonly #wall = Date.now();

  get milliseconds(): number {
    return Math.max(performance.now() - this.#steady, Date.now() - this.#wall);
  }
}

/**
 * Bytes that were put, and that no version needs yet. What was put longer ago than the grace time may be collected, so that
 * before half of it is over either a version needs them, or they are put again.
 */
export interface Kept {
  /** Since the put began that was the last one. */
  readonly age: number;
  putAgain(): Promise<void>;
}

export interface KeptBlob extends Kept, BlobFacts {}

/** Puts the bytes of values, a limited number at a time. */
export class Puts {
  readonly #blobs: BlobStore;
  readonly #small: Turns;
  readonly #streams = new Turns(STREAMS_MAX);

  constructor(blobs: BlobStore) {
    this.#blobs = blobs;
    this.#small = new Turns(blobs.capabilities.putsAtOnce);
  }

  /** Bytes that stay as they are until their version is there. */
  async whole(bytes: Uint8Array, digest: Digest, options?: CallOptions): Promise<KeptBlob> {
    const put = () => this.#small.take(() => this.#blobs.put(bytes, digest, unlessAborted(options)));
    const kept = new Repeated(digest, bytes.length, () => put());
    await put();
    return kept;
  }

  /** Bytes that can be had once. */
  async pieces(pieces: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<KeptBlob> {
    const since = new Since();
    const { digest, size } = await this.#streams.take(() =>
      this.#blobs.putPieces(pieces, unlessAborted(options)),
    );
    return new Repeated(digest, size, () => this.touch({ digest, size }), since);
  }

  /** What was put long ago counts as put now. @throws UNAVAILABLE where it is gone by now */
  async touch({ digest, size }: BlobFacts): Promise<void> {
    try {
      await this.#streams.take(() => this.#blobs.putPieces(this.#blobs.pieces(digest, size)));
    } catch (error) {
      throw isGone(error) ? collectedMeanwhile(error) : error;
    }
  }
}

/** A limited number at a time, in the order of their calls. */
class Turns {
  readonly #max: number;
  #running = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  async take<T>(put: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#max) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await put();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}

class Repeated implements KeptBlob {
  readonly digest: Digest;
  readonly size: number;
  readonly #again: () => Promise<void>;
  #since: Since;

  constructor(digest: Digest, size: number, again: () => Promise<void>, since = new Since()) {
    this.digest = digest;
    this.size = size;
    this.#again = again;
    this.#since = since;
  }

  get age(): number {
    return this.#since.milliseconds;
  }

  async putAgain(): Promise<void> {
    const since = new Since();
    await this.#again();
    this.#since = since;
  }
}

function unlessAborted(options: CallOptions | undefined): CallOptions {
  throwIfAborted(options?.signal);
  return options?.signal ? { signal: options.signal } : {};
}

function isGone(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return code === "NOT_FOUND" || (code === "IO" && isGone(cause));
}

function collectedMeanwhile(cause: unknown): VarveError {
  return new VarveError("UNAVAILABLE", "the save took so long that its bytes were collected meanwhile", {
    hint: "nothing was saved: save it again",
    cause,
  });
}
