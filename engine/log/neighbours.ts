import { checksum } from "./checksum.ts";
import {
  ALIGNMENT_BYTES,
  DIGEST_BYTES,
  isRecordHeader,
  isUint64At,
  RECORD_HEADER_BYTES,
  RecordAt,
  RecordKind,
  recordBytes,
} from "./format.ts";
import type { OpenSegment } from "./payload.ts";
import { damagedRecord, isRecordOf } from "./payload.ts";

/** Blobs whose records lie one behind the other in a segment. */
export interface Neighbours {
  /** Its id. */
  segment: number;
  /** Of the first record. */
  offset: number;
  /** One behind the other. */
  digests: Uint8Array;
  /** Bytes of each blob. */
  lengths: ArrayLike<number>;
}

const HEAD_BYTES = RECORD_HEADER_BYTES + DIGEST_BYTES;
/** Room for a head, with the padding of the record before in front. */
const HEAD_ROOM = ALIGNMENT_BYTES + HEAD_BYTES;

/** Where a record may begin behind that of a blob. */
export const behindBlob = (offset: number, length: number): number =>
  offset + recordBytes(DIGEST_BYTES, length);

/**
 * Reads neighbours `into` memory of exactly their length, one behind the other, by one read on another thread: what stands
 * between them goes elsewhere. Each is checked as a record that is read by itself.
 * @throws CORRUPTION, or of the operating system; then there may be anything in that memory
 */
export async function readInto(into: Buffer, segment: OpenSegment, blobs: Neighbours): Promise<void> {
  const { lengths, offset } = blobs;
  const heads = Buffer.allocUnsafe(lengths.length * HEAD_ROOM);
  const pieces: Buffer[] = [];
  for (let i = 0, at = 0, padding = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    const payload = into.subarray(at, at + length);
    pieces.push(heads.subarray(i * HEAD_ROOM + ALIGNMENT_BYTES - padding, (i + 1) * HEAD_ROOM), payload);
    padding = behindBlob(0, length) - HEAD_BYTES - length;
    at += length;
  }
  const got = await segment.file.readAsync(pieces, offset);
  checkNeighbours(segment, blobs, heads, pieces, offset + got);
}

/** @param end in the file, of what was read */
function checkNeighbours(
  segment: OpenSegment,
  { lengths, digests, offset: first }: Neighbours,
  heads: Buffer,
  pieces: readonly Buffer[],
  end: number,
): void {
  const { salt } = segment.header;
  for (let i = 0, offset = first; i < lengths.length; i++) {
    const payloadLength = lengths[i]!;
    const head = i * HEAD_ROOM + ALIGNMENT_BYTES;
    const headEnd = offset + HEAD_BYTES <= end ? head + HEAD_BYTES : head;
    const digest = digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES);
    const place = { segment: segment.id, offset, payloadLength };
    const isSound =
      isRecordHeader(heads, head, salt, headEnd) &&
      isRecordOf(heads, head, RecordKind.blob, digest, payloadLength);
    if (!isSound) throw damagedRecord(segment, place, "header");
    const isWhole =
      offset + HEAD_BYTES + payloadLength <= end &&
      isUint64At(heads, checksum(pieces[2 * i + 1]!, salt), head + RecordAt.payloadChecksum);
    if (!isWhole) throw damagedRecord(segment, place, "payload");
    offset = behindBlob(offset, payloadLength);
  }
}
