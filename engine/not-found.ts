import { nodeKey } from "./artifact-key.ts";
import { isChunked } from "./artifact-record.ts";
import { VarveError } from "./errors.ts";
import type { Row, RowsAndBlobs } from "./index/rows.ts";
import type { ParsedRef } from "./ref.ts";
import { refText } from "./ref.ts";

/** Whether all bytes of a version, deleted or not, are there, and will be for as long as it is needed. */
export function isWhole(row: Pick<Row, "references" | "tag">, rows: RowsAndBlobs): boolean {
  if (!row.references.every((digest) => rows.blobRow(digest))) return false;
  return !isChunked(row) || rows.row(nodeKey(row.references[0]!)) !== undefined;
}

/** @param deleted the row of the version, if it was deleted */
export function notFound(ref: ParsedRef, deleted?: Row, rows?: RowsAndBlobs): VarveError {
  return new VarveError("NOT_FOUND", `there is no artifact ${refText(ref)}`, {
    hint: hintFor(ref, deleted, rows),
    details: { ref: refText(ref) },
  });
}

function hintFor(ref: ParsedRef, deleted: Row | undefined, rows: RowsAndBlobs | undefined): string {
  if (!deleted) return "`varve list` shows what there is";
  if (!rows || !isWhole(deleted, rows)) return "it was deleted, and its bytes were compacted away";
  return `it was deleted: \`varve undelete ${refText(ref)}\` brings it back`;
}

export function compactedAway(ref: ParsedRef): VarveError {
  return new VarveError("NOT_FOUND", `the bytes of ${refText(ref)} were compacted away`, {
    hint: "a deleted version can be brought back until then; `varve list --deleted` shows all deleted ones",
    details: { ref: refText(ref) },
  });
}

/** As for a segment that is gone: see `isRetired`. */
export function goneSince(cause?: unknown): VarveError {
  return new VarveError("CORRUPTION", "it was deleted, and compacted away, since it was looked up", {
    hint: "try again: nothing is lost",
    details: { retired: true },
    cause,
  });
}
