import { randomBytes } from "node:crypto";
import type { FileSystem, LogFile } from "./file.ts";
import type { RewrittenFacts, SegmentHeader } from "./format.ts";
import { encodeSegmentHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES } from "./format.ts";
import type { LogPosition } from "./segment.ts";
import { publish, removeIfPossible, unfinishedPath } from "./segment.ts";
import type { LogIdentity } from "./segment-header.ts";
import { segmentGeneration, segmentNumber, segmentPath } from "./segment-id.ts";

/** What a segment that is to stand for others says in its header, but for its size. */
export interface Rewriting {
  /** See `nextRewrittenId`. */
  id: number;
  /** Where the first of the others goes on: what its header says. */
  previous: Pick<SegmentHeader, "previousNumber" | "previousEnd" | "previousChain" | "previousSequence">;
  /** Of the last of them: its number, or the last that it stands for, and the `chain` and `sequence` of its end. */
  end: Omit<RewrittenFacts, "bytes">;
}

/** A segment that is written in place of others. It counts for nothing before `publish`. */
export class RewrittenSegment {
  readonly id: number;
  /** Of the file, as long as it has no name yet. */
  readonly path: string;
  readonly header: SegmentHeader & { rewritten: RewrittenFacts };
  readonly #files: FileSystem;
  readonly #folder: string;
  #file: LogFile | undefined;
  #bytes = 0;

  constructor(
    files: FileSystem,
    folder: string,
    { id, previous, end }: Rewriting,
    { storeId, application }: LogIdentity,
    now: number,
  ) {
    this.id = id;
    this.#files = files;
    this.#folder = folder;
    this.header = {
      formatVersion: FORMAT_VERSION,
      number: segmentNumber(id),
      generation: segmentGeneration(id),
      ...previous,
      salt: randomBytes(8).readBigUInt64LE(),
      storeId,
      application,
      createdAt: now,
      rewritten: { ...end, bytes: 0 },
    };
    this.path = unfinishedPath(folder);
    this.#file = files.open(this.path, "create");
    try {
      // Its size is not known yet, so neither is the header.
      this.append([Buffer.alloc(SEGMENT_HEADER_BYTES)]);
    } catch (error) {
      this.discard();
      throw error;
    }
  }

  /** Where the first batch goes: what a layout begins with. */
  get start(): LogPosition {
    const { previousSequence: sequence, previousChain: chain } = this.header;
    return { segment: this.id, offset: SEGMENT_HEADER_BYTES, sequence, time: 0, chain };
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds whole batches, each of which names the one before. */
  append(pieces: readonly Uint8Array[]): void {
    this.#file!.append(pieces);
    for (const { length } of pieces) this.#bytes += length;
  }

  /** Makes it whole, and puts it on the disk. */
  async finish(): Promise<void> {
    this.header.rewritten.bytes = this.#bytes;
    this.#files.writeOver(this.path, encodeSegmentHeader(this.header));
    await this.#file!.syncAsync();
    this.#close();
  }

  /** Under the lock: from now on it counts, and those that it stands for do not. The names are to be synced then. */
  publish(): void {
    publish(this.#files, this.path, segmentPath(this.#folder, this.id));
  }

  /** For one that did not get its name. */
  discard(): void {
    this.#close();
    removeIfPossible(this.#files, this.path);
  }

  #close(): void {
    this.#file?.close();
    this.#file = undefined;
  }
}
