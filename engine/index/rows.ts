import { rowChecksum, rowChecksumWithin } from "../log/checksum.ts";
import { DIGEST_BYTES, FLAG_WEAK, readUint32, readUint53, writeUint32, writeUint53 } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import type { LogPosition } from "../log/segment.ts";
import { segmentGeneration, segmentId } from "../log/segment-id.ts";
import { indexDamage } from "./damage.ts";

/** The rows of the index as bytes and back. The index is made from the log, so this is no format to keep. */

/** Raised when rows change their shape: an index of another version is built anew. */
export const INDEX_VERSION = 3;

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
export interface Row {
  sequence: number;
  /** Milliseconds since 1970. */
  time: number;
  tag: number;
  /** A weak row's references do not keep blobs alive. */
  weak: boolean;
  /** SHA-256 digests, 32 bytes each. */
  references: Buffer[];
  place: RecordPlace;
  /** Where the first referenced blob was when the row was written. */
  blob: RecordPlace | undefined;
  /** The payload behind the references, when it is small enough to be kept here. */
  inline: Buffer | undefined;
}

/** Where a blob lies and how many rows need it. */
export interface BlobRow {
  place: RecordPlace;
  referenceCount: number;
  /** Compaction is about to drop it: nobody may go back to it. */
  condemned?: boolean;
}

/** Whether the log has the blob, as far as the index knows. */
export function isPlaced({ place }: BlobRow): boolean {
  return place.segment !== 0;
}

export const ROW_HEAD_BYTES = 48;
export const PLACE_BYTES = 18;
/** Longer is that of a condemned blob. */
export const BLOB_ROW_BYTES = 4 + PLACE_BYTES + 8;
/** A row takes at most so many bytes besides its references and payload. */
export const ROW_HEAD_BYTES_MAX = ROW_HEAD_BYTES + PLACE_BYTES;
const FLAG_INLINE = 0x80;

/** The number of the segment in 4 bytes, its generation in 3, the offset in 5, the length in 6. */
function writePlace(into: Buffer, at: number, { segment, offset, payloadLength }: RecordPlace): void {
  writeUint32(into, segment, at);
  // What is written beyond the bytes of a number, the next one is written over.
  writeUint32(into, segmentGeneration(segment), at + 4);
  writeUint53(into, offset, at + 7);
  writeUint32(into, payloadLength >>> 0, at + 12);
  const high = Math.floor(payloadLength / 0x1_0000_0000);
  into[at + 16] = high;
  into[at + 17] = high >>> 8;
}

/** Of the place at `at` only how long its payload is. */
export function readPayloadLength(from: Uint8Array, at: number): number {
  return readUint32(from, at + 12) + (from[at + 16]! | (from[at + 17]! << 8)) * 0x1_0000_0000;
}

/** Of the place at `at` only which segment it is in. */
export function readSegment(from: Uint8Array, at: number): number {
  const number = readUint32(from, at);
  const generation = from[at + 4]! | (from[at + 5]! << 8) | (from[at + 6]! << 16);
  return generation === 0 ? number : segmentId(number, generation);
}

function readPlace(from: Buffer, at: number): RecordPlace {
  return {
    segment: readSegment(from, at),
    offset: readUint32(from, at + 7) + from[at + 11]! * 0x1_0000_0000,
    payloadLength: readPayloadLength(from, at),
  };
}

export function encodeRow(row: Row): Buffer {
  const { references, inline, blob } = row;
  const head = ROW_HEAD_BYTES + (blob ? PLACE_BYTES : 0);
  const bytes = Buffer.allocUnsafe(head + references.length * DIGEST_BYTES + (inline?.length ?? 0));
  let at = writeRowHead(bytes, 0, row, references.length, inline !== undefined);
  for (const digest of references) {
    bytes.set(digest, at);
    at += DIGEST_BYTES;
  }
  if (inline) bytes.set(inline, at);
  sealRow(bytes, 0, bytes.length);
  return bytes;
}

/** Writes what stands before a row's references and payload, and gives where they go; `sealRow` makes it whole. */
export function writeRowHead(
  into: Buffer,
  start: number,
  { sequence, time, tag, weak, place, blob }: Omit<Row, "references" | "inline">,
  referenceCount: number,
  isInline: boolean,
): number {
  into[start + 4] = (weak ? FLAG_WEAK : 0) | (isInline ? FLAG_INLINE : 0);
  into[start + 5] = tag;
  into[start + 6] = referenceCount;
  into[start + 7] = blob ? 1 : 0;
  writeUint53(into, sequence, start + 8);
  writeUint53(into, time, start + 16);
  writePlace(into, start + 24, place);
  for (let at = start + 42; at < start + ROW_HEAD_BYTES; at++) into[at] = 0;
  if (!blob) return start + ROW_HEAD_BYTES;
  writePlace(into, start + ROW_HEAD_BYTES, blob);
  return start + ROW_HEAD_BYTES + PLACE_BYTES;
}

/** The row from `start` to `end` is complete but for its checksum. */
export function sealRow(into: Buffer, start: number, end: number): number {
  writeUint32(into, rowChecksumWithin(into, start + 4, end), start);
  return end;
}

/** Copies what it keeps: `bytes` may be a view that the next look-up overwrites. */
export function decodeRow(bytes: Buffer): Row {
  checkSeal(bytes);
  const flags = bytes[4]!;
  let at = ROW_HEAD_BYTES;
  let blob: RecordPlace | undefined;
  if (bytes[7] === 1) {
    blob = readPlace(bytes, at);
    at += PLACE_BYTES;
  }
  const references: Buffer[] = [];
  for (let i = bytes[6]!; i > 0; i--) {
    references.push(Buffer.from(bytes.subarray(at, at + DIGEST_BYTES)));
    at += DIGEST_BYTES;
  }
  return {
    sequence: readUint53(bytes, 8),
    time: readUint53(bytes, 16),
    tag: bytes[5]!,
    weak: (flags & FLAG_WEAK) !== 0,
    references,
    place: readPlace(bytes, 24),
    blob,
    inline: flags & FLAG_INLINE ? Buffer.from(bytes.subarray(at)) : undefined,
  };
}

/** Behind the row of a condemned blob stands one byte more. */
const CONDEMNED = Buffer.from([1]);

export function encodeBlobRow(row: BlobRow): Buffer {
  const bytes = new BlobRowWriter().write(row.place, row.referenceCount);
  return row.condemned ? seal(Buffer.concat([bytes, CONDEMNED])) : bytes;
}

/** Encodes rows of blobs one after another into the same bytes. */
export class BlobRowWriter {
  readonly #bytes = Buffer.allocUnsafe(BLOB_ROW_BYTES);
  readonly #sealed = this.#bytes.subarray(4);

  /** Valid until the next one. */
  write(place: RecordPlace, referenceCount: number): Buffer {
    const bytes = this.#bytes;
    writePlace(bytes, 4, place);
    writeUint53(bytes, referenceCount, 4 + PLACE_BYTES);
    writeUint32(bytes, rowChecksum(this.#sealed), 0);
    return bytes;
  }
}

export function decodeBlobRow(bytes: Buffer): BlobRow {
  checkSeal(bytes);
  const row = { place: readPlace(bytes, 4), referenceCount: readUint53(bytes, 4 + PLACE_BYTES) };
  return bytes.length > BLOB_ROW_BYTES ? { ...row, condemned: true } : row;
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
export function isSealed(bytes: Buffer): boolean {
  return bytes.length > 4 && readUint32(bytes, 0) === rowChecksumWithin(bytes, 4, bytes.length);
}

function checkSeal(bytes: Buffer): void {
  if (!isSealed(bytes)) throw indexDamage("a row of the index is damaged");
}
