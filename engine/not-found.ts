import { nodeKey } from "./artifact-key.ts";
import { isChunked, ValuePlace, valuePlace } from "./artifact-record.ts";
import { VarveError } from "./errors.ts";
import type { Row, RowsAndBlobs } from "./index/rows.ts";
import type { ParsedRef } from "./ref.ts";
import { noSuchArtifact } from "./refusals.ts";

/** Whether all bytes of a version, deleted or not, are there, and will be for as long as it is needed: of a value elsewhere as far as is known here. */
export function isWhole(row: Pick<Row, "references" | "tag">, rows: RowsAndBlobs): boolean {
  if (valuePlace(row) === ValuePlace.collected) return false;
  if (!row.references.every((digest) => rows.blobRow(digest))) return false;
  return !isChunked(row) || rows.row(nodeKey(row.references[0]!)) !== undefined;
}

/** @param deleted the row of the version, if it was deleted */
export function notFound(ref: ParsedRef, deleted?: Row, rows?: RowsAndBlobs): VarveError {
  if (!deleted) return noSuchArtifact(ref);
  return noSuchArtifact(ref, rows && isWhole(deleted, rows) ? "whole" : "collected");
}

/** As for a segment that is gone: see `isRetired`. */
export function goneSince(cause?: unknown): VarveError {
  return new VarveError("CORRUPTION", "it was deleted, and compacted away, since it was looked up", {
    hint: "try again: nothing is lost",
    details: { retired: true },
    cause,
  });
}
