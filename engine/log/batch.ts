import { checksum, runningChecksum } from "./checksum.ts";
import type { BatchHeader, RecordHeader } from "./format.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  KEY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RecordKind,
  readBatchHeader,
  readRecordHeader,
  recordBytes,
  writeUint64,
} from "./format.ts";
import type { OpenSegment } from "./reader.ts";
import type { LogPosition } from "./segment.ts";
import type { Window } from "./window.ts";

/** A record where it was read: its key and payload are views of `bytes`. */
export class ScannedRecord {
  readonly header: RecordHeader;
  readonly segment: number;
  /** Of the record in its segment. */
  readonly offset: number;
  readonly bytes: Buffer;
  /** Where the key begins in `bytes`, and behind it the payload, but for a blob's. */
  readonly keyAt: number;
  /** Whether the payload agrees with its checksum. */
  readonly sound: boolean;

  constructor(
    header: RecordHeader,
    place: { segment: number; offset: number },
    bytes: Buffer,
    keyAt: number,
    sound: boolean,
  ) {
    this.header = header;
    this.segment = place.segment;
    this.offset = place.offset;
    this.bytes = bytes;
    this.keyAt = keyAt;
    this.sound = sound;
  }

  get key(): Buffer {
    return this.bytes.subarray(this.keyAt, this.keyAt + this.header.keyLength);
  }

  /** Of a put or delete; blobs are checked where they lie. */
  get payload(): Buffer | undefined {
    if (this.header.kind === RecordKind.blob) return undefined;
    const at = this.keyAt + this.header.keyLength;
    return this.bytes.subarray(at, at + this.header.payloadLength);
  }
}

export interface ScannedBatch {
  header: BatchHeader;
  records: ScannedRecord[];
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
  const salt = segment.header.salt;
  for (let at = from; at + BATCH_HEADER_BYTES <= window.end; at += ALIGNMENT_BYTES) {
    const bytes = window.view(at, BATCH_HEADER_BYTES);
    if (bytes[0] !== 0x56 || bytes[1] !== 0x42) continue;
    const header = readBatchHeader(bytes, 0, salt);
    if (!header || header.sequence <= sequence) continue;
    const batch = readBatch(window, segment, at);
    if (batch) return batch;
  }
  return undefined;
}

/**
 * The batch at `offset`, or undefined if its structure is not whole; payloads that fail are marked in their records.
 * Views are given where the batch is not too long for it.
 */
export function readBatch(
  window: Window,
  segment: OpenSegment,
  offset: number,
  given: BytesGiven = "copies",
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
  const sums = sumsFor(Math.min(header.count, header.length / RECORD_HEADER_BYTES));
  while (at < recordsEnd && records.length < header.count) {
    const record = readRecord(window, segment, at, recordsEnd, views);
    if (!record) return undefined;
    writeUint64(sums, record.header.checksum, records.length * 8);
    records.push(record);
    at += recordBytes(record.header.keyLength, record.header.payloadLength);
  }
  const whole = at === recordsEnd && records.length === header.count;
  if (!whole || checksum(sums, salt) !== header.recordsChecksum) return undefined;
  const { sequence, time, chain } = header;
  return { header, records, end: { segment: segment.number, offset: recordsEnd, sequence, time, chain } };
}

/** For batches of few records, which are most, buffers that are used again. */
const smallSums = Array.from({ length: 16 }, (_, records) => Buffer.allocUnsafeSlow(records * 8));

function sumsFor(records: number): Buffer {
  return smallSums[records] ?? Buffer.allocUnsafeSlow(Math.floor(records) * 8);
}

/** The record at `offset`, of a batch that ends at `end`. */
function readRecord(
  window: Window,
  segment: OpenSegment,
  offset: number,
  end: number,
  views: boolean,
): ScannedRecord | undefined {
  const salt = segment.header.salt;
  const at = window.find(offset, Math.min(RECORD_HEADER_BYTES + KEY_BYTES_MAX, end - offset));
  const header = readRecordHeader(window.bytes, at, salt, Math.min(window.filled, at + end - offset));
  if (!header) return undefined;
  const { kind, keyLength, payloadLength, payloadChecksum } = header;
  const payloadOffset = offset + RECORD_HEADER_BYTES + keyLength;
  if (payloadOffset + payloadLength > end) return undefined;
  const isBlob = kind === RecordKind.blob;
  const place = { segment: segment.number, offset };
  if (views) {
    const payload = window.view(payloadOffset, payloadLength);
    const sound = checksum(payload, salt) === payloadChecksum;
    return new ScannedRecord(header, place, window.bytes, at + RECORD_HEADER_BYTES, sound);
  }
  const copied = Buffer.from(
    window.view(payloadOffset - keyLength, keyLength + (isBlob ? 0 : payloadLength)),
  );
  const sum = isBlob
    ? checksumAt(window, payloadOffset, payloadLength, salt)
    : checksum(copied.subarray(keyLength), salt);
  return new ScannedRecord(header, place, copied, 0, sum === payloadChecksum);
}

function checksumAt(window: Window, from: number, length: number, salt: bigint): bigint {
  if (length <= window.pieceBytes) return checksum(window.view(from, length), salt);
  const running = runningChecksum(salt);
  for (const piece of window.pieces(from, length)) running.update(piece);
  return running.digest();
}
