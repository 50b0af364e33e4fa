import { checksumWithin } from "./checksum.ts";
import type { RecordToWrite } from "./format.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  recordBytes,
  writeBatchHeader,
  writeRecordHeader,
  writeUint64,
} from "./format.ts";
import { LayoutMemory } from "./layout-memory.ts";
import type { LogPosition } from "./segment.ts";

/** Longer payloads are handed to the file as they are, not copied into the group's buffer. */
const COPIED_PAYLOAD_BYTES_MAX = 16 * 1024;
const PADDING = Buffer.alloc(ALIGNMENT_BYTES);

interface Mark {
  pieces: number;
  buffer: Buffer;
  used: number;
  flushed: number;
  offset: number;
}

/** Lays out the batches of one group commit behind `start`, ready to be appended in one go. */
export class GroupLayout {
  readonly #salt: bigint;
  readonly #durableSequence: number;
  #pieces: Uint8Array[] = [];
  readonly #memory: LayoutMemory;
  #buffer: Buffer;
  #used = 0;
  /** What of `#buffer` is in `#pieces` already. */
  #flushed = 0;
  #offset: number;
  #end: LogPosition;
  #batch: Mark | undefined;
  #recordChecksums = Buffer.allocUnsafe(64 * 8);
  #count = 0;

  /** Where the group begins. */
  readonly start: LogPosition;

  /** @param memory of the groups before this one, of which nothing is looked at any more */
  constructor(start: LogPosition, salt: bigint, durableSequence: number, memory = new LayoutMemory()) {
    this.#memory = memory;
    this.#buffer = memory.begin();
    this.start = start;
    this.#salt = salt;
    this.#durableSequence = durableSequence;
    this.#offset = start.offset;
    this.#end = start;
  }

  /** The end of the last complete batch. */
  get end(): LogPosition {
    return this.#end;
  }

  /** Whether the open batch has any. */
  get hasRecords(): boolean {
    return this.#count > 0;
  }

  beginBatch(): void {
    this.#count = 0;
    this.#batch = {
      pieces: this.#pieces.length,
      buffer: this.#buffer,
      used: this.#used,
      flushed: this.#flushed,
      offset: this.#offset,
    };
    this.#reserve(BATCH_HEADER_BYTES);
    this.#batch.buffer = this.#buffer;
    this.#batch.used = this.#used;
    this.#batch.flushed = this.#flushed;
    this.#batch.pieces = this.#pieces.length;
    this.#used += BATCH_HEADER_BYTES;
    this.#offset += BATCH_HEADER_BYTES;
  }

  /** Adds a record to the open batch and gives its offset in the segment. */
  addRecord(record: RecordToWrite): number {
    const { key, payload } = record;
    const place = this.#offset;
    const total = recordBytes(key.length, payload.length);
    const head = RECORD_HEADER_BYTES + key.length;
    const copied = payload.length <= COPIED_PAYLOAD_BYTES_MAX;
    this.#reserve(copied ? total : head);
    const at = this.#used;
    this.#buffer.set(key, at + RECORD_HEADER_BYTES);
    this.#noteRecord(writeRecordHeader(this.#buffer, at, record, this.#salt));
    this.#used += head;
    const padding = total - head - payload.length;
    if (copied) {
      this.#buffer.set(payload, this.#used);
      for (let end = this.#used + payload.length; end < at + total; end++) this.#buffer[end] = 0;
      this.#used = at + total;
    } else {
      this.#flush();
      this.#pieces.push(payload);
      if (padding > 0) this.#pieces.push(PADDING.subarray(0, padding));
    }
    this.#offset += total;
    return place;
  }

  /** Completes the open batch; without records it leaves nothing behind and gives the position before it. */
  endBatch(sequence: number, time: number): LogPosition {
    const mark = this.#batch!;
    if (this.#count === 0) return this.abandonBatch();
    const header = {
      count: this.#count,
      sequence,
      time,
      length: this.#offset - mark.offset - BATCH_HEADER_BYTES,
      previousChain: this.#end.chain,
      durableSequence: this.#durableSequence,
      recordsChecksum: checksumWithin(this.#recordChecksums, 0, this.#count * 8, this.#salt),
    };
    const chain = writeBatchHeader(mark.buffer, mark.used, header, this.#salt);
    this.#end = { segment: this.#end.segment, offset: this.#offset, sequence, time, chain };
    this.#batch = undefined;
    return this.#end;
  }

  /** Takes the open batch back, as if it had never begun. */
  abandonBatch(): LogPosition {
    const mark = this.#batch!;
    this.#pieces.length = mark.pieces;
    this.#buffer = mark.buffer;
    this.#used = mark.used;
    this.#flushed = mark.flushed;
    this.#offset = mark.offset;
    this.#batch = undefined;
    return this.#end;
  }

  pieces(): readonly Uint8Array[] {
    this.#flush();
    return this.#pieces;
  }

  #noteRecord(sum: bigint): void {
    if ((this.#count + 1) * 8 > this.#recordChecksums.length) {
      this.#recordChecksums = Buffer.concat([
        this.#recordChecksums,
        Buffer.alloc(this.#recordChecksums.length),
      ]);
    }
    writeUint64(this.#recordChecksums, sum, this.#count * 8);
    this.#count++;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    this.#flush();
    this.#buffer = this.#memory.next(bytes);
    this.#used = 0;
    this.#flushed = 0;
  }

  #flush(): void {
    if (this.#used > this.#flushed) this.#pieces.push(this.#buffer.subarray(this.#flushed, this.#used));
    this.#flushed = this.#used;
  }
}
