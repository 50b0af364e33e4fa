import { rowChecksum, rowChecksumWithin } from "../log/checksum.ts";
import { DIGEST_BYTES, readUint32, readUint53, writeUint32, writeUint53 } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import type { LogPosition } from "../log/segment.ts";
import { segmentGeneration, segmentId } from "../log/segment-id.ts";
import { copyOf } from "./copy-of.ts";
import { indexDamage } from "./damage.ts";
import type { RowFields } from "./row-bytes.ts";
import {
  BLOB_ROW_BYTES_MAX,
  BlobHead,
  isInlineIn,
  isWeakIn,
  ROW_HEAD_BYTES_MAX,
  RowHead,
  referenceCountIn,
  tagIn,
  writeBlobFields,
  writeRowHead,
} from "./row-bytes.ts";

export { BLOB_ROW_BYTES_MAX, ROW_HEAD_BYTES_MAX, writeRowHead } from "./row-bytes.ts";

/** The rows of the index as bytes and back. The index is made from the log, so this is no format to keep. */

/** Raised when rows change their shape: an index of another version is built anew. */
export const INDEX_VERSION = 4;

/** First bytes of keys that are the index's own; keys of applications begin with a higher byte. */
export const META_SPACE = 0x00;
export const BLOB_SPACE = 0x01;
export const APPLICATION_SPACE = 0x02;

/** The key of a blob's row. */
export function blobKey(digest: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(1 + digest.length);
  key[0] = BLOB_SPACE;
  key.set(digest, 1);
  return key;
}

/** What an application put under a key, and where it lies. */
export interface Row extends RowFields {
  /** SHA-256 digests, 32 bytes each. */
  references: Buffer[];
  /** The payload behind the references, when it is small enough to be kept here. */
  inline: Buffer | undefined;
  /** Where the cache had the first reference, or the content of a row without any, if it did. */
  cachedAt: number;
}

/** A number, but no small integer: else V8 makes each row over, when it is told where the cache had its blob. */
export const NOT_CACHED = Number.NaN;

/** Where a blob lies and how many rows need it. */
export interface BlobRow {
  place: RecordPlace;
  referenceCount: number;
  /** Compaction is about to drop it: nobody may go back to it. */
  condemned?: boolean;
}

/** What a state of the index says, by key and by digest. */
export interface RowsAndBlobs {
  row(key: Uint8Array): Row | undefined;
  blobRow(digest: Buffer): BlobRow | undefined;
}

/** Of a blob that rows refer to and that the log does not have: it may come later, and must be counted then. */
export const NOWHERE: RecordPlace = { segment: 0, offset: 0, payloadLength: 0 };

/** Whether the log has the blob, as far as the index knows. */
export function isPlaced({ place }: BlobRow): boolean {
  return place.segment !== 0;
}

/** Where rows are written one after another, since LMDB copies them: to make a buffer for each takes longer than to fill it. */
class ReusedBytes {
  readonly bytes: Buffer;
  /** By length. */
  readonly #views: Buffer[] = [];

  constructor(length: number) {
    this.bytes = Buffer.alloc(length);
  }

  first(length: number): Buffer {
    this.#views[length] ??= this.bytes.subarray(0, length);
    return this.#views[length];
  }
}

/** Room for all but rows with many references. */
const reused = new ReusedBytes(1024);

/** Valid until the next one. */
export function encodeRow(row: Row): Buffer {
  const { references, inline } = row;
  const most = ROW_HEAD_BYTES_MAX + references.length * DIGEST_BYTES + (inline?.length ?? 0);
  const bytes = most <= reused.bytes.length ? reused.bytes : Buffer.allocUnsafe(most);
  let at = writeRowHead(bytes, 0, row, references.length, inline !== undefined);
  for (const digest of references) {
    bytes.set(digest, at);
    at += DIGEST_BYTES;
  }
  if (inline) {
    bytes.set(inline, at);
    at += inline.length;
  }
  sealRow(bytes, 0, at);
  return bytes === reused.bytes ? reused.first(at) : bytes.subarray(0, at);
}

/** The row from `start` to `end` is complete but for its checksum. */
export function sealRow(into: Buffer, start: number, end: number): number {
  writeUint32(into, rowChecksumWithin(into, start + 4, end), start);
  return end;
}

const rowHead = new RowHead();

/**
 * Copies what it keeps: `bytes` may be a view that the next look-up overwrites.
 * @param length of the row: the bytes may go on behind it
 */
export function decodeRow(bytes: Uint8Array, length = bytes.length): Row {
  checkSeal(bytes, length);
  const head = rowHead;
  head.read(bytes, length);
  let at = head.referencesStart;
  const references: Buffer[] = [];
  for (let i = referenceCountIn(bytes); i > 0; i--) {
    references.push(copyOf(bytes, at, at + DIGEST_BYTES));
    at += DIGEST_BYTES;
  }
  return {
    sequence: head.sequence,
    time: head.time,
    tag: tagIn(bytes),
    weak: isWeakIn(bytes),
    references,
    place: { segment: head.segment, offset: head.offset, payloadLength: head.payloadLength },
    blob: head.hasBlob
      ? { segment: head.blobSegment, offset: head.blobOffset, payloadLength: head.blobLength }
      : undefined,
    inline: isInlineIn(bytes) ? copyOf(bytes, at, length) : undefined,
    cachedAt: NOT_CACHED,
  };
}

/** Writes the row of a blob and gives where it ends. */
export function writeBlobRow(
  into: Buffer,
  start: number,
  place: RecordPlace,
  referenceCount: number,
  condemned = false,
): number {
  return sealRow(into, start, writeBlobFields(into, start, place, referenceCount, condemned));
}

const reusedForBlobs = new ReusedBytes(BLOB_ROW_BYTES_MAX);

/** Valid until the next one. */
export function encodeBlobRow(place: RecordPlace, referenceCount: number, condemned = false): Buffer {
  return reusedForBlobs.first(writeBlobRow(reusedForBlobs.bytes, 0, place, referenceCount, condemned));
}

const blobHead = new BlobHead();

/** @param length as in `decodeRow` */
export function decodeBlobRow(bytes: Uint8Array, length = bytes.length): BlobRow {
  checkSeal(bytes, length);
  const head = blobHead;
  head.read(bytes);
  const { segment, offset, payloadLength, referenceCount, condemned } = head;
  const row = { place: { segment, offset, payloadLength }, referenceCount };
  return condemned ? { ...row, condemned } : row;
}

const POSITION_BYTES = 40;

export function writePosition(into: Buffer, at: number, position: LogPosition): void {
  writeUint32(into, position.segment, at);
  writeUint32(into, segmentGeneration(position.segment), at + 4);
  writeUint53(into, position.offset, at + 8);
  writeUint53(into, position.sequence, at + 16);
  writeUint53(into, position.time, at + 24);
  into.writeBigUInt64LE(position.chain, at + 32);
}

export function readPosition(from: Buffer, at: number): LogPosition {
  return {
    segment: segmentId(readUint32(from, at), readUint32(from, at + 4)),
    offset: readUint53(from, at + 8),
    sequence: readUint53(from, at + 16),
    time: readUint53(from, at + 24),
    chain: from.readBigUInt64LE(at + 32),
  };
}

/** How far the log is in the index, with the index's version. */
export function encodeApplied(position: LogPosition): Buffer {
  const bytes = Buffer.alloc(8 + POSITION_BYTES);
  bytes.writeUInt32LE(INDEX_VERSION, 4);
  writePosition(bytes, 8, position);
  return seal(bytes);
}

/** Undefined for an index of another version. */
export function decodeApplied(bytes: Buffer): LogPosition | undefined {
  checkSeal(bytes);
  return bytes.readUInt32LE(4) === INDEX_VERSION ? readPosition(bytes, 8) : undefined;
}

function seal(bytes: Buffer): Buffer {
  writeUint32(bytes, rowChecksum(bytes.subarray(4)), 0);
  return bytes;
}

/** Whether what stands under a key is what was put there. */
export function isRowSound(key: Buffer, value: Buffer): boolean {
  return key[0] === META_SPACE || isSealed(value);
}

/** LMDB keeps no checksums of its pages, so each row has one. */
export function isSealed(bytes: Uint8Array, length = bytes.length): boolean {
  return length > 4 && readUint32(bytes, 0) === rowChecksumWithin(bytes, 4, length);
}

/** The row may be followed by other bytes. @throws CORRUPTION */
export function checkSeal(bytes: Uint8Array, length?: number): void {
  if (!isSealed(bytes, length)) throw indexDamage("a row of the index is damaged");
}
