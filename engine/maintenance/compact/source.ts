import { isCorruption } from "../../errors.ts";
import type { RunningChecksum } from "../../log/checksum.ts";
import { checksum, runningChecksum } from "../../log/checksum.ts";
import type { LogFile } from "../../log/file.ts";
import { RECORD_HEADER_BYTES } from "../../log/format.ts";
import type { LogReader, OpenSegment } from "../../log/reader.ts";
import { isRetired } from "../../log/reader.ts";
import type { LogProblem, ScannedBatch, ScannedRecord } from "../../log/scan.ts";
import { entryPosition, scanLog } from "../../log/scan.ts";
import type { LogPosition } from "../../log/segment.ts";
import { LOG_START } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";
import { damagedPayload } from "../replay.ts";

const PIECE_BYTES = 256 * 1024;
/** So much is read on another thread before it is looked at: the disk may be slow. */
const AHEAD_BYTES = 8 * 1024 * 1024;
const NOTHING = new Uint8Array();

/** Why segments can't be rewritten: what is damaged must not get a checksum that says that it is not. */
export class DamagedSource {
  readonly problem: LogProblem;

  constructor(problem: LogProblem) {
    this.problem = problem;
  }
}

/** Reads the batches of some segments that lie together, whose records are views until the next batch. */
export class SourceScan {
  readonly #last: number;
  readonly #pace: Pace;
  readonly #scan: ReturnType<typeof scanLog>;
  readonly #ahead: ReadAhead;
  /** Problems are passed over; else the first one ends it. */
  readonly #tolerant: boolean;

  /**
   * @param ids with the next ones behind them, which say where the last one ends
   * @throws DamagedSource
   */
  constructor(reader: LogReader, ids: readonly number[], last: number, pace: Pace, tolerant = false) {
    this.#last = last;
    this.#pace = pace;
    this.#tolerant = tolerant;
    this.#scan = scanLog(reader, ids, entryPosition(openSource(reader, ids[0]!)), 0, undefined, "views");
    this.#ahead = new ReadAhead(
      reader,
      ids.filter((id) => id <= last),
    );
  }

  /** Undefined behind the last segment. @throws DamagedSource */
  async next(): Promise<ScannedBatch | undefined> {
    if (this.#ahead.isDue) {
      await this.#ahead.read();
      this.#pace.waited();
    }
    for (;;) {
      if (this.#pace.isDue()) await this.#pace.turn();
      const found = this.#scan.next();
      if (found.done) return undefined;
      if ("problem" in found.value) {
        const { problem } = found.value;
        if (problem.segment > this.#last) return undefined;
        if (!this.#tolerant) throw new DamagedSource(problem);
        continue;
      }
      const { batch } = found.value;
      if (batch.end.segment > this.#last) return undefined;
      this.#ahead.at(batch.end);
      return batch;
    }
  }

  close(): void {
    this.#scan.return({ position: LOG_START, torn: false });
  }
}

/** @throws DamagedSource */
export function openSource(reader: LogReader, id: number): OpenSegment {
  try {
    return reader.segment(id);
  } catch (error) {
    if (!isCorruption(error) || isRetired(error)) throw error;
    throw new DamagedSource({ kind: "segment", segment: id, offset: 0, message: error.message });
  }
}

/** Has the disk give what will be looked at soon, while everything else goes on. */
class ReadAhead {
  readonly #buffer = Buffer.allocUnsafeSlow(PIECE_BYTES);
  readonly #reader: LogReader;
  /** Where in the row of all segments each begins and ends. */
  readonly #places = new Map<number, { begin: number; end: number }>();
  #position = 0;
  #read = 0;
  #end = 0;

  constructor(reader: LogReader, ids: readonly number[]) {
    this.#reader = reader;
    for (const id of ids) {
      const begin = this.#end;
      this.#end += reader.readableSegment(id)?.file.size() ?? 0;
      this.#places.set(id, { begin, end: this.#end });
    }
  }

  at({ segment, offset }: LogPosition): void {
    this.#position = (this.#places.get(segment)?.begin ?? 0) + offset;
  }

  get isDue(): boolean {
    return this.#read < this.#end && this.#read - this.#position < AHEAD_BYTES / 2;
  }

  async read(): Promise<void> {
    const goal = Math.min(this.#end, this.#position + AHEAD_BYTES);
    for (const [id, { begin, end }] of this.#places)
      if (end > this.#read && begin < goal) await this.#readIn(id, begin, Math.min(end, goal));
    this.#read = goal;
  }

  async #readIn(id: number, begin: number, end: number): Promise<void> {
    // Not kept open: there may be more of them than files may be.
    const segment = this.#reader.readableSegment(id);
    if (!segment) return;
    segment.busy++;
    try {
      for (let at = Math.max(this.#read, begin); at < end; at += PIECE_BYTES)
        await segment.file.readAsync([this.#buffer], at - begin);
    } finally {
      segment.busy--;
    }
  }
}

/** Where in its segment the payload of a record begins. */
function payloadAt({ offset, keyLength }: ScannedRecord): number {
  return offset + RECORD_HEADER_BYTES + keyLength;
}

/** Payloads piece by piece, with turns of the event loop between. */
export class PayloadPieces {
  readonly #piece = Buffer.allocUnsafeSlow(PIECE_BYTES);
  readonly #pace: Pace;

  constructor(pace: Pace) {
    this.#pace = pace;
  }

  /** Each piece is valid until the next. */
  async each(
    file: LogFile,
    record: ScannedRecord,
    visit: (piece: Buffer) => Promise<void> | undefined,
  ): Promise<void> {
    const { payloadLength } = record;
    const start = payloadAt(record);
    for (let done = 0; done < payloadLength; ) {
      const piece = this.#piece.subarray(0, Math.min(PIECE_BYTES, payloadLength - done));
      const got = file.read(piece, start + done);
      if (got < piece.length) throw new DamagedSource(damagedPayload(record));
      const visited = visit(piece);
      if (visited) await visited;
      done += got;
      if (this.#pace.isDue()) await this.#pace.turn();
    }
  }

  /**
   * Compares a payload with its checksum, and gives the one with another salt.
   * @throws DamagedSource
   */
  async checksum(segment: OpenSegment, record: ScannedRecord, salt: bigint): Promise<bigint> {
    const sums = [segment.header.salt, salt].map((seed) => new PiecewiseSum(seed, record.payloadLength));
    await this.each(segment.file, record, (piece) => {
      for (const sum of sums) sum.update(piece);
      return undefined;
    });
    if (sums[0]!.digest() !== record.header.payloadChecksum) throw new DamagedSource(damagedPayload(record));
    return sums[1]!.digest();
  }
}

/** Of a payload in one piece, which most are, the checksum takes no state. */
class PiecewiseSum {
  readonly #salt: bigint;
  readonly #running: RunningChecksum | undefined;
  #sum: bigint | undefined;

  constructor(salt: bigint, length: number) {
    this.#salt = salt;
    this.#running = length > PIECE_BYTES ? runningChecksum(salt) : undefined;
  }

  update(piece: Buffer): void {
    if (this.#running) this.#running.update(piece);
    else this.#sum = checksum(piece, this.#salt);
  }

  digest(): bigint {
    return this.#running?.digest() ?? this.#sum ?? checksum(NOTHING, this.#salt);
  }
}
