import { randomBytes } from "node:crypto";
import { VarveError } from "../../errors.ts";
import { checksum } from "../../log/checksum.ts";
import type { FileSystem, LogFile } from "../../log/file.ts";
import type { SegmentHeader } from "../../log/format.ts";
import {
  BATCH_HEADER_BYTES,
  encodeSegmentHeader,
  FORMAT_VERSION,
  RECORD_HEADER_BYTES,
  recordBytes,
  sealRecordHeader,
  writeBatchHeader,
} from "../../log/format.ts";
import type { OpenSegment } from "../../log/reader.ts";
import type { ScannedBatch, ScannedRecord } from "../../log/scan.ts";
import { segmentGeneration, segmentNumber } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";
import type { Run } from "./choose.ts";
import type { Decision, SourceParts } from "./decide.ts";
import { openSource, PayloadPieces, SourceScan } from "./source.ts";

/** To write so much takes a fraction of a millisecond. */
const BUFFER_BYTES = 256 * 1024;
/** So much is given to the disk at a time: a sync of much more takes long, and other writes wait for it. */
const SYNC_BYTES = 32 * 1024 * 1024;
const PADDING = Buffer.alloc(8);

/** The header of the segment that is to stand for a run. */
export function rewrittenHeader(
  { reader }: SourceParts,
  run: Run,
  id: number,
  { bytes, end }: Decision,
  now: number,
): SegmentHeader {
  const first = openSource(reader, run[0]!.id).header;
  const last = openSource(reader, run.at(-1)!.id).header;
  return {
    ...first,
    formatVersion: FORMAT_VERSION,
    number: segmentNumber(id),
    generation: segmentGeneration(id),
    salt: randomBytes(8).readBigUInt64LE(),
    createdAt: now,
    rewritten: {
      lastNumber: last.rewritten?.lastNumber ?? last.number,
      endChain: end.chain,
      endSequence: end.sequence,
      bytes,
    },
  };
}

/** Writes what stays of a run under a name that is no segment's, on the disk. @throws DamagedSource */
export async function writeRewritten(
  files: FileSystem,
  path: string,
  parts: SourceParts,
  run: Run,
  decision: Decision,
  header: SegmentHeader,
): Promise<void> {
  const { reader, ids, pace } = parts;
  const last = run.at(-1)!.id;
  const scan = new SourceScan(reader, ids.slice(ids.indexOf(run[0]!.id)), last, pace);
  const out = new PacedFile(files.open(path, "create"), pace);
  try {
    await out.append(encodeSegmentHeader(header));
    const writer = new BatchWriter(parts, out, header);
    let index = 0;
    for (let batch = await scan.next(); batch; batch = await scan.next()) {
      const kept = batch.records.filter((_, i) => decision.kept.at(index + i));
      index += batch.records.length;
      if (kept.length > 0) await writer.write(batch, kept);
      parts.onBatch(BATCH_HEADER_BYTES + batch.header.length);
    }
    await out.end();
    if (out.bytes !== decision.bytes) throw notAsDecided(path, out.bytes, decision.bytes);
  } finally {
    scan.close();
    out.close();
  }
}

function notAsDecided(path: string, bytes: number, expected: number): VarveError {
  return new VarveError("IO", `${path} got ${bytes} bytes where ${expected} were expected`, {
    hint: "check the disk; nothing was changed",
  });
}

/** A file that is appended to in pieces of some size, and put on the disk as it grows. */
class PacedFile {
  readonly #file: LogFile;
  readonly #pace: Pace;
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;
  #unsynced = 0;
  bytes = 0;

  constructor(file: LogFile, pace: Pace) {
    this.#file = file;
    this.#pace = pace;
  }

  /** Takes them at once where there is room, which there nearly always is. */
  append(bytes: Uint8Array): Promise<void> | undefined {
    if (this.#used + bytes.length > BUFFER_BYTES) return this.#appendSlow(bytes);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
    this.bytes += bytes.length;
    return undefined;
  }

  async #appendSlow(bytes: Uint8Array): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      if (this.#used === BUFFER_BYTES) await this.#flush();
      const part = bytes.subarray(done, done + BUFFER_BYTES - this.#used);
      this.append(part);
      done += part.length;
    }
  }

  async end(): Promise<void> {
    await this.#flush();
    await this.#file.syncAsync();
  }

  close(): void {
    this.#file.close();
  }

  async #flush(): Promise<void> {
    this.#file.append([this.#buffer.subarray(0, this.#used)]);
    this.#unsynced += this.#used;
    this.#used = 0;
    if (this.#unsynced < SYNC_BYTES) return;
    this.#unsynced = 0;
    await this.#file.syncAsync();
    this.#pace.waited();
  }
}

/** Lays batches out anew: the same records in the same order, with another salt and in a chain of their own. */
class BatchWriter {
  readonly #parts: SourceParts;
  readonly #out: PacedFile;
  readonly #salt: bigint;
  readonly #pieces: PayloadPieces;
  #chain: bigint;

  constructor(parts: SourceParts, out: PacedFile, header: SegmentHeader) {
    this.#parts = parts;
    this.#out = out;
    this.#salt = header.salt;
    this.#pieces = new PayloadPieces(parts.pace);
    this.#chain = header.previousChain;
  }

  async write({ header }: ScannedBatch, kept: readonly ScannedRecord[]): Promise<void> {
    const { reader, pace } = this.#parts;
    const segment = openSource(reader, kept[0]!.segment);
    const heads: Buffer[] = [];
    const sums = Buffer.allocUnsafe(kept.length * 8);
    let length = 0;
    for (const [i, record] of kept.entries()) {
      if (pace.isDue()) await pace.turn();
      const head = await this.#head(segment, record);
      head.copy(sums, i * 8, 0, 8);
      heads.push(head);
      length += recordBytes(record.keyLength, record.payloadLength);
    }
    const bytes = Buffer.allocUnsafe(BATCH_HEADER_BYTES);
    const { sequence, time, durableSequence } = header;
    const recordsChecksum = checksum(sums, this.#salt);
    const facts = { sequence, time, durableSequence, recordsChecksum, length, count: kept.length };
    this.#chain = writeBatchHeader(bytes, 0, { ...facts, previousChain: this.#chain }, this.#salt);
    await this.#out.append(bytes);
    for (const [i, record] of kept.entries()) {
      if (pace.isDue()) await pace.turn();
      await this.#append(segment, record, heads[i]!);
    }
  }

  /** The header and the key, as they were but for the checksums. @throws DamagedSource */
  async #head(segment: OpenSegment, record: ScannedRecord): Promise<Buffer> {
    const { bytes, at, keyLength, payload } = record;
    const sum = payload
      ? checksum(payload, this.#salt)
      : await this.#pieces.checksum(segment, record, this.#salt);
    const head = Buffer.from(bytes.subarray(at, at + RECORD_HEADER_BYTES + keyLength));
    sealRecordHeader(head, 0, keyLength, sum, this.#salt);
    return head;
  }

  async #append(segment: OpenSegment, record: ScannedRecord, head: Buffer): Promise<void> {
    const { payload, payloadLength } = record;
    await this.#out.append(head);
    if (payload) await this.#out.append(payload);
    else await this.#pieces.each(segment.file, record, (piece) => this.#out.append(piece));
    const padding = recordBytes(record.keyLength, payloadLength) - head.length - payloadLength;
    if (padding > 0) await this.#out.append(PADDING.subarray(0, padding));
  }
}
