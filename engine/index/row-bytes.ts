import { DIGEST_BYTES, FLAG_WEAK, readUint32, recordBytes, writeUint32 } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import { segmentGeneration, segmentId, segmentNumber } from "../log/segment-id.ts";
import { VARINT_BYTES_MAX, VarintReader, writeVarint } from "./varint.ts";

/** What a row says besides its references and content. */
export interface RowFields {
  sequence: number;
  /** Milliseconds since 1970. */
  time: number;
  tag: number;
  /** A weak row's references do not keep blobs alive. */
  weak: boolean;
  place: RecordPlace;
  /** Where the first referenced blob was when the row was written. */
  blob: RecordPlace | undefined;
}

/**
 * How the fields of rows lie. Most of an index is rows, so they are short: numbers take the bytes that they need, and what
 * follows from other fields is left out.
 *
 * A row: checksum (4), flags (1), tag (1), how many references there are where the flags do not say it (1), time (its
 * lower 4 bytes, the rest as a number), sequence, place of the record without the length of its payload where that is the
 * rest of the row, place of the blob, references, content.
 *
 * The row of a blob: checksum (4), flags (1), how many rows refer to it where the flags do not say it, place.
 *
 * A place: number of the segment, its generation where the flags say that it has one, offset, length of the payload.
 */

const ROW_FLAGS_AT = 4;
const ROW_TAG_AT = 5;
const ROW_FIELDS_AT = 6;

// Flags of a row, beside `FLAG_WEAK`. Two bits say where the first referenced blob is: not known, right before the record, or …
const BLOB_BITS = 0x06;
const BLOB_BEFORE = 0x02;
const BLOB_ELSEWHERE = 0x04;
const BLOB_REWRITTEN = 0x06;
/** The record lies in a segment that has a generation. */
const REWRITTEN = 0x08;
/** Three bits for the number of references; all three set say that it stands behind the tag. */
const COUNT_SHIFT = 4;
const COUNT_MANY = 7;
/** The whole payload is there: references and content. */
const INLINE = 0x80;

const UINT32 = 0x1_0000_0000;

/** Numbers of a segment and of a generation, and two more. */
const PLACE_BYTES_MAX = 5 + 3 + 2 * VARINT_BYTES_MAX;
/** A row takes at most so many bytes besides its references and payload. */
export const ROW_HEAD_BYTES_MAX = ROW_FIELDS_AT + 1 + 4 + 2 * VARINT_BYTES_MAX + 2 * PLACE_BYTES_MAX;

function isBefore(blob: RecordPlace, place: RecordPlace): boolean {
  return (
    blob.segment === place.segment &&
    blob.offset + recordBytes(DIGEST_BYTES, blob.payloadLength) === place.offset
  );
}

/** Gives what follows. */
function writeSegment(into: Uint8Array, segment: number, start: number): number {
  const at = writeVarint(into, segmentNumber(segment), start);
  const generation = segmentGeneration(segment);
  return generation > 0 ? writeVarint(into, generation, at) : at;
}

/**
 * Writes what stands before a row's references and payload, and gives where they go.
 * @param isInline the whole payload follows: what is kept of a row says how long that is
 */
export function writeRowHead(
  into: Uint8Array,
  start: number,
  { sequence, time, tag, weak, place, blob }: RowFields,
  referenceCount: number,
  isInline: boolean,
): number {
  let flags = (weak ? FLAG_WEAK : 0) | (isInline ? INLINE : 0);
  if (segmentGeneration(place.segment) > 0) flags |= REWRITTEN;
  if (blob) {
    if (isBefore(blob, place)) flags |= BLOB_BEFORE;
    else flags |= segmentGeneration(blob.segment) > 0 ? BLOB_REWRITTEN : BLOB_ELSEWHERE;
  }
  into[start + ROW_FLAGS_AT] = flags | (Math.min(referenceCount, COUNT_MANY) << COUNT_SHIFT);
  into[start + ROW_TAG_AT] = tag;
  let at = start + ROW_FIELDS_AT;
  if (referenceCount >= COUNT_MANY) into[at++] = referenceCount;
  writeUint32(into, time >>> 0, at);
  at = writeVarint(into, Math.floor(time / UINT32), at + 4);
  at = writeVarint(into, sequence, at);
  at = writeSegment(into, place.segment, at);
  at = writeVarint(into, place.offset, at);
  if (!isInline) at = writeVarint(into, place.payloadLength, at);
  if (!blob) return at;
  if ((flags & BLOB_BITS) !== BLOB_BEFORE) {
    at = writeSegment(into, blob.segment, at);
    at = writeVarint(into, blob.offset, at);
  }
  return writeVarint(into, blob.payloadLength, at);
}

const countIn = (flags: number) => (flags >> COUNT_SHIFT) & COUNT_MANY;

export const isWeakIn = (row: Uint8Array) => (row[ROW_FLAGS_AT]! & FLAG_WEAK) !== 0;
export const isInlineIn = (row: Uint8Array) => (row[ROW_FLAGS_AT]! & INLINE) !== 0;
export const tagIn = (row: Uint8Array) => row[ROW_TAG_AT]!;

export function referenceCountIn(row: Uint8Array): number {
  const count = countIn(row[ROW_FLAGS_AT]!);
  return count === COUNT_MANY ? row[ROW_FIELDS_AT]! : count;
}

const varints = new VarintReader();

function readSegment(from: Uint8Array, hasGeneration: boolean): number {
  const number = varints.next(from);
  return hasGeneration ? segmentId(number, varints.next(from)) : number;
}

/** What stands before a row's references and payload. Of bytes that are no row it makes something that is no sense. */
export class RowHead {
  sequence = 0;
  time = 0;
  segment = 0;
  offset = 0;
  payloadLength = 0;
  hasBlob = false;
  blobSegment = 0;
  blobOffset = 0;
  blobLength = 0;
  referencesStart = 0;

  /** @param length of the row: the bytes may go on behind it */
  read(bytes: Uint8Array, length: number): void {
    const flags = bytes[ROW_FLAGS_AT]!;
    const at = countIn(flags) === COUNT_MANY ? ROW_FIELDS_AT + 1 : ROW_FIELDS_AT;
    varints.at = at + 4;
    this.time = readUint32(bytes, at) + varints.next(bytes) * UINT32;
    this.sequence = varints.next(bytes);
    this.segment = readSegment(bytes, (flags & REWRITTEN) !== 0);
    this.offset = varints.next(bytes);
    const isInline = (flags & INLINE) !== 0;
    if (!isInline) this.payloadLength = varints.next(bytes);
    this.#readBlob(bytes, flags & BLOB_BITS);
    this.referencesStart = varints.at;
    if (isInline) this.payloadLength = length - varints.at;
  }

  #readBlob(bytes: Uint8Array, where: number): void {
    this.hasBlob = where !== 0;
    if (where === BLOB_BEFORE) {
      this.blobSegment = this.segment;
      this.blobLength = varints.next(bytes);
      this.blobOffset = this.offset - recordBytes(DIGEST_BYTES, this.blobLength);
    } else if (where !== 0) {
      this.blobSegment = readSegment(bytes, where === BLOB_REWRITTEN);
      this.blobOffset = varints.next(bytes);
      this.blobLength = varints.next(bytes);
    }
  }
}

// Flags of the row of a blob. Six bits are for how many rows refer to it; all set say that this stands behind them.
const CONDEMNED = 0x01;
const BLOB_IN_REWRITTEN = 0x02;
const REFERENCES_SHIFT = 2;
const REFERENCES_MANY = 63;

export const BLOB_ROW_BYTES_MAX = ROW_FLAGS_AT + 1 + VARINT_BYTES_MAX + PLACE_BYTES_MAX;

/** Writes the row of a blob but for its checksum, and gives where that ends. */
export function writeBlobFields(
  into: Uint8Array,
  start: number,
  { segment, offset, payloadLength }: RecordPlace,
  referenceCount: number,
  condemned: boolean,
): number {
  const flags = (condemned ? CONDEMNED : 0) | (segmentGeneration(segment) > 0 ? BLOB_IN_REWRITTEN : 0);
  into[start + ROW_FLAGS_AT] = flags | (Math.min(referenceCount, REFERENCES_MANY) << REFERENCES_SHIFT);
  let at = start + ROW_FLAGS_AT + 1;
  if (referenceCount >= REFERENCES_MANY) at = writeVarint(into, referenceCount, at);
  at = writeSegment(into, segment, at);
  at = writeVarint(into, offset, at);
  return writeVarint(into, payloadLength, at);
}

/** The row of a blob, as `RowHead`. */
export class BlobHead {
  condemned = false;
  referenceCount = 0;
  segment = 0;
  offset = 0;
  payloadLength = 0;

  read(bytes: Uint8Array): void {
    const flags = bytes[ROW_FLAGS_AT]!;
    this.condemned = (flags & CONDEMNED) !== 0;
    varints.at = ROW_FLAGS_AT + 1;
    const count = flags >> REFERENCES_SHIFT;
    this.referenceCount = count === REFERENCES_MANY ? varints.next(bytes) : count;
    this.segment = readSegment(bytes, (flags & BLOB_IN_REWRITTEN) !== 0);
    this.offset = varints.next(bytes);
    this.payloadLength = varints.next(bytes);
  }
}
