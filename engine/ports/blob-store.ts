import type { CallOptions } from "../api.ts";

/**
 * Where the bytes of values are kept, when that is not the embedded store's own log: a flat set of blobs, each found again
 * by the SHA-256 of its bytes. Blobs are of any length. What is promised here is tried by the conformance suite of the
 * port, which every implementation passes.
 */

/** 32 bytes: SHA-256. */
export type Digest = Uint8Array;

export interface BlobFacts {
  digest: Digest;
  /** Bytes. */
  size: number;
}

/** A blob as a listing gives it. */
export interface ListedBlob extends BlobFacts {
  /**
   * When it was last put, also where it was there already; milliseconds since 1970 by `BlobStore.now`. At most
   * `putAtSlackMilliseconds` too early.
   */
  putAt: number;
  /** Bytes that removing it will free: more than `size` where it has headers, fewer where parts of it are shared. */
  ownBytes: number;
}

/** Bytes from `start` up to, not including, `end`; both within the blob. */
export interface BlobSpan {
  start: number;
  end: number;
}

/** What an implementation can do beside what all can: declared, not found out by trying. */
export interface BlobStoreCapabilities {
  /** A name for messages and tables, such as `log`, `folder`. */
  readonly name: string;
  /** Blobs with parts in common share their bytes. */
  readonly sharesChunks: boolean;
  /** Other machines can reach it. */
  readonly isRemote: boolean;
  /** A put of what is there already may count as so much earlier than it was: whoever removes what is old leaves a margin. */
  readonly putAtSlackMilliseconds: number;
  /** So many puts of small blobs at a time are best. */
  readonly putsAtOnce: number;
}

export interface BlobStore {
  readonly capabilities: BlobStoreCapabilities;
  /** For people: without credentials. */
  readonly location: string;

  /** The id of the store whose values these are, 32 hexadecimal digits; undefined as long as it belongs to none. */
  storeId(): Promise<string | undefined>;
  /**
   * Makes a place that belongs to no store that of this one. Two at once: one of them wins.
   * @throws CONFIG when it is another store's already; READ_ONLY
   */
  bind(storeId: string): Promise<void>;
  /** The time of the place, by which `putAt` is told: not that of this machine, where others keep the bytes. */
  now(options?: CallOptions): Promise<number>;

  /**
   * Keeps bytes; resolves when they are as durable as the place can make them. Bytes that are there already are not written
   * again (but where the copy there has another length), and count as put now. The caller leaves them unchanged until then:
   * above 1 MiB it is CONFLICT where they turn out not to be those of the digest.
   * May be called by many at once, for the same bytes too. Repeating it after any failure is safe: there is never a blob
   * under a digest that is not its own.
   * @throws NO_SPACE, IO, UNAVAILABLE, UNAUTHORIZED, READ_ONLY, CONFLICT
   */
  put(bytes: Uint8Array, digest: Digest, options?: CallOptions): Promise<void>;
  /**
   * The same for bytes that come piece by piece, whose digest and number are known at the end. In memory of a fixed size;
   * each piece is done with before the next is asked for. Where the pieces fail (what they throw is the cause of an IO), are no
   * bytes (UNSUPPORTED_VALUE) or the signal aborts, there is no blob, and what is left behind is removed by `collect`.
   */
  putPieces(pieces: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<BlobFacts>;

  /**
   * The bytes, all of them or a span, which are the caller's from then on. All of them have been compared with the digest, or
   * with checksums that were kept beside them; a span has, as far as the place can tell without reading all. It is never longer
   * or shorter than asked for.
   * @param size of the whole blob, as its metadata tells
   * @throws NOT_FOUND when it is not there, CORRUPTION when it has other bytes, or another length; NOT_SUPPORTED above 1 GiB
   */
  get(digest: Digest, size: number, span?: BlobSpan, options?: CallOptions): Promise<Uint8Array>;
  /**
   * The same in pieces of at most a few MiB, few of which are in memory at a time, and none of which is empty. What was compared
   * as a whole was so before the last piece is given. Leaving early frees what it holds.
   */
  pieces(digest: Digest, size: number, span?: BlobSpan, options?: CallOptions): AsyncIterable<Uint8Array>;
  /** Bytes of a blob; undefined where there is none. Reads nothing of it. */
  sizeOf(digest: Digest, options?: CallOptions): Promise<number | undefined>;

  /** All blobs, in the order of their digests. One that is put or removed meanwhile may be missing or not. */
  list(options?: CallOptions): AsyncIterable<ListedBlob>;
  /**
   * Removes blobs whose `putAt` is before `putBefore`, and says which ones are gone now (also those that were not there).
   * One that is put again at the same time is kept, or is put by that call as if it had never been there. Interrupted, it has
   * removed some, and one or the other of them may come back.
   */
  remove(digests: readonly Digest[], putBefore: number, options?: CallOptions): Promise<Digest[]>;
  /**
   * Gives back what interrupted calls have left behind for longer than since `before`, and the room of what was removed. Gives the
   * bytes that were freed.
   */
  collect(before: number, options?: CallOptions): Promise<number>;
  /** Bytes that the place takes, where that can be told without asking for every blob. */
  space(): Promise<number | undefined>;

  /** Waits for running calls; idempotent. Later calls are CLOSED. */
  close(): Promise<void>;
}
