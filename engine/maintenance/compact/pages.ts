import type { Catalog } from "../../index/catalog.ts";
import type { EnvironmentRange } from "../../index/lmdb.ts";
import type { RawEntry } from "../../index/raw-entry.ts";
import { BLOBS_RANGE, RawBlobRow, RawRow } from "../../index/raw-rows.ts";
import { APPLICATION_SPACE } from "../../index/rows.ts";
import type { Pace } from "../pace.ts";
import { eachSlice, retaining } from "../slices.ts";
import type { CompactParts } from "./parts.ts";

const ROWS_RANGE = { start: Buffer.from([APPLICATION_SPACE]), end: Buffer.from([0xff]) };

/** Goes over all blobs: see `eachEntry`. */
export function eachBlob(
  parts: CompactParts,
  pace: Pace,
  visit: (row: RawBlobRow) => void,
  behindSlice?: () => Promise<void> | undefined,
): Promise<void> {
  const raw = new RawBlobRow();
  const visitPlaced = (entry: RawEntry) => {
    if (raw.at(entry).isPlaced) visit(raw);
  };
  return eachEntry(parts, pace, BLOBS_RANGE, visitPlaced, behindSlice);
}

/** Goes over all rows of the application: see `eachEntry`. */
export function eachRow(
  parts: CompactParts,
  pace: Pace,
  visit: (row: RawRow) => void,
  behindSlice: (catalog: Catalog) => Promise<void> | undefined,
): Promise<void> {
  const raw = new RawRow();
  return eachEntry(parts, pace, ROWS_RANGE, (entry) => visit(raw.at(entry)), behindSlice);
}

/**
 * Goes over a range of the index as it lies there, some rows at a time: what is there all the while is visited. The index
 * that is in use at the beginning is read to the end; who acts on what was found looks again under the lock.
 */
function eachEntry(
  parts: CompactParts,
  pace: Pace,
  range: EnvironmentRange,
  visit: (entry: RawEntry) => void,
  behindSlice?: (catalog: Catalog) => Promise<void> | undefined,
): Promise<void> {
  return withCatalog(parts, (catalog) =>
    eachSlice(catalog, pace, range, visit, () => behindSlice?.(catalog)),
  );
}

/** It stays open, whatever others replace it by. */
export async function withCatalog<T>(
  parts: CompactParts,
  action: (catalog: Catalog) => Promise<T>,
): Promise<T> {
  await parts.follow();
  const catalog = parts.catalog();
  return retaining(catalog, () => action(catalog));
}
