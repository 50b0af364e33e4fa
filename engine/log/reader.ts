import { fromSystemError, isCorruption, VarveError } from "../errors.ts";
import { checksum } from "./checksum.ts";
import type { FileSystem, LogFile } from "./file.ts";
import type { RecordKind, SegmentHeader } from "./format.ts";
import { RECORD_HEADER_BYTES, readRecordHeader, SEGMENT_HEADER_BYTES, SEGMENT_MAGIC } from "./format.ts";
import type { LogIdentity } from "./segment.ts";
import { readSegmentHeader, segmentPath } from "./segment.ts";

/** Reads below this size are done at once: the thread pool costs 28 µs, a cached read of 1 KiB under 1 µs. */
const SYNCHRONOUS_BYTES_MAX = 64 * 1024;
/** Above this size the allocation of a buffer costs little beside the rest. */
const SHARED_BYTES = 8 * 1024;
const OPEN_SEGMENTS_MAX = 128;

/** Where a record lies, and how long its parts are. */
export interface RecordPlace {
  segment: number;
  offset: number;
  payloadLength: number;
}

export interface OpenSegment {
  readonly number: number;
  readonly path: string;
  readonly file: LogFile;
  readonly header: SegmentHeader;
  /** Asynchronous reads and scans under way: not to be closed under them. */
  busy: number;
}

/** Reads records of the log by place, each checked against its checksums before it is given out. */
export class LogReader {
  readonly #files: FileSystem;
  readonly #folder: string;
  readonly #identity: LogIdentity | undefined;
  readonly #shared = Buffer.allocUnsafeSlow(SHARED_BYTES);
  /** In order of opening. */
  readonly #open = new Map<number, OpenSegment>();
  /** Forgotten while they were being read. */
  readonly #left = new Set<OpenSegment>();

  constructor(files: FileSystem, folder: string, identity?: LogIdentity) {
    this.#files = files;
    this.#folder = folder;
    this.#identity = identity;
  }

  /** @throws CORRUPTION when the segment is missing or damaged. */
  segment(number: number): OpenSegment {
    const known = this.#open.get(number);
    if (known) return known;
    const path = segmentPath(this.#folder, number);
    let file: LogFile | undefined;
    try {
      file = this.#files.open(path, "read");
      const opened = {
        number,
        path,
        file,
        header: readSegmentHeader(file, path, number, this.#identity),
        busy: 0,
      };
      this.#evict();
      this.#open.set(number, opened);
      return opened;
    } catch (error) {
      file?.close();
      throw fromSegmentFailure(error, path, number);
    }
  }

  /** Undefined for a segment that is missing or damaged. */
  readableSegment(number: number): OpenSegment | undefined {
    try {
      return this.segment(number);
    } catch (error) {
      if (isCorruption(error)) return undefined;
      throw error;
    }
  }

  /** The first of the segments `numbers` behind `number` that can be read. */
  readableBehind(numbers: readonly number[], number: number): OpenSegment | undefined {
    for (const later of numbers) {
      const opened = later > number ? this.readableSegment(later) : undefined;
      if (opened) return opened;
    }
    return undefined;
  }

  /**
   * Bytes under the name of a segment that can't be read; none when they belong elsewhere, and without bound for the
   * first few of a segment that was of any length.
   */
  unreadableBytes(number: number): number {
    const path = segmentPath(this.#folder, number);
    if (!this.#files.exists(path)) return 0;
    const file = this.#files.open(path, "read");
    try {
      readSegmentHeader(file, path, number);
      return 0;
    } catch (error) {
      // Only a whole header tells which segment it is not.
      const isElsewhere = error instanceof VarveError && error.details?.segment !== undefined;
      if (isElsewhere) return 0;
      const size = file.size();
      if (size >= SEGMENT_HEADER_BYTES) return size;
      return beginsSegment(file, size) ? Number.POSITIVE_INFINITY : 0;
    } finally {
      file.close();
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

  /** The payload of a small record in a buffer that the next call overwrites; undefined for a large one. */
  readShared(place: RecordPlace, kind: RecordKind, key: Uint8Array): Buffer | undefined {
    const total = RECORD_HEADER_BYTES + key.length + place.payloadLength;
    if (total > this.#shared.length) return undefined;
    const segment = this.segment(place.segment);
    const bytes = this.#shared.subarray(0, total);
    const got = segment.file.read(bytes, place.offset);
    return checkedPayload(segment, place, kind, key, got === total ? bytes : bytes.subarray(0, got));
  }

  async #readLarge(place: RecordPlace, kind: RecordKind, key: Uint8Array): Promise<Buffer> {
    const segment = this.segment(place.segment);
    const bytes = Buffer.allocUnsafeSlow(RECORD_HEADER_BYTES + key.length + place.payloadLength);
    segment.busy++;
    try {
      const got = await segment.file.readAsync(bytes, place.offset);
      return checkedPayload(segment, place, kind, key, bytes.subarray(0, got));
    } catch (error) {
      throw fromSystemError(error, `reading ${segment.path}`);
    } finally {
      segment.busy--;
    }
  }

  /** Files may have been replaced: each is opened again at its next read. Those being read go on with what they have. */
  forget(): void {
    for (const [number, segment] of this.#open) {
      this.#open.delete(number);
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
    for (const [number, segment] of this.#open) {
      if (segment.busy > 0) continue;
      segment.file.close();
      this.#open.delete(number);
      return;
    }
  }
}

/** Whether a file that is too short for a header was a segment once: what it has is the beginning of one. */
function beginsSegment(file: LogFile, size: number): boolean {
  const begin = Buffer.alloc(Math.min(size, SEGMENT_MAGIC.length));
  return file.read(begin, 0) === begin.length && SEGMENT_MAGIC.subarray(0, begin.length).equals(begin);
}

/** What says that there is no such file: nothing to open, or a folder or a link to itself in its place. */
const NO_FILE = new Set(["ENOENT", "EISDIR", "ELOOP", "ENOTDIR", "ENXIO"]);

/** Why a segment could not be opened, as an error of ours. */
export function fromSegmentFailure(error: unknown, path: string, number: number): VarveError {
  if (!NO_FILE.has((error as NodeJS.ErrnoException)?.code ?? ""))
    return fromSystemError(error, `opening ${path}`);
  return new VarveError("CORRUPTION", `segment ${number} of the log is missing (${path})`, {
    hint: "put the file back from a backup; what lies in other segments stays readable",
    details: { segment: number, offset: 0 },
    cause: error,
  });
}

function checkedPayload(
  segment: OpenSegment,
  place: RecordPlace,
  kind: RecordKind,
  key: Uint8Array,
  bytes: Buffer,
): Buffer {
  const salt = segment.header.salt;
  const header = readRecordHeader(bytes, 0, salt);
  const keyEnd = RECORD_HEADER_BYTES + key.length;
  const sound =
    header !== undefined &&
    header.kind === kind &&
    header.payloadLength === place.payloadLength &&
    bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + header.keyLength).equals(key);
  if (!sound) throw damagedRecord(segment, place, "header");
  const payload = bytes.subarray(keyEnd, keyEnd + header.payloadLength);
  if (payload.length !== header.payloadLength || checksum(payload, salt) !== header.payloadChecksum) {
    throw damagedRecord(segment, place, "payload");
  }
  return payload;
}

function damagedRecord(segment: OpenSegment, place: RecordPlace, part: string): VarveError {
  return new VarveError(
    "CORRUPTION",
    `damaged ${part} of the record at offset ${place.offset} of segment ${segment.number} (${segment.path})`,
    {
      hint: "`varve verify` lists all damage; other artifacts stay readable",
      details: { segment: segment.number, offset: place.offset },
    },
  );
}
