import type { LogFile } from "./file.ts";

const PIECE_BYTES = 1024 * 1024;

/** A file read from front to back through one buffer: views are valid until the next call. */
export class Window {
  readonly #file: LogFile;
  /** Nothing at or behind this offset is read. */
  readonly end: number;
  readonly pieceBytes = PIECE_BYTES;
  #buffer = Buffer.allocUnsafe(PIECE_BYTES);
  #start = 0;
  #filled = 0;

  constructor(file: LogFile, end: number) {
    this.#file = file;
    this.end = end;
  }

  /** Up to `length` bytes from `offset`: fewer only at the end. */
  view(offset: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.end - offset));
    if (offset < this.#start || offset + wanted > this.#start + this.#filled) this.#fill(offset, wanted);
    const from = offset - this.#start;
    return this.#buffer.subarray(from, Math.min(from + wanted, this.#filled));
  }

  *pieces(offset: number, length: number): Generator<Buffer> {
    for (let at = offset; at < offset + length; at += PIECE_BYTES) {
      yield this.view(at, Math.min(PIECE_BYTES, offset + length - at));
    }
  }

  #fill(offset: number, wanted: number): void {
    if (wanted > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(wanted);
    const bytes = Math.max(0, Math.min(this.#buffer.length, this.end - offset));
    this.#start = offset;
    this.#filled = this.#file.read(this.#buffer.subarray(0, bytes), offset);
  }
}
