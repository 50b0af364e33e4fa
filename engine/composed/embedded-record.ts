import type { Code, Environment } from "../api.ts";
import { mediaTypeOf, sizeOf } from "../artifact.ts";
import type { VersionContent } from "../artifact-record.ts";
import { isDeleted } from "../artifact-record.ts";
import { fromSystemError, VarveError } from "../errors.ts";
import type { Row, RowsAndBlobs } from "../index/rows.ts";
import { isWhole } from "../not-found.ts";
import type { VersionRecord } from "../ports/metadata-store.ts";

/** What a record is made of, beside the row. */
export interface RecordParts {
  name: string;
  version: number;
  row: Row;
  content: VersionContent;
  aliases: readonly string[];
  code: Code | undefined;
  environment: Environment;
}

/** The version of a row. @param rows tell whether a deleted one can still be brought back */
export function recordFrom(parts: RecordParts, rows: RowsAndBlobs): VersionRecord {
  const { name, version, row, content, aliases, code, environment } = parts;
  const { sequence, time } = content.created ?? row;
  const stamps = stampsOf(row, content);
  const deleted = isDeleted(row);
  return {
    name,
    version,
    sequence,
    createdAt: time,
    digest: content.digest ?? row.references[0]!,
    size: sizeOf(row, content),
    mediaType: mediaTypeOf(row, content),
    ...(stamps && { stamps }),
    ...(content.kept && { kept: content.kept }),
    backend: content.backend ?? "varve",
    ...(code && { code }),
    inputs: content.inputs ?? [],
    environment,
    tags: content.tags ?? {},
    metadata: content.metadata ?? {},
    aliases,
    deleted,
    isForgotten: deleted && !isWhole(row, rows),
  };
}

/** Of a directory: the blob that tells which of its files are as they were. */
export function stampsOf(row: Row, content: VersionContent): Uint8Array | undefined {
  return content.stamps ?? (content.hasStamps ? row.references.at(-1) : undefined);
}

/** It stays committed, though what it has made can't be read back: to make it again would make it twice. */
export function committedUnread(sequence: number, error: unknown): VarveError {
  const { code, message } = fromSystemError(error, "reading what was committed");
  return new VarveError(
    code,
    `it was committed as operation ${sequence}, and can't be read back: ${message}`,
    {
      hint: "don't do it again: read what it has made",
      outcome: "unknown",
      details: { sequence },
      cause: error,
    },
  );
}
