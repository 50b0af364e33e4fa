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
/** Where the value is. */
const TAG_PLACE = 0x30;
/** The content has `created`. */
const TAG_REWRITTEN = 0x40;
const TAG_DELETED = 0x80;

/** What the bits of `TAG_PLACE` say. */
export const ValuePlace = {
  /** The first reference is its blob. */
  blob: 0,
  /** The first reference is no blob of the value, but the root of a tree of nodes: of lists of its chunks, or of a manifest. */
  tree: 0x10,
  /** Outside the log; no reference is of the value. */
  elsewhere: 0x20,
  /** It was outside the log, and may have been removed there since the version was deleted. */
  collected: 0x30,
} as const;
export type ValuePlace = (typeof ValuePlace)[keyof typeof ValuePlace];

/** What a version's row says besides its value. Every field is left out when it is empty. */
export interface VersionContent {
  /** Absent for CBOR and plain bytes, which the row's tag tells. */
  mediaType?: string;
  /** The code, when it is short. */
  code?: { file?: string; text: string }[];
  /** The code is the second referenced blob: of a value elsewhere the first. */
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
  /** Bytes of a value in chunks or elsewhere, or of that of a deleted version: it may be compacted away, and with it what tells their number. */
  size?: number;
  /** SHA-256 of a value in chunks or elsewhere, or of the root of a directory's manifest. */
  digest?: Uint8Array;
  /** The last reference tells which files of a directory are as they were. */
  hasStamps?: true;
  /** The same of a directory elsewhere: the SHA-256 of the blob there. */
  stamps?: Uint8Array;
  /** Absent for `varve`. */
  backend?: "mlflow";
  /** What finds a value that a storage backend keeps. */
  kept?: JsonObject;
  /** What the row was written again for, where that is neither an annotation nor a plain delete. */
  change?: "undelete" | "prune" | "purge" | "move";
  /** Of one whose value was collected elsewhere: the operation that deleted it. */
  deletion?: number;
}

const HORIZON_BYTES = 8;

export function encodeHorizon(sequence: number): Buffer {
  const content = Buffer.allocUnsafe(HORIZON_BYTES);
  content.writeBigUInt64LE(BigInt(sequence));
  return content;
}

export function decodeHorizon(content: Buffer): number {
  return Number(content.readBigUInt64LE());
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
  place: ValuePlace;
}

export function versionTag(mediaType: string, { deleted, rewritten, place }: VersionState): number {
  const codec =
    mediaType === MEDIA_TYPE_CBOR ? TAG_CBOR : mediaType === MEDIA_TYPE_BYTES ? TAG_BYTES : TAG_OTHER;
  return codec | (deleted ? TAG_DELETED : 0) | (rewritten ? TAG_REWRITTEN : 0) | place;
}

/** Whether the value is structured data in one blob. */
export function isPlain(row: Pick<Row, "tag">): boolean {
  return (row.tag & (TAG_CODEC | TAG_PLACE)) === TAG_CBOR;
}

export function isChunked(row: Pick<Row, "tag">): boolean {
  return valuePlace(row) === ValuePlace.tree;
}

export function valuePlace(row: Pick<Row, "tag">): ValuePlace {
  return (row.tag & TAG_PLACE) as ValuePlace;
}

/** Whether the value is, or was, outside the log. */
export function isElsewhere(row: Pick<Row, "tag">): boolean {
  return valuePlace(row) >= ValuePlace.elsewhere;
}

/** Whether digest and size of the value stand in the content, and not in the row. */
export function isToldByContent(row: Pick<Row, "tag">): boolean {
  return valuePlace(row) !== ValuePlace.blob;
}

/** The digest of code that is a blob of its own. */
export function codeReference(row: Pick<Row, "tag" | "references">): Buffer {
  return row.references[isElsewhere(row) ? 0 : 1]!;
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
