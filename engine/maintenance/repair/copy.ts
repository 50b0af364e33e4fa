import type { FileSystem, LogFile } from "../../log/file.ts";
import type { BatchHeader, RecordHeader, SegmentHeader } from "../../log/format.ts";
import {
  ALIGNMENT_BYTES,
  BATCH_HEADER_BYTES,
  KEY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  readBatchHeader,
  readRecordHeader,
  SEGMENT_HEADER_BYTES,
} from "../../log/format.ts";
import type { LogIdentity } from "../../log/segment.ts";
import { readSegmentHeader } from "../../log/segment.ts";
import { Window } from "../../log/window.ts";
import type { Pace } from "../pace.ts";

/** A batch of which only the header is known to be whole. */
export interface OutlinedBatch {
  offset: number;
  end: number;
  header: BatchHeader;
}

/** Places tried between two looks at the clock. */
const STEPS = 4_096;

/** One copy of a segment, whole or damaged. */
export class SegmentCopy {
  readonly size: number;
  readonly #file: LogFile;
  #opened: Window | undefined;

  private constructor(file: LogFile) {
    this.#file = file;
    this.size = file.size();
  }

  static open(files: FileSystem, path: string): SegmentCopy {
    const file = files.open(path, "read");
    try {
      return new SegmentCopy(file);
    } catch (error) {
      file.close();
      throw error;
    }
  }

  get #window(): Window {
    this.#opened ??= new Window(this.#file, this.size);
    return this.#opened;
  }

  /** Undefined when it is damaged, or that of another segment. */
  header(number: number, identity: LogIdentity): SegmentHeader | undefined {
    try {
      return readSegmentHeader(this.#file, "the copy", number, identity);
    } catch {
      return undefined;
    }
  }

  bytes(from: number, length: number): Buffer {
    return this.#window.view(from, length);
  }

  record(at: number, salt: bigint): RecordHeader | undefined {
    return readRecordHeader(this.#window.view(at, RECORD_HEADER_BYTES + KEY_BYTES_MAX), 0, salt);
  }

  isSound(from: number, { payloadLength, payloadChecksum }: RecordHeader, salt: bigint): boolean {
    if (from + payloadLength > this.size) return false;
    return this.#window.checksum(from, payloadLength, salt) === payloadChecksum;
  }

  /** All batches before `end` whose headers are whole, wherever they stand. */
  async outline(salt: bigint, end: number, pace: Pace): Promise<OutlinedBatch[]> {
    const found: OutlinedBatch[] = [];
    let steps = 0;
    for (let at = SEGMENT_HEADER_BYTES; at + BATCH_HEADER_BYTES <= Math.min(end, this.size); ) {
      const header = readBatchHeader(this.#window.view(at, BATCH_HEADER_BYTES), 0, salt);
      const batchEnd = header && at + BATCH_HEADER_BYTES + header.length;
      if (header) found.push({ offset: at, end: batchEnd!, header });
      at = batchEnd ?? at + ALIGNMENT_BYTES;
      if (++steps % STEPS === 0 && pace.isDue()) await pace.turn();
    }
    return found;
  }

  close(): void {
    this.#file.close();
  }
}
