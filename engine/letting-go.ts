import { type CandidateBlobs, LONE, NO_BLOB } from "./candidate-blobs.ts";
import type { RowsAndBlobs } from "./index/rows.ts";
import type { Release, SharedCounts } from "./large/release.ts";
import { DIGEST_BYTES, recordBytes } from "./log/format.ts";

/** A value in chunks, or a directory. */
export interface ChunkedValue {
  root: Buffer;
  size: number;
}

interface LettingGoParts {
  /** By candidate: numbers of blobs, and bytes of the value where that is a blob that nothing else needs. */
  values: Uint32Array;
  codes: Uint32Array;
  lengths: Float64Array;
  chunked: ReadonlyMap<number, ChunkedValue>;
  blobs: CandidateBlobs;
}

/** What the log is rid of when versions go: the blobs of which all references are gone, and what goes with these. */
export class LettingGo implements SharedCounts {
  readonly #parts: LettingGoParts;
  readonly #release: Release;
  /** By number of a blob: references that are left. */
  readonly #counts: number[];
  /** Bytes of the blobs that nothing needs any more, with their headers. */
  bytes = 0;

  constructor(parts: LettingGoParts, release: Release, rows: RowsAndBlobs) {
    this.#parts = parts;
    this.#release = release.copy(rows, this);
    this.#counts = parts.blobs.counts.slice();
  }

  add(candidate: number): void {
    const { values, codes, lengths, chunked } = this.#parts;
    const isGone = this.#drop(values[candidate]!, lengths[candidate]!);
    this.#drop(codes[candidate]!, 0);
    if (isGone && chunked.size > 0) this.#dropChunks(chunked.get(candidate));
  }

  /** What the Release meets may be the value of a candidate too. */
  lower(digest: Buffer): number | undefined {
    return this.#parts.blobs.lower(digest, this.#counts);
  }

  #dropChunks(value: ChunkedValue | undefined): void {
    if (value) this.bytes += this.#release.letGo(value.root);
  }

  /** Whether nothing needs the blob any more. @param length of one that nothing else needs */
  #drop(blob: number, length: number): boolean {
    if (blob === NO_BLOB) return false;
    if (blob !== LONE && --this.#counts[blob]! !== 0) return false;
    this.bytes += recordBytes(DIGEST_BYTES, blob === LONE ? length : this.#parts.blobs.lengths[blob]!);
    return true;
  }
}
