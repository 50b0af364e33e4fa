import type {
  Artifact,
  Backend,
  ByteRange,
  CallOptions,
  Code,
  Environment,
  JsonObject,
  MlflowFacts,
} from "./api.ts";
import type { VersionContent } from "./artifact-record.ts";
import { isDeleted, isToldByContent, tagMediaType } from "./artifact-record.ts";
import { type KeptVersion, mlflowFacts } from "./backend/kept.ts";
import { digestText } from "./blob/digest.ts";
import { VarveError } from "./errors.ts";
import { LazyRow } from "./index/lazy-row.ts";
import type { Row } from "./index/rows.ts";
import type { RecordPlace } from "./log/reader.ts";

/** Where a blob lay in an earlier state, for as long as that is kept: what it names can be read until then. */
export type PlaceOfBlob = (digest: Buffer) => RecordPlace | undefined;

/** A value as it is stored. */
export interface StoredValue {
  row: Row;
  /** Of the state that the row is from, if that is an earlier one: the row names no more than the first blob of a value. */
  placeOf?: PlaceOfBlob | undefined;
  mediaType: string;
  /** Bytes. */
  size: number;
  /** Of a value that a storage backend keeps. */
  kept?: KeptVersion | undefined;
}

/** Bytes from `start` up to, not including, `end`, both within the value. */
export interface Span {
  start: number;
  end: number;
}

/** Where an artifact gets its value from. */
export interface ValueSource<Stored = StoredValue> {
  value(stored: Stored, options?: CallOptions): Promise<unknown>;
  bytes(stored: Stored, span: Span, options?: CallOptions): Promise<Uint8Array>;
  /** The same in pieces, of which few are in memory at a time. */
  pieces(stored: Stored, span: Span, options?: CallOptions): AsyncGenerator<Uint8Array>;
  writeTo(stored: Stored, path: string, options?: CallOptions): Promise<void>;
}

/** What an artifact is made of. */
export interface ArtifactParts {
  name: string;
  version: number;
  row: Row;
  placeOf?: PlaceOfBlob | undefined;
  content: VersionContent;
  aliases: string[];
  code: Code | undefined;
  environment: Environment;
}

/** A snapshot of one version, over the store that its value is in. */
export class StoredArtifact implements Artifact {
  // Declared, so that each is put there once: lists make many.
  declare readonly name: string;
  declare readonly version: number;
  declare readonly ref: string;
  declare readonly digest: string;
  declare readonly mediaType: string;
  declare readonly size: number;
  declare readonly createdAt: Date;
  declare readonly sequence: number;
  declare readonly backend: Backend;
  declare readonly inputs: string[];
  declare readonly environment: Environment;
  declare readonly tags: Record<string, string>;
  declare readonly metadata: JsonObject;
  declare readonly aliases: string[];
  declare readonly deleted: boolean;
  declare readonly createdBy?: string;
  declare readonly code?: Code;
  declare readonly mlflow?: MlflowFacts;
  readonly #row: Row;
  readonly #placeOf: PlaceOfBlob | undefined;
  readonly #kept: KeptVersion | undefined;
  readonly #source: ValueSource;

  constructor(parts: ArtifactParts, source: ValueSource) {
    const { row, content } = parts;
    const created = content.created ?? row;
    this.name = parts.name;
    this.version = parts.version;
    this.ref = `${parts.name}:${parts.version}`;
    this.digest = digestOf(row, content);
    this.mediaType = mediaTypeOf(row, content);
    this.size = sizeOf(row, content);
    this.createdAt = new Date(created.time);
    this.sequence = created.sequence;
    this.backend = content.backend ?? "varve";
    this.inputs = content.inputs ?? [];
    this.environment = parts.environment;
    this.tags = content.tags ?? {};
    this.metadata = content.metadata ?? {};
    this.aliases = parts.aliases;
    this.deleted = isDeleted(row);
    if (parts.environment.user !== undefined) this.createdBy = parts.environment.user;
    if (parts.code) this.code = parts.code;
    const kept = keptVersion(parts);
    const facts = kept && mlflowFacts(kept.kept);
    if (facts) this.mlflow = facts;
    this.#kept = kept;
    this.#row = row;
    this.#placeOf = parts.placeOf;
    this.#source = source;
  }

  value<T = unknown>(options?: CallOptions): Promise<T> {
    return this.#source.value(this.#stored, options) as Promise<T>;
  }

  async bytes(range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    return this.#source.bytes(this.#stored, checkedRange(range, this.size), options);
  }

  stream(range?: ByteRange, options?: CallOptions): ReadableStream<Uint8Array> {
    return ReadableStream.from(this.#source.pieces(this.#stored, checkedRange(range, this.size), options));
  }

  writeTo(path: string, options?: CallOptions): Promise<void> {
    return this.#source.writeTo(this.#stored, path, options);
  }

  get #stored(): StoredValue {
    const { mediaType, size } = this;
    return { row: this.#row, placeOf: this.#placeOf, mediaType, size, kept: this.#kept };
  }
}

/** What a backend needs to know of a version whose value it keeps. */
export function keptVersion({
  name,
  version,
  row,
  content,
}: Pick<ArtifactParts, "name" | "version" | "row" | "content">): KeptVersion | undefined {
  const { kept, digest, size = 0 } = content;
  return kept && { name, version, digest: digest!, size, mediaType: mediaTypeOf(row, content), kept };
}

/** `sha256:<64 hex>` of the value's bytes. @param content needed for a value in chunks or elsewhere */
export function digestOf(row: Row, content: VersionContent | undefined): string {
  if (isToldByContent(row)) return digestText(content!.digest!);
  return row instanceof LazyRow ? `sha256:${row.firstReferenceText()}` : digestText(row.references[0]!);
}

/** Bytes of a value, also where they are gone. */
export function sizeOf(row: Row, content: VersionContent | undefined): number {
  return content?.size ?? row.blob?.payloadLength ?? 0;
}

export function mediaTypeOf(row: Row, content: VersionContent): string {
  return tagMediaType(row) ?? content.mediaType ?? "application/octet-stream";
}

/** The bytes of a value of `size` that a range means. @throws INVALID_ARGUMENT */
export function checkedRange(range: ByteRange | undefined, size: number): Span {
  const start = range?.start ?? 0;
  const end = range?.end ?? Math.max(start, size);
  const sound = Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end;
  if (sound) return { start: Math.min(start, size), end: Math.min(end, size) };
  throw new VarveError("INVALID_ARGUMENT", `not a range of bytes: from ${start} to ${end}`, {
    hint: "give whole numbers with 0 ≤ start ≤ end; end is not included",
  });
}
