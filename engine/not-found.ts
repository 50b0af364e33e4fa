import { VarveError } from "./errors.ts";
import type { Row } from "./index/rows.ts";
import type { ParsedRef } from "./ref.ts";
import { refText } from "./ref.ts";

/** @param deleted the row of the version, if it was deleted */
export function notFound(
  ref: ParsedRef,
  deleted?: Row,
  hasBlob: (digest: Buffer) => boolean = () => false,
): VarveError {
  return new VarveError("NOT_FOUND", `there is no artifact ${refText(ref)}`, {
    hint: hintFor(ref, deleted, hasBlob),
    details: { ref: refText(ref) },
  });
}

function hintFor(ref: ParsedRef, deleted: Row | undefined, hasBlob: (digest: Buffer) => boolean): string {
  if (!deleted) return "`varve list` shows what there is";
  if (!deleted.references.every(hasBlob)) return "it was deleted, and its bytes were compacted away";
  return `it was deleted: \`varve undelete ${refText(ref)}\` brings it back`;
}

export function compactedAway(ref: ParsedRef): VarveError {
  return new VarveError("NOT_FOUND", `the bytes of ${refText(ref)} were compacted away`, {
    hint: "a deleted version can be brought back until then; `varve list --deleted` shows all deleted ones",
    details: { ref: refText(ref) },
  });
}
