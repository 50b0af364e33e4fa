import type { Catalog } from "../../index/catalog.ts";
import { putEnd, putKey, putMark, putValue } from "../../index/raw-put.ts";
import { decodeRow, encodeRow } from "../../index/rows.ts";
import type { LogReader } from "../../log/reader.ts";
import { LOG_START } from "../../log/segment.ts";
import type { Replay, ReplayOptions } from "../replay.ts";
import { replay } from "../replay.ts";
import { BLOB_WANTED, PLAIN } from "./merged.ts";
import type { Piece } from "./pieces.ts";
import type { RunSize } from "./run.ts";
import { runSizeFor } from "./run.ts";
import { removeWaiting } from "./sorted.ts";
import type { Sorting } from "./two-threads.ts";
import { readSorted } from "./two-threads.ts";

/** Of what is kept in memory by each thread: some 500,000 artifacts. */
const RUN_SIZE: RunSize = { rowBytes: 80 * 1024 * 1024, blobs: 524_288 };

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
    const sorting = readSorted(reader, stretch, { scratchFolder, runSize }, twoThreadsFrom);
    try {
      if (putSorted(catalog, sorting)) return sorting.result;
    } finally {
      sorting.pieces.close();
    }
  } finally {
    removeWaiting(scratchFolder);
  }
  catalog.clear();
  return replay(reader, numbers, catalog, LOG_START, options);
}

/** False where the order of the log counts, or nobody merges any more: then it is half done. */
function putSorted(catalog: Catalog, { pieces, gaps, result }: Sorting): boolean {
  for (let piece = pieces.next(); piece.used !== 0; piece = pieces.next()) {
    const { used } = piece;
    if (used < 0 || !catalog.transact(() => putPiece(catalog, piece))) return false;
  }
  catalog.transact(() => {
    for (const gap of gaps) catalog.gaps.note(gap);
    catalog.setApplied(result.position);
  });
  return true;
}

function putPiece(catalog: Catalog, { bytes, used }: Piece): boolean {
  const raw = catalog.rawPut(bytes);
  for (let entry = 0; entry < used; ) {
    const mark = putMark(bytes, entry);
    if (raw && mark === PLAIN) {
      entry = raw.put(entry);
      if (entry < 0) return false;
      continue;
    }
    if (!putSlowly(catalog, mark, putKey(bytes, entry), putValue(bytes, entry))) return false;
    entry = putEnd(bytes, entry);
  }
  return true;
}

function putSlowly(catalog: Catalog, mark: number, key: Buffer, value: Buffer): boolean {
  if (mark === PLAIN) return catalog.append(key, value);
  const row = decodeRow(value);
  if (mark === BLOB_WANTED) {
    const blob = catalog.blob(row.references[0]!)?.place;
    return catalog.append(key, encodeRow({ ...row, blob }));
  }
  catalog.uncount(row);
  return true;
}
