import { Buffer } from "node:buffer";
import type { JsonObject } from "./api.ts";
import { decodeValueWithin, encodeValue } from "./codec/cbor.ts";
import { MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR } from "./codec/codec.ts";
import type { Row } from "./index/rows.ts";

/** Artifacts as rows of the engine: tags and contents. Part of the format: see FORMAT.md, "Records of the artifact store". */

const TAG_CBOR = 1;
const TAG_BYTES = 2;
const TAG_OTHER = 3;
const TAG_CODEC = 0x0f;
/** The first reference is no blob of the value, but the root of a tree of nodes: of lists of its chunks, or of a manifest. */
const TAG_CHUNKED = 0x10;
/** The content has `created`. */
const TAG_REWRITTEN = 0x40;
const TAG_DELETED = 0x80;

/** What a version's row says besides its value. Every field is left out when it is empty. */
export interface VersionContent {
  /** Absent for CBOR and plain bytes, which the row's tag tells. */
  mediaType?: string;
  /** The code, when it is short. */
  code?: { file?: string; text: string }[];
  /** The code is the second referenced blob. */
  codeIsBlob?: true;
  inputs?: string[];
  tags?: Record<string, string>;
  metadata?: JsonObject;
  /** SHA-256 of the environment, kept under its own row. */
  environment?: Uint8Array;
  /** Set when the row was written again: when the version was saved first. */
  created?: { time: number; sequence: number };
  /** Aliases that were removed when the version was deleted. */
  removedAliases?: string[];
  /** Bytes of a value in chunks, or of that of a deleted version: it may be compacted away, and with it what tells their number. */
  size?: number;
  /** SHA-256 of a value in chunks, or of the root of a directory's manifest. */
  digest?: Uint8Array;
  /** The last reference tells which files of a directory are as they were. */
  hasStamps?: true;
}
export function encodeAliasContent(version: number): Buffer {
  const content = Buffer.allocUnsafe(4);
  content.writeUInt32LE(version);
  return content;
}

export function decodeAliasContent(content: Buffer): number {
  return content.readUInt32LE();
}

export function encodeVersionContent(content: VersionContent): Uint8Array {
  const keys = Object.keys(content);
  if (keys.length === 0) return new Uint8Array();
  if (keys.length === 1 && content.environment) return encodedEnvironment(content.environment);
  return encodeValue(content);
}

let lastEnvironment: { digest: Uint8Array; encoded: Buffer } | undefined;

/** Most versions that a process saves or lists say nothing but in which environment they were made, and in the same one. */
function encodedEnvironment(digest: Uint8Array): Uint8Array {
  if (lastEnvironment?.digest !== digest) {
    lastEnvironment = { digest, encoded: Buffer.from(encodeValue({ environment: digest })) };
  }
  return lastEnvironment.encoded;
}

export function decodeVersionContent(bytes: Buffer): VersionContent {
  return decodeVersionContentWithin(bytes, 0, bytes.length);
}

/** The same for a content from `start` to `end` of `memory`. */
export function decodeVersionContentWithin(memory: Buffer, start: number, end: number): VersionContent {
  if (start === end) return {};
  if (lastEnvironment && isWithin(lastEnvironment.encoded, memory, start, end))
    return { environment: lastEnvironment.digest };
  const content = decodeValueWithin(memory, start, end) as VersionContent;
  const { environment, ...rest } = content;
  if (environment && Object.keys(rest).length === 0)
    lastEnvironment = { digest: environment, encoded: Buffer.from(memory.subarray(start, end)) };
  return content;
}

/** Whether `bytes` are what is from `start` to `end` of `memory`. They are short: a call of native code takes longer. */
function isWithin(bytes: Uint8Array, memory: Uint8Array, start: number, end: number): boolean {
  if (bytes.length !== end - start) return false;
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== memory[start + i]) return false;
  return true;
}

export interface VersionState {
  deleted: boolean;
  /** The row was written again after the save. */
  rewritten: boolean;
  chunked: boolean;
}

export function versionTag(mediaType: string, { deleted, rewritten, chunked }: VersionState): number {
  const codec =
    mediaType === MEDIA_TYPE_CBOR ? TAG_CBOR : mediaType === MEDIA_TYPE_BYTES ? TAG_BYTES : TAG_OTHER;
  return codec | (deleted ? TAG_DELETED : 0) | (rewritten ? TAG_REWRITTEN : 0) | (chunked ? TAG_CHUNKED : 0);
}

/** Whether the value is structured data in one blob. */
export function isPlain(row: Pick<Row, "tag">): boolean {
  return (row.tag & (TAG_CODEC | TAG_CHUNKED)) === TAG_CBOR;
}

export function isChunked(row: Pick<Row, "tag">): boolean {
  return (row.tag & TAG_CHUNKED) !== 0;
}

export function isDeleted(row: Pick<Row, "tag">): boolean {
  return (row.tag & TAG_DELETED) !== 0;
}

/** Whether the content tells when the version was saved, because the row's own time is a later one. */
export function isRewritten(row: Pick<Row, "tag">): boolean {
  return (row.tag & TAG_REWRITTEN) !== 0;
}

/** The media type that the tag tells; undefined when the content does. */
export function tagMediaType(row: Row): string | undefined {
  const codec = row.tag & TAG_CODEC;
  return codec === TAG_CBOR ? MEDIA_TYPE_CBOR : codec === TAG_BYTES ? MEDIA_TYPE_BYTES : undefined;
}
