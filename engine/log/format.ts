import { VarveError } from "../errors.ts";
import { checksum } from "./checksum.ts";

/** The bytes of the log: the code twin of FORMAT.md, shared by writer and readers. Pure: no files here. */

export const FORMAT_VERSION = 1;
export const SEGMENT_HEADER_BYTES = 128;
export const BATCH_HEADER_BYTES = 64;
export const RECORD_HEADER_BYTES = 32;
export const ALIGNMENT_BYTES = 8;
export const DIGEST_BYTES = 32;
/** LMDB keys hold at most 1,978 bytes, one of which is the index's own. */
export const KEY_BYTES_MAX = 1900;

export const SEGMENT_MAGIC = Buffer.from("VARVELOG");
const BATCH_MAGIC = 0x54414256; // "VBAT" in file order

export const RecordKind = { blob: 1, put: 2, delete: 3 } as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** A put whose references do not keep blobs alive. */
export const FLAG_WEAK = 1;

export interface SegmentHeader {
  formatVersion: number;
  number: number;
  generation: number;
  /** Where the chain comes from: 0, 0, 0n for the first segment. */
  previousNumber: number;
  previousEnd: number;
  previousChain: bigint;
  /** The last sequence number before this segment. */
  previousSequence: number;
  salt: bigint;
  /** 32 hex digits. */
  storeId: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** What keeps its records here, 8 ASCII characters: `artifact` or `keyvalue`. */
  application: string;
}

export interface BatchHeader {
  count: number;
  sequence: number;
  /** Milliseconds since 1970. */
  time: number;
  /** Bytes of the records that follow. */
  length: number;
  previousChain: bigint;
  durableSequence: number;
  recordsChecksum: bigint;
  /** The checksum of this header: what the next batch names as its previous one. */
  chain: bigint;
}

export interface RecordHeader {
  kind: RecordKind;
  flags: number;
  /** A byte that belongs to the application. */
  tag: number;
  /** Digests at the start of the payload. */
  referenceCount: number;
  keyLength: number;
  payloadLength: number;
  payloadChecksum: bigint;
  checksum: bigint;
}

/** Bytes of a record in the file, padding included. Lengths above 2³¹ rule out bit arithmetic. */
export function recordBytes(keyLength: number, payloadLength: number): number {
  const bytes = RECORD_HEADER_BYTES + keyLength + payloadLength;
  return Math.ceil(bytes / ALIGNMENT_BYTES) * ALIGNMENT_BYTES;
}

// Byte by byte: Buffer's own methods check their arguments each time, which a rebuild does some fifty times an artifact.

export function writeUint32(into: Uint8Array, value: number, at: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}

export function readUint32(from: Uint8Array, at: number): number {
  return (from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24)) >>> 0;
}

export function writeUint53(into: Uint8Array, value: number, at: number): void {
  writeUint32(into, value >>> 0, at);
  writeUint32(into, Math.floor(value / 0x1_0000_0000), at + 4);
}

export function readUint53(from: Uint8Array, at: number): number {
  return readUint32(from, at) + readUint32(from, at + 4) * 0x1_0000_0000;
}

// Typed arrays over the same eight bytes: Buffer's own methods for 64-bit numbers do their work in BigInt steps.
const wide = new BigUint64Array(1);
const halves = new Uint32Array(wide.buffer);
const [LOW, HIGH] = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? [0, 1] : [1, 0];

export function writeUint64(into: Uint8Array, value: bigint, at: number): void {
  wide[0] = value;
  writeUint32(into, halves[LOW]!, at);
  writeUint32(into, halves[HIGH]!, at + 4);
}

export function readUint64(from: Uint8Array, at: number): bigint {
  halves[LOW] = readUint32(from, at);
  halves[HIGH] = readUint32(from, at + 4);
  return wide[0]!;
}

/** Whether `value` stands at `at`: no second bigint is made for it. */
export function isUint64At(from: Uint8Array, value: bigint, at: number): boolean {
  wide[0] = value;
  return readUint32(from, at) === halves[LOW] && readUint32(from, at + 4) === halves[HIGH];
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  SEGMENT_MAGIC.copy(bytes, 0);
  bytes.writeUInt16LE(header.formatVersion, 8);
  bytes.writeUInt32LE(header.number, 12);
  bytes.writeUInt32LE(header.generation, 16);
  bytes.writeUInt32LE(header.previousNumber, 20);
  writeUint53(bytes, header.previousEnd, 24);
  writeUint64(bytes, header.previousChain, 32);
  writeUint53(bytes, header.previousSequence, 40);
  writeUint64(bytes, header.salt, 48);
  bytes.write(header.storeId, 56, 16, "hex");
  writeUint53(bytes, header.createdAt, 72);
  bytes.write(header.application, 80, 8, "latin1");
  writeUint64(bytes, checksum(bytes.subarray(0, 120), 0n), 120);
  return bytes;
}

/** @throws CORRUPTION for bytes that are no segment header, NOT_SUPPORTED for one of a newer format. */
export function decodeSegmentHeader(bytes: Buffer, file: string): SegmentHeader {
  const damaged = (what: string) =>
    new VarveError("CORRUPTION", `${file} ${what}`, {
      hint: "restore the file from a backup; the other segments stay readable",
      details: { file, offset: 0 },
    });
  if (bytes.length < SEGMENT_HEADER_BYTES) throw damaged("is too short to be a log segment");
  if (!bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) throw damaged("is not a log segment of Varve");
  if (checksum(bytes.subarray(0, 120), 0n) !== readUint64(bytes, 120)) throw damaged("has a damaged header");
  const formatVersion = bytes.readUInt16LE(8);
  if (formatVersion > FORMAT_VERSION) {
    throw new VarveError(
      "NOT_SUPPORTED",
      `${file} has format version ${formatVersion}, newer than ${FORMAT_VERSION}`,
      {
        hint: "upgrade the varve package to read this store",
        details: { file, formatVersion },
      },
    );
  }
  return {
    formatVersion,
    number: bytes.readUInt32LE(12),
    generation: bytes.readUInt32LE(16),
    previousNumber: bytes.readUInt32LE(20),
    previousEnd: readUint53(bytes, 24),
    previousChain: readUint64(bytes, 32),
    previousSequence: readUint53(bytes, 40),
    salt: readUint64(bytes, 48),
    storeId: bytes.toString("hex", 56, 72),
    createdAt: readUint53(bytes, 72),
    application: bytes.toString("latin1", 80, 88),
  };
}

/** Writes a batch header at `at` and gives its chain checksum. */
export function writeBatchHeader(
  into: Buffer,
  at: number,
  header: Omit<BatchHeader, "chain">,
  salt: bigint,
): bigint {
  into.writeUInt32LE(BATCH_MAGIC, at);
  into.writeUInt32LE(header.count, at + 4);
  writeUint53(into, header.sequence, at + 8);
  writeUint53(into, header.time, at + 16);
  writeUint53(into, header.length, at + 24);
  writeUint64(into, header.previousChain, at + 32);
  writeUint53(into, header.durableSequence, at + 40);
  writeUint64(into, header.recordsChecksum, at + 48);
  const chain = checksum(into.subarray(at, at + 56), salt);
  writeUint64(into, chain, at + 56);
  return chain;
}

/** The batch header at `at`, or undefined if there is no valid one before `end`. */
export function readBatchHeader(
  from: Buffer,
  at: number,
  salt: bigint,
  end = from.length,
): BatchHeader | undefined {
  if (at + BATCH_HEADER_BYTES > end || readUint32(from, at) !== BATCH_MAGIC) return undefined;
  const chain = checksum(from.subarray(at, at + 56), salt);
  if (!isUint64At(from, chain, at + 56)) return undefined;
  return {
    count: readUint32(from, at + 4),
    sequence: readUint53(from, at + 8),
    time: readUint53(from, at + 16),
    length: readUint53(from, at + 24),
    previousChain: readUint64(from, at + 32),
    durableSequence: readUint53(from, at + 40),
    recordsChecksum: readUint64(from, at + 48),
    chain,
  };
}

/** What a record's header says, as its writer has it. */
export interface RecordToWrite {
  kind: RecordKind;
  flags: number;
  tag: number;
  referenceCount: number;
  key: Uint8Array;
  payload: Uint8Array;
  /** XXH64 of the payload with the segment's salt. */
  payloadChecksum: bigint;
}

/** Writes the header of a record whose key already stands behind it, and gives the header's checksum. */
export function writeRecordHeader(into: Buffer, at: number, record: RecordToWrite, salt: bigint): bigint {
  const keyLength = record.key.length;
  into[at + 8] = record.kind;
  into[at + 9] = record.flags;
  into[at + 10] = record.tag;
  into[at + 11] = record.referenceCount;
  into.writeUInt32LE(keyLength, at + 12);
  writeUint53(into, record.payload.length, at + 16);
  writeUint64(into, record.payloadChecksum, at + 24);
  const sum = checksum(into.subarray(at + 8, at + RECORD_HEADER_BYTES + keyLength), salt);
  writeUint64(into, sum, at);
  return sum;
}

/** The record header at `at`, or undefined if there is no valid one; the key must be before `end` too. */
export function readRecordHeader(
  from: Buffer,
  at: number,
  salt: bigint,
  end = from.length,
): RecordHeader | undefined {
  return isRecordHeader(from, at, salt, end) ? decodeRecordHeader(from, at) : undefined;
}

/** Whether there is a valid record header at `at`; the key must be before `end` too. */
export function isRecordHeader(from: Buffer, at: number, salt: bigint, end: number): boolean {
  if (at + RECORD_HEADER_BYTES > end) return false;
  const keyLength = readUint32(from, at + 12);
  const keyEnd = at + RECORD_HEADER_BYTES + keyLength;
  if (keyLength > KEY_BYTES_MAX || keyEnd > end) return false;
  if (!isUint64At(from, checksum(from.subarray(at + 8, keyEnd), salt), at)) return false;
  const kind = from[at + 8]!;
  return kind >= RecordKind.blob && kind <= RecordKind.delete;
}

/** What the valid record header at `at` says. */
export function decodeRecordHeader(from: Buffer, at: number): RecordHeader {
  return {
    kind: from[at + 8] as RecordKind,
    flags: from[at + 9]!,
    tag: from[at + 10]!,
    referenceCount: from[at + 11]!,
    keyLength: readUint32(from, at + 12),
    payloadLength: readUint53(from, at + 16),
    payloadChecksum: readUint64(from, at + 24),
    checksum: readUint64(from, at),
  };
}
