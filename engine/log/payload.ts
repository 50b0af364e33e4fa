import { VarveError } from "../errors.ts";
import { checksum } from "./checksum.ts";
import type { LogFile } from "./file.ts";
import type { RecordKind, SegmentHeader } from "./format.ts";
import { RECORD_HEADER_BYTES, readRecordHeader } from "./format.ts";
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
  const salt = segment.header.salt;
  const header = readRecordHeader(bytes, 0, salt);
  const keyEnd = RECORD_HEADER_BYTES + key.length;
  const sound =
    header !== undefined &&
    header.kind === kind &&
    header.payloadLength === place.payloadLength &&
    bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.keyLength).equals(key);
  if (!sound) throw damagedRecord(segment, place, "header");
  const payload = bytes.subarray(keyEnd, keyEnd + header.payloadLength);
  if (payload.length !== header.payloadLength || checksum(payload, salt) !== header.payloadChecksum) {
    throw damagedRecord(segment, place, "payload");
  }
  return payload;
}

function damagedRecord(segment: OpenSegment, place: RecordPlace, part: string): VarveError {
  return new VarveError(
    "CORRUPTION",
    `damaged ${part} of the record at offset ${place.offset} of ${segmentText(segment.id)} (${segment.path})`,
    {
      hint: "`varve verify` lists all damage; other artifacts stay readable",
      details: { segment: segmentNumber(segment.id), offset: place.offset },
    },
  );
}
