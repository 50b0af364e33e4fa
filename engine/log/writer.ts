import { VarveError } from "../errors.ts";
import type { FileSystem, LogFile } from "./file.ts";
import type { SegmentHeader } from "./format.ts";
import { SEGMENT_HEADER_BYTES } from "./format.ts";
import type { LogIdentity, LogPosition } from "./segment.ts";
import { createSegment, nextNumber, readHeaderOf, segmentPath, syncFailure } from "./segment.ts";

/** The end of the log: one segment open for appending. Every call but `syncAsync` happens under the store's lock. */
export class LogWriter {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #identity: LogIdentity;
  #file: LogFile | undefined;
  #header: SegmentHeader | undefined;
  #syncing: { file: LogFile; done: Promise<void> } | undefined;
  #failed: LogFile | undefined;

  constructor(files: FileSystem, folder: string, identity: LogIdentity) {
    this.#files = files;
    this.#folder = folder;
    this.#identity = identity;
  }

  /** The segment that is open for appending; 0 before the first. */
  get segment(): number {
    return this.#header?.number ?? 0;
  }

  get salt(): bigint {
    return this.#header?.salt ?? 0n;
  }

  /**
   * Opens the segment that `tail` lies in, if it is not open already.
   * @throws CORRUPTION when it is missing or damaged
   */
  open(tail: LogPosition): void {
    if (this.#header?.number === tail.segment) return;
    const path = segmentPath(this.#folder, tail.segment);
    const header = readHeaderOf(this.#files, this.#folder, tail.segment, this.#identity);
    this.#replace(this.#files.open(path, "append"), header);
  }

  size(): number {
    return this.#file!.size();
  }

  /** Whether a newer segment than the open one was made, by a process that died before it could say so. */
  hasSuccessor(): boolean {
    return this.#files.exists(segmentPath(this.#folder, this.segment + 1));
  }

  /**
   * Ends the log at `end` and goes on in a new segment. All of the old one is on the disk before the new one has its
   * name, so that a sync of the newest segment covers every earlier batch of every process.
   */
  roll(end: LogPosition, now: number): LogPosition {
    this.sync();
    const number = nextNumber(this.#files, this.#folder, end.segment);
    const header = createSegment(this.#files, this.#folder, number, end, this.#identity, now);
    this.#replace(this.#files.open(segmentPath(this.#folder, number), "append"), header);
    return { ...end, segment: number, offset: SEGMENT_HEADER_BYTES };
  }

  /**
   * Appends one group behind `start`. The file is opened for appending only, so that a writer which wrongly believes
   * to be alone overwrites nothing; it learns of the other one here and does not acknowledge.
   */
  append(pieces: readonly Uint8Array[], start: LogPosition, end: LogPosition): void {
    this.#file!.append(pieces);
    const size = this.#file!.size();
    if (size === end.offset) return;
    throw new VarveError(
      "IO",
      `the log grew from ${start.offset} to ${size} bytes where ${end.offset} were expected`,
      {
        hint: "another process wrote to the store without its lock; close all its users and open it again",
        outcome: "unknown",
        details: { segment: end.segment, offset: start.offset },
      },
    );
  }

  /**
   * Makes all that was appended to the open segment durable. The segment may be rolled meanwhile.
   * @throws also when an earlier sync of it failed
   */
  async syncAsync(): Promise<void> {
    const file = this.#file!;
    if (this.#failed === file) throw syncFailure("an earlier sync of the segment failed");
    const syncing = { file, done: file.syncAsync() };
    this.#syncing = syncing;
    try {
      await syncing.done;
    } catch (error) {
      this.#failed = file;
      throw syncFailure(error);
    } finally {
      if (this.#syncing === syncing) this.#syncing = undefined;
    }
  }

  /**
   * Whether a sync of the open segment is under way or has failed: the kernel tells of lost pages once, so another sync
   * of it could succeed without them.
   */
  get isUnsettled(): boolean {
    return this.#file !== undefined && (this.#syncing?.file === this.#file || this.#failed === this.#file);
  }

  close(): void {
    this.#letGo(this.#file);
    this.#file = undefined;
    this.#header = undefined;
  }

  /** @throws with the outcome unknown: what the segment holds may not be on the disk, and no later sync would tell */
  sync(): void {
    if (this.isUnsettled) throw syncFailure("another sync of the segment is under way, or has failed");
    try {
      this.#file?.sync();
    } catch (error) {
      this.#failed = this.#file;
      throw syncFailure(error);
    }
  }

  #replace(file: LogFile, header: SegmentHeader): void {
    this.#letGo(this.#file);
    this.#file = file;
    this.#header = header;
  }

  /** A file must not be closed under a sync of it: its descriptor could be another file's by then. */
  #letGo(file: LogFile | undefined): void {
    if (!file) return;
    const close = () => file.close();
    if (this.#syncing?.file === file) this.#syncing.done.then(close, close);
    else close();
  }
}
