import { VarveError } from "../errors.ts";
import { checksum, checksumWithin, isChecksumAt } from "./checksum.ts";
import {
  isUint64At,
  readUint32,
  readUint53,
  readUint64,
  writeUint32,
  writeUint53,
  writeUint64,
} from "./numbers.ts";

export { isUint64At, readUint32, readUint53, readUint64, writeUint32, writeUint53, writeUint64 };

/** The bytes of the log: the code twin of FORMAT.md, shared by writer and readers. Pure: no files here. */

/** The newest version: that of rewritten segments. */
export const FORMAT_VERSION = 2;
/** That of segments as they were written. */
export const FORMAT_VERSION_WRITTEN = 1;
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

/** What the header of a rewritten segment says besides. */
export interface RewrittenFacts {
  /** The last of the segments that it stands for; `number` is the first. */
  lastNumber: number;
  /** Where the log goes on behind it: `chain` and `sequence` of the last batch of the last of those. */
  endChain: bigint;
  endSequence: number;
  /** Of the whole file. */
  bytes: number;
}

export interface SegmentHeader {
  formatVersion: number;
  number: number;
  /** 0 as it was written, higher when it was rewritten. */
  generation: number;
  /** From generation 1 on. */
  rewritten?: RewrittenFacts;
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
  if (header.rewritten) writeRewrittenFacts(bytes, header.rewritten);
  writeUint64(bytes, checksum(bytes.subarray(0, 120), 0n), 120);
  return bytes;
}

function writeRewrittenFacts(bytes: Buffer, facts: RewrittenFacts): void {
  writeUint32(bytes, facts.lastNumber, 88);
  writeUint64(bytes, facts.endChain, 96);
  writeUint53(bytes, facts.bytes, 104);
  writeUint53(bytes, facts.endSequence, 112);
}

function readRewrittenFacts(bytes: Buffer): RewrittenFacts {
  return {
    lastNumber: readUint32(bytes, 88),
    endChain: readUint64(bytes, 96),
    endSequence: readUint53(bytes, 112),
    bytes: readUint53(bytes, 104),
  };
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
  const header: SegmentHeader = {
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
  if (formatVersion !== FORMAT_VERSION_WRITTEN) header.rewritten = readRewrittenFacts(bytes);
  return header;
}

/** Writes a batch header at `at` and gives its chain checksum. */
export function writeBatchHeader(
  into: Buffer,
  at: number,
  header: Omit<BatchHeader, "chain">,
  salt: bigint,
): bigint {
  writeUint32(into, BATCH_MAGIC, at);
  writeUint32(into, header.count, at + 4);
  writeUint53(into, header.sequence, at + 8);
  writeUint53(into, header.time, at + 16);
  writeUint53(into, header.length, at + 24);
  writeUint64(into, header.previousChain, at + 32);
  writeUint53(into, header.durableSequence, at + 40);
  writeUint64(into, header.recordsChecksum, at + 48);
  const chain = checksumWithin(into, at, at + 56, salt);
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
  if (!isChecksumAt(from, at, at + 56, salt, at + 56)) return undefined;
  return {
    count: readUint32(from, at + 4),
    sequence: readUint53(from, at + 8),
    time: readUint53(from, at + 16),
    length: readUint53(from, at + 24),
    previousChain: readUint64(from, at + 32),
    durableSequence: readUint53(from, at + 40),
    recordsChecksum: readUint64(from, at + 48),
    chain: readUint64(from, at + 56),
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

/** Where the parts of a record's header stand in it, behind its own checksum. */
export const RecordAt = {
  kind: 8,
  flags: 9,
  tag: 10,
  referenceCount: 11,
  keyLength: 12,
  payloadLength: 16,
  payloadChecksum: 24,
} as const;

/** Writes the header of a record whose key already stands behind it, and gives the header's checksum. */
export function writeRecordHeader(into: Buffer, at: number, record: RecordToWrite, salt: bigint): bigint {
  const keyLength = record.key.length;
  into[at + RecordAt.kind] = record.kind;
  into[at + RecordAt.flags] = record.flags;
  into[at + RecordAt.tag] = record.tag;
  into[at + RecordAt.referenceCount] = record.referenceCount;
  writeUint32(into, keyLength, at + RecordAt.keyLength);
  writeUint53(into, record.payload.length, at + RecordAt.payloadLength);
  return sealRecordHeader(into, at, keyLength, record.payloadChecksum, salt);
}

/** Writes the checksums of a header that is there but for these, and gives its own. */
export function sealRecordHeader(
  into: Buffer,
  at: number,
  keyLength: number,
  payloadChecksum: bigint,
  salt: bigint,
): bigint {
  writeUint64(into, payloadChecksum, at + RecordAt.payloadChecksum);
  const sum = checksumWithin(into, at + RecordAt.kind, at + RECORD_HEADER_BYTES + keyLength, salt);
  writeUint64(into, sum, at);
  return sum;
}

/** The record header at `at`, or undefined if there is no valid one; the key must be there too. */
export function readRecordHeader(from: Buffer, at: number, salt: bigint): RecordHeader | undefined {
  return isRecordHeader(from, at, salt, from.length) ? decodeRecordHeader(from, at) : undefined;
}

/** Whether there is a valid record header at `at`; the key must be before `end` too. */
export function isRecordHeader(from: Buffer, at: number, salt: bigint, end: number): boolean {
  if (at + RECORD_HEADER_BYTES > end) return false;
  const keyLength = readUint32(from, at + RecordAt.keyLength);
  const keyEnd = at + RECORD_HEADER_BYTES + keyLength;
  if (keyLength > KEY_BYTES_MAX || keyEnd > end) return false;
  if (!isChecksumAt(from, at + RecordAt.kind, keyEnd, salt, at)) return false;
  const kind = from[at + RecordAt.kind]!;
  return kind >= RecordKind.blob && kind <= RecordKind.delete;
}

/** What the valid record header at `at` says. */
export function decodeRecordHeader(from: Buffer, at: number): RecordHeader {
  return {
    kind: from[at + RecordAt.kind] as RecordKind,
    flags: from[at + RecordAt.flags]!,
    tag: from[at + RecordAt.tag]!,
    referenceCount: from[at + RecordAt.referenceCount]!,
    keyLength: readUint32(from, at + RecordAt.keyLength),
    payloadLength: readUint53(from, at + RecordAt.payloadLength),
    payloadChecksum: readUint64(from, at + RecordAt.payloadChecksum),
    checksum: readUint64(from, at),
  };
}
