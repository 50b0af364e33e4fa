import type { Catalog } from "../../index/catalog.ts";
import { RawPut } from "../../index/raw-put.ts";
import { encodeRow } from "../../index/rows.ts";
import type { LogReader } from "../../log/reader.ts";
import { LOG_START } from "../../log/segment.ts";
import type { Replay, ReplayOptions } from "../replay.ts";
import { replay } from "../replay.ts";
import type { Piece } from "./pieces.ts";
import type { RunSize } from "./run.ts";
import { entryEnd, isBlobWanted, isPlain, isReplaced, keyAt, rowAt, runSizeFor } from "./run.ts";
import { ENTRY_HEAD_BYTES, keyLengthAt } from "./sort.ts";
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
  const put = new RawPut(bytes);
  for (let entry = 0; entry < used; ) {
    const end = entryEnd(bytes, entry);
    if (isPlain(bytes, entry)) {
      const key = entry + ENTRY_HEAD_BYTES;
      put.at(key, key + keyLengthAt(bytes, entry), end);
      if (!catalog.appendRaw(put.key, put.value)) return false;
    } else if (isReplaced(bytes, entry)) {
      catalog.uncount(rowAt(bytes, entry)!);
    } else if (isBlobWanted(bytes, entry)) {
      const row = rowAt(bytes, entry)!;
      const blob = catalog.blob(row.references[0]!)?.place;
      if (!catalog.append(keyAt(bytes, entry), encodeRow({ ...row, blob }))) return false;
    }
    entry = end;
  }
  return true;
}
