import type { Catalog } from "../../index/catalog.ts";
import type { EnvironmentRange, RawEntry } from "../../index/lmdb.ts";
import { BLOBS_RANGE, RawBlobRow, RawRow } from "../../index/raw-rows.ts";
import { APPLICATION_SPACE } from "../../index/rows.ts";
import type { Pace } from "../pace.ts";
import type { CompactParts } from "./parts.ts";

const PAGE_ROWS = 256;
const ROWS_RANGE = { start: Buffer.from([APPLICATION_SPACE]), end: Buffer.from([0xff]) };
const ZERO = Buffer.alloc(1);

/** Goes over all blobs: see `eachEntry`. */
export function eachBlob(
  parts: CompactParts,
  pace: Pace,
  visit: (row: RawBlobRow) => void,
  behindPage?: () => Promise<void> | undefined,
): Promise<void> {
  const raw = new RawBlobRow();
  const visitPlaced = (entry: RawEntry) => {
    if (raw.at(entry).isPlaced) visit(raw);
  };
  return eachEntry(parts, pace, BLOBS_RANGE, visitPlaced, behindPage);
}

/** Goes over all rows of the application: see `eachEntry`. */
export function eachRow(
  parts: CompactParts,
  pace: Pace,
  visit: (row: RawRow) => void,
  behindPage: (catalog: Catalog) => Promise<void> | undefined,
): Promise<void> {
  const raw = new RawRow();
  return eachEntry(parts, pace, ROWS_RANGE, (entry) => visit(raw.at(entry)), behindPage);
}

/**
 * Goes over a range of the index as it lies there, a page at a time: what is there all the while is visited. The index
 * that is in use at the beginning is read to the end; who acts on what was found looks again under the lock.
 */
async function eachEntry(
  parts: CompactParts,
  pace: Pace,
  range: EnvironmentRange,
  visit: (entry: RawEntry) => void,
  behindPage?: (catalog: Catalog) => Promise<void> | undefined,
): Promise<void> {
  await withCatalog(parts, async (catalog) => {
    for (let { start } = range; ; ) {
      const last = catalog.visit({ ...range, start, limit: PAGE_ROWS }, visit);
      await behindPage?.(catalog);
      if (!last) return;
      if (pace.isDue()) {
        await pace.turn();
        catalog.refresh();
      }
      start = Buffer.concat([last, ZERO]);
    }
  });
}

/** It stays open, whatever others replace it by. */
export async function withCatalog<T>(
  parts: CompactParts,
  action: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  await parts.follow();
  const catalog = parts.catalog();
  catalog.retain();
  try {
    return await action(catalog);
  } finally {
    await catalog.release();
  }
}
