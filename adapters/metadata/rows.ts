import type {
  Backend,
  Code,
  Environment,
  JsonObject,
  SaveOperation,
  ValueFacts,
  VersionRecord,
} from "../../engine/main.ts";
import type { VersionRow } from "./schema.ts";

/** Rows of the tables as the port knows them. */

/** What a version shares with others. */
export interface Shared {
  code?: Code;
  environment: Environment;
}

const CREATED_BY_CHARACTERS_MAX = 255;

/** Texts that may hold what a database refuses in one, such as a zero byte. They can be read, and compared. */
export function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

function unescaped(text: string): string {
  return text.includes("\\") ? JSON.parse(`"${text}"`) : text;
}

/** As far as it is kept to be found by. */
export function createdByOf(user: string | undefined): string | null {
  return user === undefined ? null : escaped(user.slice(0, CREATED_BY_CHARACTERS_MAX));
}

export interface SaveFacts {
  version: number;
  sequence: number;
  time: number;
  code: Uint8Array | undefined;
  environment: Uint8Array;
  inputs: readonly string[];
}

/** In the order of the table's columns, as rows that are read: one statement does for both. */
export function newRow(save: SaveOperation, facts: SaveFacts): VersionRow {
  const { value } = save;
  return {
    name: save.name,
    version: facts.version,
    sequence: facts.sequence,
    created_at: facts.time,
    digest: value.digest,
    size: value.size,
    media_type: escaped(value.mediaType),
    stamps: value.stamps ?? null,
    backend: save.backend,
    created_by: createdByOf(save.environment.user),
    code: facts.code ?? null,
    environment: facts.environment,
    inputs: facts.inputs.length > 0 ? JSON.stringify(facts.inputs) : null,
    tags: jsonOrNull(save.tags),
    metadata: jsonOrNull(save.metadata),
    changed: facts.sequence,
    deleted: null,
    removed_aliases: null,
    forgotten: 0,
    kept: value.kept ? JSON.stringify(value.kept) : null,
  };
}

export function jsonOrNull(value: object): string | null {
  for (const _ in value) return JSON.stringify(value);
  return null;
}

/** Whether a copy of it is what JSON would give back. */
function isFlat(value: object): boolean {
  if (Object.getPrototypeOf(value) !== Object.prototype) return false;
  for (const key in value) {
    const each = (value as Record<string, unknown>)[key];
    const isKept =
      typeof each === "number" ? Number.isFinite(each) && !Object.is(each, -0) : FLAT.has(typeof each);
    if (!isKept && each !== null) return false;
  }
  return true;
}

const FLAT = new Set(["string", "boolean"]);

export function tagsOf(row: Pick<VersionRow, "tags">): Record<string, string> {
  return row.tags === null ? {} : JSON.parse(row.tags);
}

export function metadataOf(row: Pick<VersionRow, "metadata">): JsonObject {
  return row.metadata === null ? {} : JSON.parse(row.metadata);
}

export function inputsOf(row: Pick<VersionRow, "inputs">): string[] {
  return row.inputs === null ? [] : JSON.parse(row.inputs);
}

export function valueFacts(row: Pick<VersionRow, "digest" | "size" | "media_type" | "stamps">): ValueFacts {
  return {
    digest: row.digest,
    size: row.size,
    mediaType: unescaped(row.media_type),
    ...(row.stamps && { stamps: row.stamps }),
  };
}

/** What of a row is in its record. */
export type RecordRow = Omit<VersionRow, "created_by" | "changed" | "removed_aliases">;

/** @param made what the texts of tags and metadata were made of: a copy takes less than to read them */
export function recordOf(
  row: RecordRow,
  { code, environment }: Shared,
  aliases: readonly string[],
  made?: Pick<SaveOperation, "tags" | "metadata">,
): VersionRecord {
  // Bulk saves and lists are made of this: no object is made to be copied.
  const record: VersionRecord = {
    name: row.name,
    version: row.version,
    digest: row.digest,
    size: row.size,
    mediaType: unescaped(row.media_type),
    sequence: row.sequence,
    createdAt: row.created_at,
    backend: row.backend as Backend,
    inputs: inputsOf(row),
    environment,
    tags: made && isFlat(made.tags) ? { ...made.tags } : tagsOf(row),
    metadata: made && isFlat(made.metadata) ? { ...made.metadata } : metadataOf(row),
    aliases,
    deleted: row.deleted !== null,
    isForgotten: row.forgotten !== 0,
  };
  if (row.stamps) record.stamps = row.stamps;
  if (row.kept !== null) record.kept = JSON.parse(row.kept);
  if (code) record.code = code;
  return record;
}

/** The full state of a version as an operation keeps it: `operationState`, but for code and environment, which are digests. */
export interface StoredState {
  code?: string;
  environment: string;
}

/** Written by hand, as every save does it: media types, inputs, tags and metadata are JSON already. */
export function stateOf(row: VersionRow): string {
  const { size, sequence, stamps, kept, code, inputs, tags, metadata } = row;
  return (
    `{"digest":"${hex(row.digest)}","size":${size},"mediaType":"${row.media_type}",` +
    (stamps ? `"stamps":"${hex(stamps)}",` : "") +
    (kept === null ? "" : `"kept":${kept},`) +
    `"sequence":${sequence},"createdAt":${row.created_at},"backend":${JSON.stringify(row.backend)},` +
    (code ? `"code":"${sharedHex(code)}",` : "") +
    `"environment":"${sharedHex(row.environment)}","inputs":${inputs ?? "[]"},"tags":${tags ?? "{}"},` +
    `"metadata":${metadata ?? "{}"},"deleted":${row.deleted !== null}}`
  );
}

/** Of code and environments, which many rows share. */
const texts = new WeakMap<Uint8Array, string>();

function sharedHex(digest: Uint8Array): string {
  const known = texts.get(digest);
  if (known) return known;
  const text = hex(digest);
  texts.set(digest, text);
  return text;
}

function hex(digest: Uint8Array): string {
  return `sha256:${Buffer.from(digest.buffer, digest.byteOffset, digest.length).toString("hex")}`;
}

/** A ref with a version, taken apart: names hold no colon. */
export function parseVersionRef(ref: string): { name: string; version: number } {
  const colon = ref.lastIndexOf(":");
  return { name: ref.slice(0, colon), version: Number(ref.slice(colon + 1)) };
}
