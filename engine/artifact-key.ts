import { Buffer } from "node:buffer";
import type { RawEntry } from "./index/raw-entry.ts";

/** Keys of artifacts in the engine. Part of the format: see FORMAT.md, "Records of the artifact store". */

const VERSION_SPACE = 0x61; // "a"
const ALIAS_SPACE = 0x6c; // "l"
const EDGE_SPACE = 0x64; // "d"
const ENVIRONMENT_SPACE = 0x65; // "e"
const NODE_SPACE = 0x63; // "c"
const PIN_SPACE = 0x70; // "p"

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

/** As `parseVersionKey`, of an entry in the index. */
export function versionInEntry(entry: RawEntry): VersionName {
  const { keyBytes, keyEnd } = entry;
  const low = (keyBytes[keyEnd - 3]! << 16) | (keyBytes[keyEnd - 2]! << 8) | keyBytes[keyEnd - 1]!;
  const inverted = keyBytes[keyEnd - 4]! * 0x100_0000 + low;
  return { name: entry.keyText(1, 5), version: 0xffff_ffff - inverted };
}

export function versionInKey(key: Buffer): number {
  return 0xffff_ffff - key.readUInt32BE(key.length - 4);
}

export function isVersionKey(key: Uint8Array): boolean {
  return key[0] === VERSION_SPACE;
}

export function isAliasKey(key: Uint8Array): boolean {
  return key[0] === ALIAS_SPACE;
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

/** All versions of the name that a version's key is of. */
export function versionsBeside(key: Buffer): KeyRange {
  const start = key.subarray(0, -4);
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

/** That the values of some versions are kept outside the log. */
export const ELSEWHERE_KEY = Buffer.from("v");

/** That a storage backend keeps the values of some versions. */
export const KEPT_KEY = Buffer.from("k");

/** The operation up to which history is forgotten. */
export const HORIZON_KEY = Buffer.from("h");

/** The first key behind all that begin with `prefix`, which does not end in 0xff. */
function after(prefix: Buffer): Buffer {
  const end = Buffer.from(prefix);
  end[end.length - 1]!++;
  return end;
}
