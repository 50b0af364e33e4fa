import { NOWHERE } from "../../index/blob-rows.ts";
import type { Catalog } from "../../index/catalog.ts";
import type { Row } from "../../index/rows.ts";
import { BlobRowWriter, encodeRow } from "../../index/rows.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import { LOG_START } from "../../log/segment.ts";
import type { Replay, ReplayOptions } from "../replay.ts";
import { replay } from "../replay.ts";
import { isPlainBlob, readBlobPart } from "./blobs.ts";
import { Merge } from "./merge.ts";
import type { Part } from "./part.ts";
import type { RunSize } from "./run.ts";
import { entryEnd, isBlobWanted, isDeleted, keyAt, rowAt, runSizeFor } from "./run.ts";
import { ENTRY_HEAD_BYTES, keyLengthAt } from "./sort.ts";
import type { Sorted, Waiting } from "./sorted.ts";
import { removeWaiting, sortedFrom } from "./sorted.ts";
import { readSorted } from "./two-threads.ts";

/** Of what is kept in memory by each thread: some 500,000 artifacts. */
const RUN_SIZE: RunSize = { rowBytes: 80 * 1024 * 1024, blobs: 524_288 };
const ROWS_PER_TRANSACTION = 20_000;
/** Blobs that came behind what refers to them, or a second time, after they were found damaged or given up. */
const COPIED_BLOBS_MAX = 100_000;

export interface LoadOptions extends ReplayOptions {
  /** Where rows wait that memory has no room for: a folder that is there. What is put there is removed. */
  scratchFolder: string;
  /** How long the log is that two threads read. */
  twoThreadsFrom?: number;
}

/**
 * Makes a new, empty index from the whole log: what `replay` from the start of the log would make, faster, since LMDB
 * takes rows several times as fast in the order of their keys. The log is read in runs, each as long as memory allows;
 * their rows are sorted, wait in files where there is more than one run, and are merged into the index.
 *
 * How often a blob is referred to does not depend on the order of the log. Where the blob of a row was at that moment
 * is known from its own run, or is its last place in the runs before.
 *
 * A process that is killed in here leaves a half-made index without a trust mark.
 * @param catalog without any rows
 */
export function loadIndex(
  reader: LogReader,
  numbers: readonly number[],
  catalog: Catalog,
  options: LoadOptions,
): Replay {
  const { durableSequence, until, scratchFolder, twoThreadsFrom } = options;
  try {
    const stretch = { ids: numbers, from: LOG_START, durableSequence, until };
    const runSize = options.runSize ?? runSizeFor(reader, numbers, LOG_START, RUN_SIZE);
    const part = readSorted(reader, stretch, { scratchFolder, runSize }, twoThreadsFrom);
    if (new BulkLoad(catalog, part).put()) return part.result;
  } finally {
    removeWaiting(scratchFolder);
  }
  catalog.clear();
  return replay(reader, numbers, catalog, LOG_START, options);
}

/** Puts what was sorted into the index. */
class BulkLoad {
  readonly #catalog: Catalog;
  readonly #part: Part;
  readonly #blobRows = new BlobRowWriter();
  /** By digest, where more than one run has a copy, or something came before the first: the last one of each run. */
  readonly #copies = new Map<string, { run: number; place: RecordPlace }[]>();

  constructor(catalog: Catalog, part: Part) {
    this.#catalog = catalog;
    this.#part = part;
  }

  /** False where the order of the log counts: then it is half done. */
  put(): boolean {
    const { rows, blobs, gaps, result } = this.#part;
    if (!this.#putAll(blobs, (parts) => this.#putBlob(parts))) return false;
    if (!this.#putAll(rows, (versions) => this.#putRow(versions))) return false;
    this.#catalog.transact(() => {
      for (const gap of gaps) this.#catalog.gaps.note(gap);
      this.#catalog.setApplied(result.position);
    });
    return true;
  }

  #putAll(waiting: readonly Waiting[], put: (sameKey: readonly Sorted[]) => boolean): boolean {
    const sources = waiting.map(sortedFrom);
    try {
      return this.#merge(new Merge(sources), put);
    } finally {
      for (const source of sources) source.close();
    }
  }

  #merge(merge: Merge, put: (sameKey: readonly Sorted[]) => boolean): boolean {
    let sameKey = merge.take();
    while (sameKey) {
      const isPut = this.#catalog.transact(() => {
        for (let count = 0; sameKey && count < ROWS_PER_TRANSACTION; count++) {
          if (!put(sameKey)) return false;
          sameKey = merge.take();
        }
        return true;
      });
      if (!isPut) return false;
    }
    return true;
  }

  #putBlob(parts: readonly Sorted[]): boolean {
    const { buffer, view, entry, put } = parts[0]!;
    // Nearly all are of one part of the log, in which they come before what refers to them.
    if (parts.length > 1 || !isPlainBlob(buffer, entry)) return this.#putParts(keyAt(buffer, entry), parts);
    const { place, count } = readBlobPart(view, entry);
    const key = entry + ENTRY_HEAD_BYTES;
    const keyEnd = key + keyLengthAt(buffer, entry);
    put.at(key, keyEnd, keyEnd);
    return this.#catalog.appendRaw(put.key, this.#blobRows.write(place!, count));
  }

  #putParts(key: Buffer, parts: readonly Sorted[]): boolean {
    let place: RecordPlace | undefined;
    let referenceCount = 0;
    let isLate = false;
    const copies: { run: number; place: RecordPlace }[] = [];
    for (const { run, view, entry } of parts) {
      const part = readBlobPart(view, entry);
      if (!place && (!part.place || part.isReferencedFirst)) isLate = true;
      if (part.place) copies.push({ run, place: part.place });
      place = part.place ?? place;
      referenceCount += part.count;
    }
    // Compaction has dropped it, and nothing that counts refers to it.
    if (!place && referenceCount === 0) return true;
    if (copies.length > 1 || isLate) this.#copies.set(key.toString("latin1", 1), copies);
    if (this.#copies.size > COPIED_BLOBS_MAX) return false;
    return this.#catalog.append(key, this.#blobRows.write(place ?? NOWHERE, referenceCount));
  }

  #putRow(versions: readonly Sorted[]): boolean {
    for (let i = 0; i < versions.length - 1; i++) {
      const { buffer, entry } = versions[i]!;
      const row = rowAt(buffer, entry);
      if (row) this.#catalog.uncount(row);
    }
    const { run, buffer, entry, put } = versions[versions.length - 1]!;
    if (isDeleted(buffer, entry)) return true;
    if (isBlobWanted(buffer, entry))
      return this.#catalog.append(keyAt(buffer, entry), this.#withBlob(rowAt(buffer, entry)!, run));
    const key = entry + ENTRY_HEAD_BYTES;
    put.at(key, key + keyLengthAt(buffer, entry), entryEnd(buffer, entry));
    return this.#catalog.appendRaw(put.key, put.value);
  }

  /** A row whose blob is not in its own run: it was in one before. */
  #withBlob(row: Row, run: number): Buffer {
    const digest = row.references[0]!;
    const copies = this.#copies.get(digest.toString("latin1"));
    const blob = copies
      ? copies.findLast((copy) => copy.run < run)?.place
      : this.#catalog.blob(digest)?.place;
    return encodeRow({ ...row, blob });
  }
}
