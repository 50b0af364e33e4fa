import { VarveError } from "../errors.ts";
import { isChecksumAt } from "./checksum.ts";
import type { LogFile } from "./file.ts";
import type { RecordKind, SegmentHeader } from "./format.ts";
import { isRecordHeader, RECORD_HEADER_BYTES, RecordAt, readUint32, readUint53 } from "./format.ts";
import { segmentNumber, segmentText } from "./segment-id.ts";

/** Where a record lies, and how long its parts are. */
export interface RecordPlace {
  /** Its id. */
  segment: number;
  offset: number;
  payloadLength: number;
}

export interface OpenSegment {
  readonly id: number;
  readonly path: string;
  readonly file: LogFile;
  readonly header: SegmentHeader;
  /** Asynchronous reads and scans under way: not to be closed under them. */
  busy: number;
}

/** The payload of the record that `bytes` are, once header, key and payload are those of their checksums. @throws CORRUPTION */
export function checkedPayload(
  segment: OpenSegment,
  place: RecordPlace,
  kind: RecordKind,
  key: Uint8Array,
  bytes: Buffer,
): Buffer {
  const start = checkPayload(segment, place, kind, key, bytes, bytes.length);
  return bytes.subarray(start, start + place.payloadLength);
}

/** The same for a record that `bytes` begin with, and where its payload begins. @param end of what was read */
export function checkPayload(
  segment: OpenSegment,
  place: RecordPlace,
  kind: RecordKind,
  key: Uint8Array,
  bytes: Buffer,
  end: number,
): number {
  const { salt } = segment.header;
  const isSound = isRecordHeader(bytes, 0, salt, end) && isRecordOf(bytes, 0, kind, key, place.payloadLength);
  if (!isSound) throw damagedRecord(segment, place, "header");
  const start = RECORD_HEADER_BYTES + key.length;
  const payloadEnd = start + place.payloadLength;
  const isWhole = payloadEnd <= end && isChecksumAt(bytes, start, payloadEnd, salt, RecordAt.payloadChecksum);
  if (!isWhole) throw damagedRecord(segment, place, "payload");
  return start;
}

/** Whether the valid record header at `at` is of such a record. */
export function isRecordOf(
  bytes: Buffer,
  at: number,
  kind: RecordKind,
  key: Uint8Array,
  payloadLength: number,
): boolean {
  if (bytes[at + RecordAt.kind] !== kind || readUint32(bytes, at + RecordAt.keyLength) !== key.length)
    return false;
  if (readUint53(bytes, at + RecordAt.payloadLength) !== payloadLength) return false;
  const keyAt = at + RECORD_HEADER_BYTES;
  for (let i = 0; i < key.length; i++) if (bytes[keyAt + i] !== key[i]) return false;
  return true;
}

export function damagedRecord(
  segment: OpenSegment,
  place: RecordPlace,
  part: "header" | "payload",
): VarveError {
  return new VarveError(
    "CORRUPTION",
    `damaged ${part} of the record at offset ${place.offset} of ${segmentText(segment.id)} (${segment.path})`,
    {
      hint: "`varve verify` lists all damage; other artifacts stay readable",
      details: { segment: segmentNumber(segment.id), offset: place.offset },
    },
  );
}
