import { samePlace } from "./index/change.ts";
import { indexDamage } from "./index/damage.ts";
import type { Row } from "./index/rows.ts";
import type { IndexView } from "./index-view.ts";
import { DIGEST_BYTES, RecordKind, writeUint32, writeUint53 } from "./log/format.ts";
import type { LogReader } from "./log/reader.ts";
import { isRetired } from "./log/reader.ts";
import type { ReadCache, Use } from "./read-cache.ts";

/** How often what is gone from one place is looked for in the next: records are moved seldom. */
export const MOVES_MAX = 3;

/** The contents of rows, from where they lie now. */
export class ContentReader {
  readonly #reader: LogReader;
  readonly #view: IndexView;

  readonly #cache: ReadCache;
  readonly #cacheKey = Buffer.alloc(DIGEST_BYTES);

  constructor(reader: LogReader, view: IndexView, cache: ReadCache) {
    this.#reader = reader;
    this.#view = view;
    this.#cache = cache;
  }

  /** What stands behind the references of a row. */
  of(key: Uint8Array, row: Row): Buffer | Promise<Buffer> {
    return row.inline ?? this.#read(key, row, 0);
  }

  /** See `EngineCore.decodedContent`: what is on the disk for good stays the same in its place. */
  decoded<T>(key: Uint8Array, row: Row, decode: Use<T>): T | Promise<T> {
    if (row.inline) return decode(row.inline, 0, row.inline.length);
    const cache = this.#cache;
    if (cache.isKept(row.cachedAt)) return cache.use(row.cachedAt, decode);
    const cacheKey = this.#cacheKeyOf(row);
    row.cachedAt = cache.find(cacheKey);
    if (row.cachedAt > 0) return cache.use(row.cachedAt, decode);
    const start = this.#startOfSmall(key, row);
    if (start === 0) return cache.useNew(cacheKey, this.of(key, row), decode);
    return cache.useNewIn(cacheKey, this.#reader.shared, start, start + row.place.payloadLength, decode);
  }

  /** Where in the reader's shared buffer it begins; 0 where something is in the way. */
  #startOfSmall(key: Uint8Array, { place }: Row): number {
    try {
      return this.#reader.readShared(place, RecordKind.put, key);
    } catch {
      return 0;
    }
  }

  /** What tells a record from all others; the first bytes are spread as those of a digest are. */
  #cacheKeyOf({ sequence, place: { segment, offset, payloadLength } }: Row): Buffer {
    const key = this.#cacheKey;
    writeUint32(key, Math.imul(sequence ^ (offset >>> 3), 0x9e3779b1) >>> 0, 0);
    writeUint53(key, sequence, 4);
    writeUint53(key, segment, 12);
    writeUint53(key, offset, 20);
    writeUint32(key, payloadLength % 2 ** 32, 28);
    return key;
  }

  #read(key: Uint8Array, row: Row, moves: number): Buffer | Promise<Buffer> {
    try {
      const payload = this.#reader.read(row.place, RecordKind.put, key);
      if (!(payload instanceof Promise)) return contentIn(payload, row);
      return payload.then(
        (bytes) => contentIn(bytes, row),
        (error) => this.#moved(key, row, error, moves),
      );
    } catch (error) {
      return this.#moved(key, row, error, moves);
    }
  }

  /**
   * The record was moved, and this process stopped for so long that its old place was not kept. In the new one it is the
   * same, unless the key was written since: then whoever asked has to begin again.
   */
  async #moved(key: Uint8Array, row: Row, error: unknown, moves: number): Promise<Buffer> {
    if (!isRetired(error) || moves === MOVES_MAX) throw error;
    const now = await this.#view.newestRow(key);
    if (now?.sequence !== row.sequence || now.time !== row.time) throw error;
    if (samePlace(now.place, row.place)) throw namesRetired(error);
    return this.#read(key, now, moves + 1);
  }
}

/** The newest state of the index names a file that was replaced long ago: it was made before that. */
export function namesRetired(error: unknown): unknown {
  return indexDamage("the index names a place in the log from before it was compacted", error);
}

const contentIn = (payload: Buffer, { references }: Row): Buffer =>
  payload.subarray(references.length * DIGEST_BYTES);
