import { borrowHashMemory, checksum, giveBackHashMemory, runningChecksum } from "./checksum.ts";
import type { LogFile } from "./file.ts";
import { HASHED_BYTES, HASHED_FROM } from "./hash-memory.ts";

const PIECE_BYTES = 1024 * 1024;
/** Larger than a piece, so that few batches reach over the end of what was read and are read twice. */
const BUFFER_BYTES = HASHED_BYTES;
/** Read at once: what was read is still in the processor's nearer memory when it is looked at. */
const READ_BYTES = 512 * 1024;

/** A file read from front to back through one buffer, whose bytes move with what is read next. */
export class Window {
  readonly #file: LogFile;
  /** Nothing at or behind this offset is read. */
  readonly end: number;
  #buffer = Buffer.alloc(0);
  /** Where in the buffer that begins what was read, and where it ends. */
  #base = 0;
  #filled = 0;
  /** The offset of its beginning in the file. */
  #start = 0;
  #hasHashMemory = false;

  constructor(file: LogFile, end: number) {
    this.#file = file;
    this.end = end;
  }

  /** Reads into memory where checksums are faster, if nobody else does. To be closed. */
  useHashMemory(): void {
    const memory = borrowHashMemory();
    if (!memory) return;
    this.#hasHashMemory = true;
    this.#buffer = memory.bytes;
    this.#base = HASHED_FROM;
    this.#filled = HASHED_FROM;
  }

  /** Whether `bytes` are that memory. */
  get isInHashMemory(): boolean {
    return this.#base === HASHED_FROM;
  }

  close(): void {
    if (this.#hasHashMemory) giveBackHashMemory();
    this.#hasHashMemory = false;
  }

  /** What was read: to be asked for again after `find`. */
  get bytes(): Buffer {
    return this.#buffer;
  }

  /** Where in `bytes` that ends what was read. */
  get filled(): number {
    return this.#filled;
  }

  /** Where in `bytes` stands what is at `offset`, with `length` bytes behind it unless the end is nearer. */
  find(offset: number, length: number): number {
    const wanted = Math.max(0, Math.min(length, this.end - offset));
    if (offset < this.#start || offset + wanted - this.#start > this.#filled - this.#base)
      this.#fill(offset, wanted);
    return this.#base + offset - this.#start;
  }

  /** Up to `length` bytes from `offset`: fewer only at the end. Valid until more is read. */
  view(offset: number, length: number): Buffer {
    const from = this.find(offset, length);
    const wanted = Math.max(0, Math.min(length, this.end - offset));
    return this.#buffer.subarray(from, Math.min(from + wanted, this.#filled));
  }

  /** Whether so many bytes are worth having in the buffer at once. */
  holds(length: number): boolean {
    return length <= BUFFER_BYTES;
  }

  /** The checksum of so many bytes from `offset`, of which only a piece at a time is in the buffer. */
  checksum(offset: number, length: number, salt: bigint): bigint {
    if (length <= PIECE_BYTES) return checksum(this.view(offset, length), salt);
    const running = runningChecksum(salt);
    const end = offset + length;
    for (let at = offset; at < end; at += PIECE_BYTES)
      running.update(this.view(at, Math.min(PIECE_BYTES, end - at)));
    return running.digest();
  }

  #fill(offset: number, wanted: number): void {
    const left = Math.max(0, this.end - offset);
    // Most readings are of a few batches at the end of a file.
    const room = Math.max(wanted, Math.min(BUFFER_BYTES, left));
    if (room > this.#buffer.length - this.#base) {
      this.#buffer = Buffer.allocUnsafeSlow(room);
      this.#base = 0;
    }
    const end = Math.min(this.#buffer.length, this.#base + Math.min(left, Math.max(wanted, READ_BYTES)));
    this.#start = offset;
    this.#filled = this.#base + this.#file.read(this.#buffer.subarray(this.#base, end), offset);
  }
}
