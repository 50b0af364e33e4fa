/** A write that no successful sync has covered yet. */
export interface UnsyncedWrite {
  from: number;
  to: number;
  /** A sync that covered it failed: no later sync says anything about it. */
  doubtful: boolean;
}

/** A file: what processes see of it, and what of that the disk may still lose. */
export class SimulatedFile {
  #bytes: Buffer = Buffer.alloc(256);
  size = 0;
  /** What a power cut can't make shorter. */
  durableSize = 0;
  unsynced: UnsyncedWrite[] = [];
  /** Syncs that failed so far: each descriptor that was open then is told once. */
  failures = 0;
  #copy: Buffer | undefined;

  /** @param bytes what it holds, and has held for long: not to be changed by the caller */
  constructor(bytes?: Buffer) {
    if (!bytes) return;
    this.#bytes = bytes;
    this.size = bytes.length;
    this.durableSize = bytes.length;
  }

  /** What every process reads now. */
  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.size);
  }

  /** As `bytes`, but it stays what it is; the same one until the next write. */
  get copy(): Buffer {
    this.#copy ??= Buffer.from(this.bytes);
    return this.#copy;
  }

  /** Another file in the same state: what was not synced here is not synced there. */
  clone(): SimulatedFile {
    const clone = new SimulatedFile(Buffer.from(this.bytes));
    clone.durableSize = this.durableSize;
    clone.unsynced = this.unsynced.map((write) => ({ ...write }));
    clone.failures = this.failures;
    return clone;
  }

  write(piece: Uint8Array): void {
    if (piece.length === 0) return;
    const from = this.size;
    this.#grow(from + piece.length);
    this.#bytes.set(piece, from);
    this.size = from + piece.length;
    this.#copy = undefined;
    this.unsynced.push({ from, to: this.size, doubtful: false });
  }

  /** A sync that was asked for when the file had `size` bytes has succeeded. */
  synced(size: number): void {
    this.unsynced = this.unsynced.filter(({ to, doubtful }) => doubtful || to > size);
    this.durableSize = Math.max(this.durableSize, size);
  }

  /** It failed: the kernel takes the pages for clean, whatever is on the disk. */
  syncFailed(size: number): void {
    this.failures++;
    for (const write of this.unsynced) if (write.to <= size) write.doubtful = true;
  }

  /** Whether a sync has failed of what was written up to `size`. */
  hasDoubts(size: number): boolean {
    return this.unsynced.some(({ to, doubtful }) => doubtful && to <= size);
  }

  #grow(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(size, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.size);
    this.#bytes = grown;
  }
}
