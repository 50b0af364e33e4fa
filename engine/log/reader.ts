import { fromSystemError, isCorruption, VarveError } from "../errors.ts";
import type { FileSystem, LogFile } from "./file.ts";
import type { RecordKind, SegmentHeader } from "./format.ts";
import { decodeSegmentHeader, RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC } from "./format.ts";
import type { Neighbours } from "./neighbours.ts";
import { readInto } from "./neighbours.ts";
import type { OpenSegment, RecordPlace } from "./payload.ts";
import { checkedPayload, checkPayload } from "./payload.ts";
import type { LogIdentity } from "./segment-header.ts";
import { fromSegmentFailure, readSegmentHeader } from "./segment-header.ts";
import { segmentId, segmentNumber, segmentPath, segmentText } from "./segment-id.ts";
import { isSuperseded } from "./segment-list.ts";

export type { OpenSegment, RecordPlace };

/** Reads below this size are done at once: the thread pool costs 28 µs, a cached read of 1 KiB under 1 µs. */
const SYNCHRONOUS_BYTES_MAX = 64 * 1024;
/** Above this size the allocation of a buffer costs little beside the rest. */
const SHARED_BYTES = 8 * 1024;
const OPEN_SEGMENTS_MAX = 128;

/** Reads records of the log by place, each checked against its checksums before it is given out. */
export class LogReader {
  readonly files: FileSystem;
  readonly folder: string;
  readonly identity: LogIdentity | undefined;
  /** What `readShared` reads into. */
  readonly shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
  /** In order of opening. */
  readonly #open = new Map<number, OpenSegment>();
  /** Forgotten while they were being read. */
  readonly #left = new Set<OpenSegment>();

  constructor(files: FileSystem, folder: string, identity?: LogIdentity) {
    this.files = files;
    this.folder = folder;
    this.identity = identity;
  }

  /** @throws CORRUPTION when the segment is missing or damaged; see `isRetired` for one that was rewritten since */
  segment(id: number): OpenSegment {
    const known = this.#open.get(id);
    if (known) return known;
    const path = segmentPath(this.folder, id);
    let file: LogFile | undefined;
    try {
      file = this.files.open(path, "read");
      const opened = { id, path, file, header: readSegmentHeader(file, path, id, this.identity), busy: 0 };
      this.#evict();
      this.#open.set(id, opened);
      return opened;
    } catch (error) {
      file?.close();
      const isGone = (error as NodeJS.ErrnoException).code === "ENOENT";
      if (isGone && isSuperseded(this.files, this.folder, id, this.identity)) throw retired(id, path);
      throw fromSegmentFailure(error, path, id);
    }
  }

  /** Undefined for a segment that is missing or damaged. @throws as `segment` for one that was rewritten since */
  readableSegment(id: number): OpenSegment | undefined {
    try {
      return this.segment(id);
    } catch (error) {
      if (isCorruption(error) && !isRetired(error)) return undefined;
      throw error;
    }
  }

  /** The first of the segments `ids` behind `id` that can be read. */
  readableBehind(ids: readonly number[], id: number): OpenSegment | undefined {
    for (const later of ids) {
      const opened = later > id ? this.readableSegment(later) : undefined;
      if (opened) return opened;
    }
    return undefined;
  }

  /**
   * Bytes under the name of a segment that can't be read. None when they belong elsewhere: to another store, or to a
   * segment that is in its own place too. Without bound where the segment may have been of any length: only the first
   * few are left, there is no file behind the name, or segments of this store have changed places.
   */
  unreadableBytes(id: number): number {
    const path = segmentPath(this.folder, id);
    let file: LogFile | undefined;
    try {
      file = this.files.open(path, "read");
      const size = file.size();
      if (size < SEGMENT_HEADER_BYTES) return beginsSegment(file, size) ? Number.POSITIVE_INFINITY : 0;
      const header = wholeHeader(file, path);
      if (!header) return size;
      return this.#belongsElsewhere(header) ? 0 : Number.POSITIVE_INFINITY;
    } catch (error) {
      if (isCorruption(fromSegmentFailure(error, path, id))) return Number.POSITIVE_INFINITY;
      throw error;
    } finally {
      file?.close();
    }
  }

  #belongsElsewhere({ storeId, number, generation }: SegmentHeader): boolean {
    if (this.identity && storeId !== this.identity.storeId) return true;
    try {
      return this.readableSegment(segmentId(number, generation)) !== undefined;
    } catch (error) {
      if (isRetired(error)) return true;
      throw error;
    }
  }

  /** The payload of a record: at once for small ones, a promise for large ones. */
  read(place: RecordPlace, kind: RecordKind, key: Uint8Array): Buffer | Promise<Buffer> {
    const total = RECORD_HEADER_BYTES + key.length + place.payloadLength;
    if (total > SYNCHRONOUS_BYTES_MAX) return this.#readLarge(place, kind, key);
    return this.readSync(place, kind, key);
  }

  /** The payload of a record, at once whatever its size. */
  readSync(place: RecordPlace, kind: RecordKind, key: Uint8Array): Buffer {
    const segment = this.segment(place.segment);
    const total = RECORD_HEADER_BYTES + key.length + place.payloadLength;
    // Not from Buffer's shared pool: what is decoded may keep views of it, and its `buffer` shows nothing else.
    const bytes = Buffer.allocUnsafeSlow(total);
    let got: number;
    try {
      got = segment.file.read(bytes, place.offset);
    } catch (error) {
      throw fromSystemError(error, `reading ${segment.path}`);
    }
    return checkedPayload(segment, place, kind, key, bytes.subarray(0, got));
  }

  /** Where the payload of a small record begins in `shared`, which the next call overwrites; 0 for a large one. */
  readShared(place: RecordPlace, kind: RecordKind, key: Uint8Array): number {
    const total = RECORD_HEADER_BYTES + key.length + place.payloadLength;
    if (total > this.shared.length) return 0;
    const segment = this.segment(place.segment);
    const got = segment.file.read(this.shared, place.offset, total);
    return checkPayload(segment, place, kind, key, this.shared, got);
  }

  async #readLarge(place: RecordPlace, kind: RecordKind, key: Uint8Array): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(RECORD_HEADER_BYTES + key.length + place.payloadLength);
    return this.#reading(place.segment, async (segment) => {
      const got = await segment.file.readAsync([bytes], place.offset);
      return checkedPayload(segment, place, kind, key, bytes.subarray(0, got));
    });
  }

  /** See `readInto`. */
  readNeighbours(blobs: Neighbours, into: Buffer): Promise<void> {
    return this.#reading(blobs.segment, (segment) => readInto(into, segment, blobs));
  }

  /** With a segment that is not closed meanwhile. */
  async #reading<T>(id: number, read: (segment: OpenSegment) => Promise<T>): Promise<T> {
    const segment = this.segment(id);
    segment.busy++;
    try {
      return await read(segment);
    } catch (error) {
      throw fromSystemError(error, `reading ${segment.path}`);
    } finally {
      segment.busy--;
    }
  }

  /** Files may have been replaced: each is opened again at its next read. Those being read go on with what they have. */
  forget(): void {
    for (const [id, segment] of this.#open) {
      this.#open.delete(id);
      if (segment.busy > 0) this.#left.add(segment);
      else segment.file.close();
    }
    this.#closeLeft();
  }

  close(): void {
    for (const { file } of this.#left) file.close();
    this.#left.clear();
    for (const { file } of this.#open.values()) file.close();
    this.#open.clear();
  }

  #closeLeft(): void {
    for (const segment of this.#left) {
      if (segment.busy > 0) continue;
      segment.file.close();
      this.#left.delete(segment);
    }
  }

  #evict(): void {
    this.#closeLeft();
    if (this.#open.size < OPEN_SEGMENTS_MAX) return;
    for (const [id, segment] of this.#open) {
      if (segment.busy > 0) continue;
      segment.file.close();
      this.#open.delete(id);
      return;
    }
  }
}

function retired(id: number, path: string): VarveError {
  return new VarveError("CORRUPTION", `${segmentText(id)} of the log was rewritten, and ${path} is gone`, {
    hint: "try again: nothing is lost",
    details: { segment: segmentNumber(id), offset: 0, retired: true },
  });
}

/** Whether a segment was not there because another one stands for it now: who looks up the place again finds it. */
export function isRetired(error: unknown): boolean {
  return isCorruption(error) && error.details?.retired === true;
}

/** Undefined when it is damaged. */
function wholeHeader(file: LogFile, path: string): SegmentHeader | undefined {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  file.read(bytes, 0);
  try {
    return decodeSegmentHeader(bytes, path);
  } catch (error) {
    if (isCorruption(error)) return undefined;
    throw error;
  }
}

/** Whether a file that is too short for a header was a segment once: what it has is the beginning of one. */
function beginsSegment(file: LogFile, size: number): boolean {
  const begin = Buffer.alloc(Math.min(size, SEGMENT_MAGIC.length));
  return file.read(begin, 0) === begin.length && SEGMENT_MAGIC.subarray(0, begin.length).equals(begin);
}
