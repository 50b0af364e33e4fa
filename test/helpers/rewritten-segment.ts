import { randomBytes } from "node:crypto";
import type { FileSystem } from "../../engine/log/file.ts";
import type { RewrittenFacts, SegmentHeader } from "../../engine/log/format.ts";
import { encodeSegmentHeader, FORMAT_VERSION, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import type { LogIdentity, LogPosition } from "../../engine/log/segment.ts";
import {
  publish,
  segmentGeneration,
  segmentNumber,
  segmentPath,
  unfinishedPath,
} from "../../engine/log/segment.ts";

/** What a segment that is to stand for others says in its header, but for its size. */
interface Rewriting {
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
  readonly header: SegmentHeader & { rewritten: RewrittenFacts };
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #path: string;

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
    this.#path = unfinishedPath(folder);
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
  }

  /** Where the first batch goes: what a layout begins with. */
  get start(): LogPosition {
    const { previousSequence: sequence, previousChain: chain } = this.header;
    return { segment: this.id, offset: SEGMENT_HEADER_BYTES, sequence, time: 0, chain };
  }

  /** Puts it on the disk: whole batches, each of which names the one before. */
  async write(batches: readonly Uint8Array[]): Promise<void> {
    const bytes = batches.reduce((sum, { length }) => sum + length, SEGMENT_HEADER_BYTES);
    this.header.rewritten.bytes = bytes;
    const file = this.#files.open(this.#path, "create");
    file.append([encodeSegmentHeader(this.header), ...batches]);
    await file.syncAsync();
    file.close();
  }

  /** Under the lock: from now on it counts, and those that it stands for do not. The names are to be synced then. */
  publish(): void {
    publish(this.#files, this.#path, segmentPath(this.#folder, this.id));
  }
}
