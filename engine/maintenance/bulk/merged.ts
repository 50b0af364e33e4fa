import { endPut, PUT_BYTES_MAX, putKeyAt, putValueAt } from "../../index/raw-put.ts";
import { BLOB_ROW_BYTES_MAX, encodeRow, NOWHERE, writeBlobRow } from "../../index/rows.ts";
import { DIGEST_BYTES } from "../../log/format.ts";
import type { RecordPlace } from "../../log/reader.ts";
import { isPlainBlob, readBlobPart } from "./blobs.ts";
import { Merge } from "./merge.ts";
import { entryEnd, isBlobWanted, isDeleted, keyAt, rowAt } from "./run.ts";
import { ENTRY_HEAD_BYTES, keyLengthAt } from "./sort.ts";
import type { Sorted, Waiting } from "./sorted.ts";
import { sortedFrom } from "./sorted.ts";
import { copyBytes, LastView, viewOf } from "./words.ts";

/** Blobs that came behind what refers to them, or a second time, after they were found damaged or given up. */
const COPIED_BLOBS_MAX = 100_000;

/** How what is given is marked. An index takes it as it is … */
export const PLAIN = 0;
/** … or it is told first where its first blob is: that is not in the same part of the log, and no other is known; */
export const BLOB_WANTED = 1;
/** … or it is not taken, and what it refers to is no more counted, since a later one of its key follows. */
const REPLACED = 2;

/** Instead of a length: the order of the log counts, or who merges has failed. */
export const REFUSED = -1;

/** The runs of a log, each sorted. */
export interface Runs {
  rows: readonly Waiting[];
  blobs: readonly Waiting[];
}

interface Copy {
  run: number;
  place: RecordPlace;
}

/**
 * What the runs of a log mean together to a new index: entries in order of keys, as they are put into it. This needs no
 * index, so that another thread can do it, but for what is marked.
 */
export class MergedRuns {
  readonly #sources: Sorted[] = [];
  readonly #blobs: Merge;
  readonly #rows: Merge;
  #areBlobsDone = false;
  /** Rows of one key, of which those from `#version` on were not given yet. */
  #versions: readonly Sorted[] = [];
  #version = 0;
  /** Of what is filled. */
  readonly #into = new LastView();
  /** By digest, where more than one run has a copy, or something came before the first: the last one of each run. */
  readonly #copies = new Map<string, Copy[]>();

  constructor({ rows, blobs }: Runs) {
    try {
      this.#blobs = new Merge(blobs.map((waiting) => this.#open(waiting)));
      this.#rows = new Merge(rows.map((waiting) => this.#open(waiting)));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #open(waiting: Waiting): Sorted {
    const source = sortedFrom(waiting);
    this.#sources.push(source);
    return source;
  }

  close(): void {
    for (const source of this.#sources) source.close();
  }

  /**
   * Writes the next entries, and gives how many bytes they are: 0 at the end, or `REFUSED`.
   * @param into has room for any one entry
   */
  fill(into: Buffer): number {
    if (!this.#areBlobsDone) {
      const used = this.#fillBlobs(into);
      if (used !== 0) return used;
      this.#areBlobsDone = true;
    }
    return this.#fillRows(into);
  }

  #fillBlobs(into: Buffer): number {
    const most = into.length - BLOB_ENTRY_BYTES_MAX;
    let used = 0;
    while (used <= most) {
      const parts = this.#blobs.take();
      if (!parts) break;
      const { buffer, view, entry } = parts[0]!;
      // Nearly all are of one part of the log, in which they come before what refers to them.
      if (parts.length === 1 && isPlainBlob(buffer, entry)) {
        const { place, count } = readBlobPart(view, entry);
        used = this.#writeBlob(into, used, parts[0]!, place!, count);
      } else used = this.#writeParts(into, used, parts);
      if (this.#copies.size > COPIED_BLOBS_MAX) return REFUSED;
    }
    return used;
  }

  #writeParts(into: Buffer, at: number, parts: readonly Sorted[]): number {
    let place: RecordPlace | undefined;
    let referenceCount = 0;
    let isLate = false;
    const copies: Copy[] = [];
    for (const { run, view, entry } of parts) {
      const part = readBlobPart(view, entry);
      if (!place && (!part.place || part.isReferencedFirst)) isLate = true;
      if (part.place) copies.push({ run, place: part.place });
      place = part.place ?? place;
      referenceCount += part.count;
    }
    // Compaction has dropped it, and nothing that counts refers to it.
    if (!place && referenceCount === 0) return at;
    const { buffer, entry } = parts[0]!;
    if (copies.length > 1 || isLate) this.#copies.set(keyAt(buffer, entry).toString("latin1", 1), copies);
    return this.#writeBlob(into, at, parts[0]!, place ?? NOWHERE, referenceCount);
  }

  /** The key of the entry at hand, and the row of the blob behind it. Gives where that ends. */
  #writeBlob(into: Buffer, at: number, source: Sorted, place: RecordPlace, referenceCount: number): number {
    const value = writeKey(this.#into.of(into), at, source);
    const end = writeBlobRow(into, value, place, referenceCount);
    return endPut(into, at, PLAIN, keyLengthAt(source.buffer, source.entry), end);
  }

  #fillRows(into: Buffer): number {
    let used = 0;
    for (;;) {
      if (this.#version === this.#versions.length) {
        this.#versions = this.#rows.take() ?? [];
        this.#version = 0;
        if (this.#versions.length === 0) return used;
      }
      const end = this.#writeRow(into, used);
      if (end === undefined) return used;
      used = end;
      this.#version++;
    }
  }

  /** Gives where that ends; undefined when there is no room for it. */
  #writeRow(into: Buffer, at: number): number | undefined {
    const source = this.#versions[this.#version]!;
    const { run, buffer, entry } = source;
    if (isDeleted(buffer, entry)) return at;
    const isReplaced = this.#version < this.#versions.length - 1;
    const isWanted = !isReplaced && isBlobWanted(buffer, entry);
    const told = isWanted ? this.#withBlob(buffer, entry, run) : undefined;
    const from = told ? viewOf(told) : source.view;
    const fromAt = told ? 0 : entry + ENTRY_HEAD_BYTES + keyLengthAt(buffer, entry);
    const length = told ? told.length : entryEnd(buffer, entry) - fromAt;
    const mark = isReplaced ? REPLACED : isWanted && !told ? BLOB_WANTED : PLAIN;
    if (at + PUT_BYTES_MAX + keyLengthAt(buffer, entry) + length > into.length) return undefined;
    const view = this.#into.of(into);
    const value = writeKey(view, at, source);
    copyBytes(from, fromAt, view, value, length);
    return endPut(into, at, mark, keyLengthAt(buffer, entry), value + length);
  }

  /** A row whose blob is not in its own run: it was in one before. Undefined where it is the only one there is. */
  #withBlob(buffer: Buffer, entry: number, run: number): Buffer | undefined {
    if (this.#copies.size === 0) return undefined;
    const row = rowAt(buffer, entry)!;
    const copies = this.#copies.get(row.references[0]!.toString("latin1"));
    return copies && encodeRow({ ...row, blob: copies.findLast((copy) => copy.run < run)?.place });
  }
}

const BLOB_ENTRY_BYTES_MAX = PUT_BYTES_MAX + 1 + DIGEST_BYTES + BLOB_ROW_BYTES_MAX;

/** The key of the entry at hand. Gives where the value goes. */
function writeKey(into: DataView, at: number, { buffer, view, entry }: Sorted): number {
  const length = keyLengthAt(buffer, entry);
  copyBytes(view, entry + ENTRY_HEAD_BYTES, into, putKeyAt(at), length);
  return putValueAt(at, length);
}
