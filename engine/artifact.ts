import { randomBytes } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";
import type { Artifact, Backend, ByteRange, CallOptions, Code, Environment, JsonObject } from "./api.ts";
import type { VersionContent } from "./artifact-record.ts";
import { isDeleted, tagMediaType } from "./artifact-record.ts";
import { digestText } from "./blob/digest.ts";
import { fromSystemError, VarveError } from "./errors.ts";
import type { Row } from "./index/rows.ts";

/** Where an artifact gets its value from. */
export interface ValueSource {
  value(row: Row, mediaType: string, options?: CallOptions): Promise<unknown>;
  bytes(row: Row, options?: CallOptions): Promise<Uint8Array>;
}

/** What an artifact is made of. */
export interface ArtifactParts {
  name: string;
  version: number;
  row: Row;
  content: VersionContent;
  aliases: string[];
  code: Code | undefined;
  environment: Environment;
}

const STREAM_PIECE_BYTES = 64 * 1024;

/** A snapshot of one version, over the store that its value is in. */
export class StoredArtifact implements Artifact {
  readonly name: string;
  readonly version: number;
  readonly ref: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly size: number;
  readonly createdAt: Date;
  readonly sequence: number;
  readonly backend: Backend = "varve";
  declare readonly createdBy?: string;
  declare readonly code?: Code;
  readonly inputs: string[];
  readonly environment: Environment;
  readonly tags: Record<string, string>;
  readonly metadata: JsonObject;
  readonly aliases: string[];
  readonly deleted: boolean;
  readonly #row: Row;
  readonly #source: ValueSource;

  constructor(parts: ArtifactParts, source: ValueSource) {
    const { row, content } = parts;
    const created = content.created ?? row;
    this.name = parts.name;
    this.version = parts.version;
    this.ref = `${parts.name}:${parts.version}`;
    this.digest = digestText(row.references[0]!);
    this.mediaType = mediaTypeOf(row, content);
    this.size = sizeOf(row, content);
    this.createdAt = new Date(created.time);
    this.sequence = created.sequence;
    if (parts.environment.user !== undefined) this.createdBy = parts.environment.user;
    if (parts.code) this.code = parts.code;
    this.inputs = content.inputs ?? [];
    this.environment = parts.environment;
    this.tags = content.tags ?? {};
    this.metadata = content.metadata ?? {};
    this.aliases = parts.aliases;
    this.deleted = isDeleted(row);
    this.#row = row;
    this.#source = source;
  }

  value<T = unknown>(options?: CallOptions): Promise<T> {
    return this.#source.value(this.#row, this.mediaType, options) as Promise<T>;
  }

  async bytes(range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    const { start, end } = checkedRange(range, this.size);
    const bytes = await this.#source.bytes(this.#row, options);
    return start === 0 && end === bytes.length ? bytes : bytes.slice(start, end);
  }

  stream(range?: ByteRange, options?: CallOptions): ReadableStream<Uint8Array> {
    checkedRange(range, this.size);
    let bytes: Uint8Array | undefined;
    let at = 0;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          bytes ??= await this.bytes(range, options);
          if (at >= bytes.length) return controller.close();
          controller.enqueue(bytes.slice(at, at + STREAM_PIECE_BYTES));
          at += STREAM_PIECE_BYTES;
        },
      },
      { highWaterMark: 0 },
    );
  }

  async writeTo(path: string, options?: CallOptions): Promise<void> {
    const bytes = await this.#source.bytes(this.#row, options);
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      const file = await open(temporary, "wx");
      try {
        await file.writeFile(bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw fromSystemError(error, `writing ${path}`);
    }
  }
}

/** Bytes of a value, also where they are gone. */
export function sizeOf(row: Row, content: VersionContent | undefined): number {
  return content?.size ?? row.blob?.payloadLength ?? 0;
}

export function mediaTypeOf(row: Row, content: VersionContent): string {
  return tagMediaType(row) ?? content.mediaType ?? "application/octet-stream";
}

function checkedRange(range: ByteRange | undefined, size: number): { start: number; end: number } {
  const start = range?.start ?? 0;
  const end = range?.end ?? Math.max(start, size);
  const sound = Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start <= end;
  if (sound) return { start: Math.min(start, size), end: Math.min(end, size) };
  throw new VarveError("INVALID_ARGUMENT", `not a range of bytes: from ${start} to ${end}`, {
    hint: "give whole numbers with 0 ≤ start ≤ end; end is not included",
  });
}
