import type { Catalog } from "../../index/catalog.ts";
import { encodeRow } from "../../index/rows.ts";
import { DIGEST_BYTES } from "../../log/format.ts";
import { readBlobPart } from "./blobs.ts";
import type { Run } from "./run.ts";
import { isBlobWanted, isDeleted, keyAt, rowAt, valueAt } from "./run.ts";

/**
 * Within a transaction: puts what a part of the log means into an index that has what came before it, in order of keys.
 * Rows come first: where the blob of one is not in the run, it is where the index has it before the run.
 */
export function applyRun(run: Run, catalog: Catalog): void {
  for (const entry of run.sortedRows()) {
    const key = keyAt(run.rows, entry);
    if (isDeleted(run.rows, entry)) catalog.removeCounted(key);
    else
      catalog.putCounted(
        key,
        isBlobWanted(run.rows, entry) ? withBlob(run, entry, catalog) : valueAt(run.rows, entry),
      );
  }
  const { buffer, view } = run.blobs;
  for (const entry of run.sortedBlobs()) {
    const { place, count } = readBlobPart(view, entry);
    catalog.blobRows.merge(keyAt(buffer, entry).subarray(-DIGEST_BYTES), place, count);
  }
}

function withBlob(run: Run, entry: number, catalog: Catalog): Buffer {
  const row = rowAt(run.rows, entry)!;
  return encodeRow({ ...row, blob: catalog.blob(row.references[0]!)?.place });
}
