import { Buffer } from "node:buffer";
import type { JsonObject } from "./api.ts";
import { decodeValue, encodeValue } from "./codec/cbor.ts";
import { MEDIA_TYPE_BYTES, MEDIA_TYPE_CBOR } from "./codec/codec.ts";
import type { Row } from "./index/rows.ts";

/** Artifacts as rows of the engine: keys, tags and contents. Part of the format: see FORMAT.md, "Records of the artifact store". */

const VERSION_SPACE = 0x61; // "a"
const ALIAS_SPACE = 0x6c; // "l"
const EDGE_SPACE = 0x64; // "d"
const ENVIRONMENT_SPACE = 0x65; // "e"
const NODE_SPACE = 0x63; // "c"
const PIN_SPACE = 0x70; // "p"

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

function nameKey(space: number, name: string, tail: number): Buffer {
  const key = Buffer.allocUnsafe(2 + name.length + tail);
  key[0] = space;
  // Most names are ASCII, and short: character by character they are there sooner than by the two calls for others.
  for (let i = 0; i < name.length; i++) {
    const unit = name.charCodeAt(i);
    if (unit > 0x7f) return otherNameKey(space, name, tail);
    key[1 + i] = unit;
  }
  key[1 + name.length] = 0;
  return key;
}

function otherNameKey(space: number, name: string, tail: number): Buffer {
  const length = Buffer.byteLength(name);
  const key = Buffer.allocUnsafe(2 + length + tail);
  key[0] = space;
  key.write(name, 1, "utf8");
  key[1 + length] = 0;
  return key;
}

/** Versions of a name lie together, the newest first, so that the latest is the first row of the name. */
export function versionKey(name: string, version: number): Buffer {
  const key = nameKey(VERSION_SPACE, name, 4);
  key.writeUInt32BE(0xffff_ffff - version, key.length - 4);
  return key;
}

export function parseVersionKey(key: Buffer): { name: string; version: number } {
  return {
    name: key.toString("utf8", 1, key.length - 5),
    version: versionInKey(key),
  };
}

export function versionInKey(key: Buffer): number {
  return 0xffff_ffff - key.readUInt32BE(key.length - 4);
}

/** The name whose version a key is. */
export function familyOf(key: Uint8Array): string | undefined {
  if (key[0] !== VERSION_SPACE) return undefined;
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("utf8", 1, key.length - 5);
}

export interface VersionName {
  name: string;
  version: number;
}

export interface KeyRange {
  start: Buffer;
  /** Exclusive. */
  end: Buffer;
}

/** All versions of a name. */
export function versionsRange(name: string): KeyRange {
  const start = nameKey(VERSION_SPACE, name, 0);
  return { start, end: after(start) };
}

/** The same for who wants the first of them. */
export function versionsStart(name: string): { start: Buffer } {
  return { start: nameKey(VERSION_SPACE, name, 0) };
}

/** All versions of all names that begin with `prefix`. */
export function namesRange(prefix: string): KeyRange {
  const start = Buffer.concat([Buffer.from([VERSION_SPACE]), Buffer.from(prefix)]);
  return { start, end: after(start) };
}

export function aliasKey(name: string, alias: string): Buffer {
  return Buffer.concat([nameKey(ALIAS_SPACE, name, 0), Buffer.from(alias)]);
}

export function parseAliasKey(key: Buffer): { name: string; alias: string } {
  const zero = key.indexOf(0);
  return { name: key.toString("utf8", 1, zero), alias: key.toString("latin1", zero + 1) };
}

/** All aliases of a name. */
export function aliasesRange(name: string): KeyRange {
  const start = nameKey(ALIAS_SPACE, name, 0);
  return { start, end: after(start) };
}

export function allAliasesRange(): KeyRange {
  return { start: Buffer.from([ALIAS_SPACE]), end: Buffer.from([ALIAS_SPACE + 1]) };
}

/** That a version was made from another; such rows have no content. */
export function edgeKey(input: VersionName, consumer: VersionName): Buffer {
  const key = Buffer.concat([edgesRange(input).start, nameKey(EDGE_SPACE, consumer.name, 4).subarray(1)]);
  key.writeUInt32BE(consumer.version, key.length - 4);
  return key;
}

/** The consumer at the end of an edge's key. */
export function parseEdgeKey(key: Buffer): VersionName {
  const consumer = key.indexOf(0) + 5;
  return { name: key.toString("utf8", consumer, key.length - 5), version: key.readUInt32BE(key.length - 4) };
}

/** Everything that was made from a version. */
export function edgesRange(input: VersionName): KeyRange {
  const start = nameKey(EDGE_SPACE, input.name, 4);
  start.writeUInt32BE(input.version, start.length - 4);
  // Names begin with a higher byte than zero, and never with 0xff.
  return { start, end: Buffer.concat([start, Buffer.from([0xff])]) };
}

export function environmentKey(digest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([ENVIRONMENT_SPACE]), digest]);
}

/** That the blobs which a node names are needed: as many rows as the references take, numbered from 0 on. */
export function nodeKey(digest: Uint8Array, part = 0): Buffer {
  const key = Buffer.allocUnsafe(1 + digest.length + 4);
  key[0] = NODE_SPACE;
  key.set(digest, 1);
  key.writeUInt32BE(part, 1 + digest.length);
  return key;
}

/** The node whose row it is, or undefined for any but its first. */
export function parseNodeKey(key: Buffer): Buffer | undefined {
  const at = key.length - 4;
  return key.readUInt32BE(at) === 0 ? key.subarray(1, at) : undefined;
}

/** The node that a row is of, whichever of its rows it is; undefined for a row of anything else. */
export function nodeInKey(key: Buffer): Buffer | undefined {
  return key[0] === NODE_SPACE ? key.subarray(1, key.length - 4) : undefined;
}

export function nodesRange(): KeyRange {
  return { start: Buffer.from([NODE_SPACE]), end: Buffer.from([NODE_SPACE + 1]) };
}

const PIN_ID_BYTES = 8;

/** That a save which is under way needs some blobs. @param id 8 bytes, of the save */
export function pinKey(id: Uint8Array, number: number): Buffer {
  const key = Buffer.allocUnsafe(1 + PIN_ID_BYTES + 4);
  key[0] = PIN_SPACE;
  key.set(id, 1);
  key.writeUInt32BE(number, 1 + PIN_ID_BYTES);
  return key;
}

export function pinsRange(): KeyRange {
  return { start: Buffer.from([PIN_SPACE]), end: Buffer.from([PIN_SPACE + 1]) };
}

/** The first key behind all that begin with `prefix`, which does not end in 0xff. */
function after(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]!++;
  return end;
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
  if (bytes.length === 0) return {};
  if (lastEnvironment?.encoded.equals(bytes)) return { environment: lastEnvironment.digest };
  const content = decodeValue(bytes) as VersionContent;
  const { environment, ...rest } = content;
  if (environment && Object.keys(rest).length === 0)
    lastEnvironment = { digest: environment, encoded: Buffer.from(bytes) };
  return content;
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
