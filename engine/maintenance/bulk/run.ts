import { INLINE_BYTES_MAX } from "../../index/change.ts";
import type { Row } from "../../index/rows.ts";
import { decodeRow, ROW_HEAD_BYTES_MAX, sealRow, writeRowHead } from "../../index/rows.ts";
import { DIGEST_BYTES, FLAG_WEAK, RecordKind, readUint32, writeUint32 } from "../../log/format.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import type { ScannedRecord } from "../../log/scan.ts";
import type { LogPosition } from "../../log/segment.ts";
import { segmentNumber } from "../../log/segment-id.ts";
import { BlobTable } from "./blobs.ts";
import { compareKeys, ENTRY_HEAD_BYTES, keyLengthAt, sortEntries } from "./sort.ts";
import { copyBytes, LastView, viewOf } from "./words.ts";

/** The key was deleted; there is no value. */
const FLAG_DELETED = 1;
/** The first referenced blob is not in the same part of the log: the row is to be told where it is. */
const FLAG_BLOB_WANTED = 2;

/** How much is kept in memory. */
export interface RunSize {
  rowBytes: number;
  blobs: number;
}

/** A run takes any one record: a key, 255 references and a small payload. */
const SIZE_MIN: RunSize = { rowBytes: 16 * 1024, blobs: 256 };

/** Blobs are seldom shorter, so there is room for all of a short log. */
const SHORT_BLOB_BYTES = 128;

/** No more than the log behind `from` can fill, and no more than `most`: most logs are small, and most readings of a few batches. */
export function runSizeFor(
  reader: LogReader,
  ids: readonly number[],
  from: LogPosition,
  most: RunSize,
): RunSize {
  let logBytes = from.segment === ids.findLast((id) => id <= from.segment) ? -from.offset : 0;
  for (const id of ids) {
    if (logBytes >= most.rowBytes) break;
    if (segmentNumber(id) >= segmentNumber(from.segment))
      logBytes += reader.readableSegment(id)?.file.size() ?? 0;
  }
  return {
    rowBytes: Math.min(most.rowBytes, Math.max(0, logBytes * 2)),
    blobs: Math.min(most.blobs, Math.max(0, Math.ceil(logBytes / SHORT_BLOB_BYTES))),
  };
}

/**
 * What a part of the log means to the index, in memory of a fixed size: rows as bytes in the order of the log, and
 * blobs by digest. Sorted, a run has each key once.
 */
export class Run {
  readonly rows: Buffer;
  readonly blobs: BlobTable;
  readonly #view: DataView;
  /** Of what records are read from. */
  readonly #source = new LastView();
  #end = 0;
  #count = 0;

  constructor(size: RunSize) {
    this.rows = Buffer.allocUnsafeSlow(Math.max(size.rowBytes, SIZE_MIN.rowBytes));
    this.#view = viewOf(this.rows);
    this.blobs = new BlobTable(Math.max(size.blobs, SIZE_MIN.blobs));
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.blobs.isEmpty;
  }

  clear(): void {
    this.#end = 0;
    this.#count = 0;
    this.blobs.clear();
  }

  /** What a record means to the index, as `changeOf` and `Catalog.apply` have it. False when there is no room for it. */
  add(record: ScannedRecord, sequence: number, time: number): boolean {
    const { bytes, keyAt, segment, offset, sound, kind, keyLength, payloadLength } = record;
    // What the payload of a damaged record says is not believed.
    const references = sound ? record.referenceCount : 0;
    if (this.blobs.room <= references) return false;
    const from = this.#source.of(bytes);
    if (kind === RecordKind.blob) {
      this.blobs.place(from, keyAt, segment, offset, payloadLength);
      return true;
    }
    const contentBytes = payloadLength - references * DIGEST_BYTES;
    const isInline = sound && contentBytes <= INLINE_BYTES_MAX;
    const kept = references * DIGEST_BYTES + (isInline ? contentBytes : 0);
    const entry = this.#end;
    const value = entry + ENTRY_HEAD_BYTES + keyLength;
    if (value + ROW_HEAD_BYTES_MAX + kept > this.rows.length) return false;
    copyBytes(from, keyAt, this.#view, entry + ENTRY_HEAD_BYTES, keyLength);
    let end = value;
    let flags = FLAG_DELETED;
    if (kind === RecordKind.put) {
      const weak = (record.flags & FLAG_WEAK) !== 0;
      const payloadAt = keyAt + keyLength;
      const blob = this.#refer(from, payloadAt, references, weak ? 0 : 1);
      flags = references > 0 && !blob ? FLAG_BLOB_WANTED : 0;
      const place = { segment, offset, payloadLength };
      const head = { sequence, time, tag: record.tag, weak, place, blob };
      const payload = writeRowHead(this.rows, value, head, references, isInline);
      copyBytes(from, payloadAt, this.#view, payload, kept);
      end = sealRow(this.rows, value, payload + kept);
    }
    this.#endEntry(keyLength, flags, value, end);
    return true;
  }

  /** Counts the references at `at` and gives where the first of those blobs is, as far as it is known here. */
  #refer(from: DataView, at: number, references: number, by: number): RecordPlace | undefined {
    let place: RecordPlace | undefined;
    for (let i = 0; i < references; i++) {
      const blob = this.blobs.refer(from, at + i * DIGEST_BYTES, by);
      if (i === 0) place = this.blobs.placeOf(blob);
    }
    return place;
  }

  #endEntry(keyLength: number, flags: number, value: number, end: number): void {
    writeEntryHead(this.rows, this.#end, keyLength, flags, end - value);
    this.#end = end;
    this.#count++;
  }

  /** Offsets of the newest entry of each key, in order of keys. What the older ones referred to is no more counted. */
  sortedRows(): Uint32Array {
    const entries = new Uint32Array(this.#count);
    for (let i = 0, at = 0; i < entries.length; i++) {
      entries[i] = at;
      at = entryEnd(this.rows, at);
    }
    if (sortEntries(this.rows, entries)) return entries;
    let kept = 0;
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i]!;
      if (i + 1 < entries.length && this.#isSameKey(entry, entries[i + 1]!)) this.#uncount(entry);
      else entries[kept++] = entry;
    }
    return entries.subarray(0, kept);
  }

  #isSameKey(a: number, b: number): boolean {
    return (
      keyLengthAt(this.rows, a) === keyLengthAt(this.rows, b) && compareKeys(this.rows, a, this.rows, b) === 0
    );
  }

  #uncount(entry: number): void {
    const row = rowAt(this.rows, entry);
    for (const digest of row && !row.weak ? row.references : []) this.blobs.refer(viewOf(digest), 0, -1);
  }

  /** Offsets of the entries of blobs, in order of digests. To be asked for after the rows. */
  sortedBlobs(): Uint32Array {
    const entries = this.blobs.entries();
    sortEntries(this.blobs.buffer, entries);
    return entries;
  }
}

function writeEntryHead(
  into: Buffer,
  entry: number,
  keyLength: number,
  flags: number,
  valueLength: number,
): void {
  writeUint32(into, keyLength + flags * 0x1_0000, entry);
  writeUint32(into, valueLength, entry + 4);
}

export function entryEnd(buffer: Buffer, entry: number): number {
  return entry + ENTRY_HEAD_BYTES + keyLengthAt(buffer, entry) + readUint32(buffer, entry + 4);
}

export function keyAt(buffer: Buffer, entry: number): Buffer {
  const at = entry + ENTRY_HEAD_BYTES;
  return buffer.subarray(at, at + keyLengthAt(buffer, entry));
}

export function valueAt(buffer: Buffer, entry: number): Buffer {
  return buffer.subarray(entry + ENTRY_HEAD_BYTES + keyLengthAt(buffer, entry), entryEnd(buffer, entry));
}

export function isDeleted(buffer: Buffer, entry: number): boolean {
  return (buffer[entry + 2]! & FLAG_DELETED) !== 0;
}

export function isBlobWanted(buffer: Buffer, entry: number): boolean {
  return (buffer[entry + 2]! & FLAG_BLOB_WANTED) !== 0;
}

/** Undefined where the key was deleted. */
export function rowAt(buffer: Buffer, entry: number): Row | undefined {
  return isDeleted(buffer, entry) ? undefined : decodeRow(valueAt(buffer, entry));
}
