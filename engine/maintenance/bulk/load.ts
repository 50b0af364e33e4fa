import { join } from "node:path";
import { NOWHERE } from "../../index/blob-rows.ts";
import type { Catalog } from "../../index/catalog.ts";
import type { Gap } from "../../index/gap.ts";
import type { Row } from "../../index/rows.ts";
import { BlobRowWriter, encodeRow } from "../../index/rows.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import type { LogProblem, ScannedBatch } from "../../log/scan.ts";
import { scanLog } from "../../log/scan.ts";
import { LOG_START } from "../../log/segment.ts";
import { gapOf } from "../gap.ts";
import type { Replay, ReplayOptions } from "../replay.ts";
import { damagedPayload, replay } from "../replay.ts";
import { readBlobPart } from "./blobs.ts";
import type { Sorted } from "./merge.ts";
import { Merge, SortedInFile, SortedInMemory } from "./merge.ts";
import type { RunSize } from "./run.ts";
import { isBlobWanted, isDeleted, keyAt, Run, rowAt, valueAt } from "./run.ts";

export interface LoadOptions extends ReplayOptions {
  /** Where rows wait that memory has no room for: a folder that is there. What is put there is removed. */
  scratchFolder: string;
  /** Of what is kept in memory. */
  runSize?: RunSize;
}

/** Of some 350,000 artifacts. */
const RUN_SIZE: RunSize = { rowBytes: 64 * 1024 * 1024, blobs: 400_000 };
/** Blobs are seldom shorter, so there is room for all of a short log. */
const SHORT_BLOB_BYTES = 128;
const ROWS_PER_TRANSACTION = 20_000;
/** Blobs that came behind what refers to them, or a second time, after they were found damaged or given up. */
const COPIED_BLOBS_MAX = 100_000;

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
  const load = new BulkLoad(catalog, options, options.runSize ?? runSizeFor(reader, numbers));
  try {
    const result = load.read(reader, numbers);
    if (load.putBlobs() && load.putRows()) {
      load.finish(result);
      return result;
    }
  } finally {
    load.close();
  }
  catalog.clear();
  return replay(reader, numbers, catalog, LOG_START, options);
}

/** No more than the log can fill: most stores are small, and an empty one is made each time that a store is begun. */
function runSizeFor(reader: LogReader, numbers: readonly number[]): RunSize {
  let logBytes = 0;
  for (const number of numbers) {
    if (logBytes >= RUN_SIZE.rowBytes) break;
    logBytes += reader.readableSegment(number)?.file.size() ?? 0;
  }
  return {
    rowBytes: Math.min(RUN_SIZE.rowBytes, logBytes * 2),
    blobs: Math.min(RUN_SIZE.blobs, Math.ceil(logBytes / SHORT_BLOB_BYTES)),
  };
}

class BulkLoad {
  readonly #catalog: Catalog;
  readonly #options: LoadOptions;
  readonly #run: Run;
  /** How many runs came before the one in memory. */
  #number = 0;
  readonly #rows: Sorted[] = [];
  readonly #blobs: Sorted[] = [];
  readonly #files: SortedInFile[] = [];
  readonly #gaps: Gap[] = [];
  readonly #blobRows = new BlobRowWriter();
  /** By digest, where more than one run has a copy, or something came before the first: the last one of each run. */
  readonly #copies = new Map<string, { run: number; place: RecordPlace }[]>();

  constructor(catalog: Catalog, options: LoadOptions, runSize: RunSize) {
    this.#catalog = catalog;
    this.#options = options;
    this.#run = new Run(runSize);
  }

  /** Sorts what the log has, run by run. */
  read(reader: LogReader, numbers: readonly number[]): Replay {
    const { durableSequence, until } = this.#options;
    const scan = scanLog(reader, numbers, LOG_START, durableSequence, until, "views");
    const problems: LogProblem[] = [];
    let batches = 0;
    let before = LOG_START;
    let next = scan.next();
    for (; !next.done; next = scan.next()) {
      if ("problem" in next.value) {
        problems.push(next.value.problem);
        const gap = gapOf(reader, numbers, next.value.problem, before);
        if (gap) this.#gaps.push(gap);
      } else {
        before = next.value.batch.end;
        this.#addBatch(next.value.batch, problems);
        batches++;
      }
    }
    this.#rows.push(new SortedInMemory(this.#number, this.#run.rows, this.#run.sortedRows()));
    this.#blobs.push(new SortedInMemory(this.#number, this.#run.blobs.buffer, this.#run.sortedBlobs()));
    return { ...next.value, problems, batches };
  }

  #addBatch({ header, records }: ScannedBatch, problems: LogProblem[]): void {
    for (const record of records) {
      if (!record.sound) problems.push(damagedPayload(record));
      if (this.#run.add(record, header.sequence, header.time)) continue;
      this.#putAway();
      this.#run.add(record, header.sequence, header.time);
    }
  }

  /** Makes room for the next run. */
  #putAway(): void {
    const number = this.#number++;
    const rows = this.#run.sortedRows();
    this.#rows.push(this.#inFile(number, "rows", this.#run.rows, rows));
    this.#blobs.push(this.#inFile(number, "blobs", this.#run.blobs.buffer, this.#run.sortedBlobs()));
    this.#run.clear();
  }

  #inFile(number: number, what: string, buffer: Buffer, entries: Uint32Array): SortedInFile {
    const path = join(this.#options.scratchFolder, `${what}-${number}.tmp`);
    const file = new SortedInFile(number, path, buffer, entries);
    this.#files.push(file);
    return file;
  }

  /** False where the order of the log counts. */
  putBlobs(): boolean {
    return this.#putAll(this.#blobs, (parts) => this.#putBlob(parts));
  }

  putRows(): boolean {
    return this.#putAll(this.#rows, (versions) => this.#putRow(versions));
  }

  finish({ position }: Replay): void {
    this.#catalog.transact(() => {
      for (const gap of this.#gaps) this.#catalog.gaps.note(gap);
      this.#catalog.setApplied(position);
    });
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  #putAll(sources: readonly Sorted[], put: (sameKey: readonly Sorted[]) => boolean): boolean {
    const merge = new Merge(sources);
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
    let place: RecordPlace | undefined;
    let referenceCount = 0;
    let isLate = false;
    const copies: { run: number; place: RecordPlace }[] = [];
    for (const { run, view, entry } of parts) {
      const part = readBlobPart(view, entry);
      if (!place && (!part.place || part.isReferencedFirst)) isLate = true;
      if (part.place && (isLate || parts.length > 1)) copies.push({ run, place: part.place });
      place = part.place ?? place;
      referenceCount += part.count;
    }
    // Compaction has dropped it, and nothing that counts refers to it.
    if (!place && referenceCount === 0) return true;
    const { buffer, entry } = parts[0]!;
    const key = keyAt(buffer, entry);
    if (copies.length > 1 || isLate) this.#copies.set(key.toString("latin1", 1), copies);
    if (this.#copies.size > COPIED_BLOBS_MAX) return false;
    return this.#catalog.append(key, this.#blobRows.write(place ?? NOWHERE, referenceCount));
  }

  #putRow(versions: readonly Sorted[]): boolean {
    for (const { buffer, entry } of versions.slice(0, -1)) {
      const row = rowAt(buffer, entry);
      if (row) this.#catalog.uncount(row);
    }
    const { run, buffer, entry } = versions.at(-1)!;
    if (isDeleted(buffer, entry)) return true;
    const value = isBlobWanted(buffer, entry)
      ? this.#withBlob(rowAt(buffer, entry)!, run)
      : valueAt(buffer, entry);
    return this.#catalog.append(keyAt(buffer, entry), value);
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
