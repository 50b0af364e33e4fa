import { isChecksumAt } from "./checksum.ts";
import type { BatchHeader, RecordHeader } from "./format.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  decodeRecordHeader,
  isRecordHeader,
  isUint64At,
  KEY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RecordAt,
  RecordKind,
  readBatchHeader,
  readUint32,
  readUint53,
  recordBytes,
  writeUint64,
} from "./format.ts";
import { SUMS_BYTES, SUMS_FROM } from "./hash-memory.ts";
import type { OpenSegment } from "./reader.ts";
import type { LogPosition } from "./segment.ts";
import type { Window } from "./window.ts";

/** A record where it was read: header, key and payload are views of `bytes`. Millions are made: what is plain is kept. */
export class ScannedRecord {
  readonly segment: number;
  /** Of the record in its segment. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** Where the header begins in `bytes`, then the key, and behind it the payload, but for a blob's. */
  readonly at: number;
  readonly kind: RecordKind;
  readonly keyLength: number;
  readonly payloadLength: number;
  /** Whether the payload agrees with its checksum, as far as that was looked at. */
  readonly sound: boolean;

  constructor(segment: number, offset: number, bytes: Buffer, at: number, sound: boolean) {
    this.segment = segment;
    this.offset = offset;
    this.bytes = bytes;
    this.at = at;
    this.kind = bytes[at + RecordAt.kind] as RecordKind;
    this.keyLength = readUint32(bytes, at + RecordAt.keyLength);
    this.payloadLength = readUint53(bytes, at + RecordAt.payloadLength);
    this.sound = sound;
  }

  get header(): RecordHeader {
    return decodeRecordHeader(this.bytes, this.at);
  }

  /** Where the key begins in `bytes`. */
  get keyAt(): number {
    return this.at + RECORD_HEADER_BYTES;
  }

  get flags(): number {
    return this.bytes[this.at + RecordAt.flags]!;
  }

  get tag(): number {
    return this.bytes[this.at + RecordAt.tag]!;
  }

  get referenceCount(): number {
    return this.bytes[this.at + RecordAt.referenceCount]!;
  }

  get key(): Buffer {
    return this.bytes.subarray(this.keyAt, this.keyAt + this.keyLength);
  }

  /** Of a put or delete; blobs are checked where they lie. */
  get payload(): Buffer | undefined {
    if (this.kind === RecordKind.blob) return undefined;
    const at = this.keyAt + this.keyLength;
    return this.bytes.subarray(at, at + this.payloadLength);
  }
}

export interface ScannedBatch {
  header: BatchHeader;
  records: ScannedRecord[];
  /** Whether all records are. */
  sound: boolean;
  end: LogPosition;
}

/** How the bytes of a scan's records are given: as copies, or as views that are valid until the scan goes on. */
export type BytesGiven = "copies" | "views";

/** The first whole batch at or behind `from` that is newer than `sequence`. */
export function findBatch(
  window: Window,
  segment: OpenSegment,
  from: number,
  sequence: number,
): ScannedBatch | undefined {
  const { salt } = segment.header;
  let found = findBatchHeader(window, from, salt);
  for (; found; found = findBatchHeader(window, found.offset + ALIGNMENT_BYTES, salt)) {
    if (found.header.sequence <= sequence) continue;
    const batch = readBatch(window, segment, found.offset);
    if (batch) return batch;
  }
  return undefined;
}

/** The first whole header of a batch at or behind `from`. */
export function findBatchHeader(
  window: Window,
  from: number,
  salt: bigint,
): { offset: number; header: BatchHeader } | undefined {
  for (let offset = from; offset + BATCH_HEADER_BYTES <= window.end; offset += ALIGNMENT_BYTES) {
    const at = window.find(offset, BATCH_HEADER_BYTES);
    const header = readBatchHeader(window.bytes, at, salt, window.filled);
    if (header) return { offset, header };
  }
  return undefined;
}

/**
 * The batch at `offset`, or undefined if its structure is not whole; payloads that fail are marked in their records.
 * Views are given where the batch is not too long for it.
 * @param looksAtBlobs whether the payloads of blobs are read at all
 */
export function readBatch(
  window: Window,
  segment: OpenSegment,
  offset: number,
  given: BytesGiven = "copies",
  looksAtBlobs = true,
): ScannedBatch | undefined {
  const salt = segment.header.salt;
  const headerAt = window.find(offset, BATCH_HEADER_BYTES);
  const header = readBatchHeader(window.bytes, headerAt, salt, window.filled);
  if (!header || offset + BATCH_HEADER_BYTES + header.length > window.end) return undefined;
  const recordsEnd = offset + BATCH_HEADER_BYTES + header.length;
  let at = offset + BATCH_HEADER_BYTES;
  // All of it is in the window then, which does not move before something else is read.
  const views = given === "views" && window.holds(header.length);
  if (views && window.find(at, header.length) + header.length > window.filled) return undefined;
  const records: ScannedRecord[] = [];
  // The checksum of the records' checksums, and these behind it.
  const sums = sumsFor(window, Math.min(header.count, header.length / RECORD_HEADER_BYTES));
  const sumsAt = sums === window.bytes ? SUMS_FROM : 0;
  writeUint64(sums, header.recordsChecksum, sumsAt);
  let sumsEnd = sumsAt + 8;
  let sound = true;
  while (at < recordsEnd && records.length < header.count) {
    const record = readRecord(window, segment, at, recordsEnd, views, looksAtBlobs);
    if (!record) return undefined;
    for (let i = 0; i < 8; i++) sums[sumsEnd++] = record.bytes[record.at + i]!;
    records.push(record);
    if (!record.sound) sound = false;
    at += recordBytes(record.keyLength, record.payloadLength);
  }
  const whole = at === recordsEnd && records.length === header.count;
  if (!whole || !isChecksumAt(sums, sumsAt + 8, sumsEnd, salt, sumsAt)) return undefined;
  const { sequence, time, chain } = header;
  return {
    header,
    records,
    sound,
    end: { segment: segment.id, offset: recordsEnd, sequence, time, chain },
  };
}

/** For batches of few records, which are most, buffers that are used again. */
const smallSums = Array.from({ length: 16 }, (_, records) => Buffer.allocUnsafeSlow(8 + records * 8));

/** Room for a checksum and those of so many records. */
function sumsFor(window: Window, records: number): Buffer {
  if (window.isInHashMemory && 8 + records * 8 <= SUMS_BYTES) return window.bytes;
  return smallSums[records] ?? Buffer.allocUnsafeSlow(8 + Math.floor(records) * 8);
}

/** The record at `offset`, of a batch that ends at `end`. */
function readRecord(
  window: Window,
  segment: OpenSegment,
  offset: number,
  end: number,
  views: boolean,
  looksAtBlobs: boolean,
): ScannedRecord | undefined {
  const salt = segment.header.salt;
  const at = window.find(offset, Math.min(RECORD_HEADER_BYTES + KEY_BYTES_MAX, end - offset));
  const { bytes } = window;
  if (!isRecordHeader(bytes, at, salt, Math.min(window.filled, at + end - offset))) return undefined;
  const headBytes = RECORD_HEADER_BYTES + readUint32(bytes, at + RecordAt.keyLength);
  const payloadLength = readUint53(bytes, at + RecordAt.payloadLength);
  if (offset + headBytes + payloadLength > end) return undefined;
  const isBlob = bytes[at + RecordAt.kind] === RecordKind.blob;
  const isLookedAt = looksAtBlobs || !isBlob;
  if (views) {
    const payloadAt = at + headBytes;
    const sound =
      !isLookedAt ||
      isChecksumAt(bytes, payloadAt, payloadAt + payloadLength, salt, at + RecordAt.payloadChecksum);
    return new ScannedRecord(segment.id, offset, bytes, at, sound);
  }
  const copied = Buffer.from(window.view(offset, headBytes + (isBlob ? 0 : payloadLength)));
  const sound =
    !isLookedAt ||
    isUint64At(copied, window.checksum(offset + headBytes, payloadLength, salt), RECORD_HEADER_BYTES - 8);
  return new ScannedRecord(segment.id, offset, copied, 0, sound);
}
