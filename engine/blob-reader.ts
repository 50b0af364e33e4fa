import { MOVES_MAX, namesRetired } from "./content-reader.ts";
import { VarveError } from "./errors.ts";
import { samePlace } from "./index/change.ts";
import type { Row } from "./index/rows.ts";
import type { IndexView } from "./index-view.ts";
import { RecordKind } from "./log/format.ts";
import type { LogReader, RecordPlace } from "./log/reader.ts";
import { isRetired } from "./log/reader.ts";
import { segmentNumber, segmentText } from "./log/segment-id.ts";
import type { ReadCache, Use } from "./read-cache.ts";

/** The bytes of blobs: from where a row says that they lie, or from a copy that was written since. */
export class BlobReader {
  readonly #reader: LogReader;
  readonly #view: IndexView;
  readonly #cache: ReadCache;
  /** Why segments can't be read that were replaced by others: rows may still name them for their blobs. */
  readonly #retired = new Map<number, unknown>();
  #retiredEpoch = 0;

  constructor(reader: LogReader, view: IndexView, cache: ReadCache) {
    this.#reader = reader;
    this.#view = view;
    this.#cache = cache;
  }

  /** The bytes of the first blob that a row refers to. */
  of(row: Row): Buffer | Promise<Buffer> {
    if (!row.blob) return this.#late(row);
    const [digest] = row.references;
    const retired = this.#whyRetired(row.blob.segment);
    if (retired) return this.#moved(digest!, row.blob, retired, 0);
    return this.#read(digest!, row.blob, 0, (error) => this.#otherCopy(row, error));
  }

  /** What `decode` makes of the bytes. Small ones it gets where they lie, mostly in the cache: it must keep no view of them. */
  decoded<T>(row: Row, decode: Use<T>): T | Promise<T> {
    const cache = this.#cache;
    if (cache.isKept(row.cachedAt)) return cache.use(row.cachedAt, decode);
    const digest = row.references[0];
    row.cachedAt = digest ? cache.find(digest) : 0;
    if (row.cachedAt > 0) return cache.use(row.cachedAt, decode);
    const start = this.#startOfSmall(row);
    if (start === 0) return cache.useNew(digest!, this.of(row), decode);
    return cache.useNewIn(digest!, this.#reader.shared, start, start + row.blob!.payloadLength, decode);
  }

  /** Where in the reader's shared buffer the bytes of a small blob begin; 0 where something is in the way. */
  #startOfSmall({ blob, references }: Row): number {
    if (!blob || this.#whyRetired(blob.segment)) return 0;
    try {
      return this.#reader.readShared(blob, RecordKind.blob, references[0]!);
    } catch {
      return 0;
    }
  }

  /**
   * @param before where it lay in the state that the caller reads from: since then it may have been dropped
   * @throws CORRUPTION when there is no such blob.
   */
  byDigest(digest: Buffer, before?: RecordPlace): Buffer | Promise<Buffer> {
    const known = this.#view.catalog.blob(digest);
    return known ? this.#read(digest, known.place, 0) : this.#newest(digest, before);
  }

  async #newest(digest: Buffer, before: RecordPlace | undefined): Promise<Buffer> {
    const newest = await this.#view.newestBlob(digest);
    const place = newest?.place ?? before;
    if (place) return this.#read(digest, place, 0);
    throw new VarveError(
      "CORRUPTION",
      `the blob sha256:${digest.toString("hex")} is missing from the index`,
      {
        hint: "rebuild the index from the log: `varve rebuild`",
      },
    );
  }

  /** A blob whose batch was lost may have been saved again since the row was. */
  #late(row: Row): Buffer | Promise<Buffer> {
    const [digest] = row.references;
    if (digest && this.#view.catalog.blob(digest)) return this.byDigest(digest);
    throw damagedRow(row);
  }

  /** A blob that was found damaged may have been written again since the row was. */
  #otherCopy(row: Row, error: unknown): Buffer | Promise<Buffer> {
    const digest = row.references[0]!;
    const known = this.#view.catalog.blob(digest);
    if (!known || samePlace(known.place, row.blob!)) throw error;
    return this.#read(digest, known.place, 0);
  }

  /** @param failed what to do where the file is there, and the blob in it can't be read */
  #read(
    digest: Buffer,
    place: RecordPlace,
    moves: number,
    failed?: (error: unknown) => Buffer | Promise<Buffer>,
  ): Buffer | Promise<Buffer> {
    const instead = (error: unknown) => {
      if (isRetired(error)) return this.#moved(digest, place, error, moves);
      if (failed) return failed(error);
      throw error;
    };
    try {
      const bytes = this.#reader.read(place, RecordKind.blob, digest);
      return bytes instanceof Promise ? bytes.catch(instead) : bytes;
    } catch (error) {
      return instead(error);
    }
  }

  /** The file was replaced: the blob is where its own row says, since what is moved are rows of blobs first of all. */
  #moved(digest: Buffer, place: RecordPlace, error: unknown, moves: number): Buffer | Promise<Buffer> {
    this.#noteRetired(place.segment, error);
    if (moves === MOVES_MAX) throw error;
    const known = this.#view.catalog.blob(digest);
    if (known && !samePlace(known.place, place)) return this.#read(digest, known.place, moves + 1);
    return this.#movedSince(digest, place, error, moves);
  }

  /** The same by the index in use, which may be another one by now. */
  async #movedSince(digest: Buffer, place: RecordPlace, error: unknown, moves: number): Promise<Buffer> {
    const newest = await this.#view.newestBlob(digest);
    // Nobody refers to it any more: whoever asked has to begin again, with a row of now.
    if (!newest) throw error;
    if (samePlace(newest.place, place)) throw namesRetired(error);
    return this.#read(digest, newest.place, moves + 1);
  }

  #whyRetired(segment: number): unknown {
    if (this.#retired.size === 0) return undefined;
    // Files may have been put back: what was remembered of them is void.
    if (this.#retiredEpoch !== this.#view.logEpoch) this.#retired.clear();
    return this.#retired.get(segment);
  }

  #noteRetired(segment: number, error: unknown): void {
    this.#retiredEpoch = this.#view.logEpoch;
    this.#retired.set(segment, error);
  }
}

/** The record that the row was made from is damaged, so nobody knows what it meant. */
export function damagedRow({ place: { segment, offset } }: Row): VarveError {
  return new VarveError("CORRUPTION", `damaged record at offset ${offset} of ${segmentText(segment)}`, {
    hint: "`varve verify` lists all damage; other artifacts stay readable",
    details: { segment: segmentNumber(segment), offset },
  });
}
