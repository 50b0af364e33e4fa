const BUFFER_BYTES = 256 * 1024;
/** Most groups are a save or two: those need no more. */
const FIRST_BUFFER_BYTES = 16 * 1024;
const KEPT_MAX = 4;

/** What groups are laid out in, one after the other: to make memory for each takes longer than to fill it, and is garbage. */
export class LayoutMemory {
  readonly #first = Buffer.allocUnsafeSlow(FIRST_BUFFER_BYTES);
  /** At most `KEPT_MAX`. */
  readonly #more: Buffer[] = [];
  #given = 0;

  /** A new group: what the one before had is written over. */
  begin(): Buffer {
    this.#given = 0;
    return this.#first;
  }

  /** More for the same group, at least so many bytes. */
  next(bytes: number): Buffer {
    if (bytes > BUFFER_BYTES) return Buffer.allocUnsafe(bytes);
    const at = this.#given++;
    if (at >= KEPT_MAX) return Buffer.allocUnsafe(BUFFER_BYTES);
    this.#more[at] ??= Buffer.allocUnsafeSlow(BUFFER_BYTES);
    return this.#more[at];
  }
}
