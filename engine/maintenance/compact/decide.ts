import { isCorruption } from "../../errors.ts";
import type { Catalog } from "../../index/catalog.ts";
import { samePlace } from "../../index/change.ts";
import { isPlaced } from "../../index/rows.ts";
import { BATCH_HEADER_BYTES, RecordKind, recordBytes, SEGMENT_HEADER_BYTES } from "../../log/format.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import type { ScannedBatch, ScannedRecord } from "../../log/scan.ts";
import { entryPosition } from "../../log/scan.ts";
import type { LogPosition } from "../../log/segment.ts";
import { LOG_START } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";
import { damagedPayload } from "../replay.ts";
import type { Run } from "./choose.ts";
import type { History } from "./history.ts";
import { DamagedSource, openSource, PayloadPieces, SourceScan } from "./source.ts";

/** What of a run of segments stays, and what the segment that stands for them will be. */
export interface Decision {
  /** One bit for each record, in the order of the log: whether it stays. */
  kept: Bits;
  /** Of the new file. */
  bytes: number;
  blobs: number;
  records: number;
  freedBytes: number;
  /** Blobs whose newer copy can't be read, and that this run has whole. */
  healed: HealedBlob[];
  /** Where the log goes on behind the originals. */
  end: LogPosition;
}

export interface HealedBlob {
  digest: Buffer;
  damaged: RecordPlace;
  whole: RecordPlace;
}

class Bits {
  #bytes = new Uint8Array(1024);
  #count = 0;

  push(bit: boolean): void {
    const at = this.#count++;
    if (at >> 3 === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    if (bit) this.#bytes[at >> 3]! |= 1 << (at & 7);
  }

  at(index: number): boolean {
    return (this.#bytes[index >> 3]! & (1 << (index & 7))) !== 0;
  }
}

export interface SourceParts {
  reader: LogReader;
  /** Segments in effect, ascending. */
  ids: readonly number[];
  catalog: Catalog;
  history: History | undefined;
  pace: Pace;
  /** Is told of each batch that was done. */
  onBatch(bytes: number): void;
}

/**
 * Reads a run whole, with every checksum of what stays, and decides what that is: all but condemned blobs, copies of blobs
 * that lie elsewhere too, and forgotten history.
 * @throws DamagedSource
 */
export async function decide(parts: SourceParts, run: Run): Promise<Decision> {
  const { reader, ids, pace } = parts;
  const last = run.at(-1)!.id;
  // Those that are empty, too.
  for (const { id } of run) openSource(reader, id);
  const scan = new SourceScan(reader, ids.slice(ids.indexOf(run[0]!.id)), last, pace);
  const decider = new Decider(parts);
  let end: LogPosition | undefined;
  try {
    for (let batch = await scan.next(); batch; batch = await scan.next()) {
      await decider.add(batch);
      end = batch.end;
      parts.onBatch(BATCH_HEADER_BYTES + batch.header.length);
    }
  } finally {
    scan.close();
  }
  return { ...decider.decision, end: endBehind(reader, last, end ?? LOG_START) };
}

/** What the next segment goes on from. */
function endBehind(reader: LogReader, last: number, read: LogPosition): LogPosition {
  const segment = openSource(reader, last);
  const { rewritten } = segment.header;
  if (rewritten) return { ...read, sequence: rewritten.endSequence, chain: rewritten.endChain };
  return read.segment === last ? read : entryPosition(segment);
}

class Decider {
  readonly #parts: SourceParts;
  readonly #pieces: PayloadPieces;
  readonly decision: Omit<Decision, "end"> = {
    kept: new Bits(),
    bytes: SEGMENT_HEADER_BYTES,
    blobs: 0,
    records: 0,
    freedBytes: 0,
    healed: [],
  };

  constructor(parts: SourceParts) {
    this.#parts = parts;
    this.#pieces = new PayloadPieces(parts.pace);
  }

  async add({ header, records }: ScannedBatch): Promise<void> {
    const { decision } = this;
    const { pace } = this.#parts;
    let keptBytes = 0;
    for (const record of records) {
      // A batch may have thousands.
      if (pace.isDue()) await pace.turn();
      if (!record.sound) throw new DamagedSource(damagedPayload(record));
      const bytes = recordBytes(record.keyLength, record.payloadLength);
      const isKept =
        record.kind === RecordKind.blob
          ? await this.#keepsBlob(record)
          : !this.#parts.history?.forgets(record, header.sequence, this.#parts.catalog);
      decision.kept.push(isKept);
      if (isKept) {
        keptBytes += bytes;
        continue;
      }
      decision.freedBytes += bytes;
      if (record.kind === RecordKind.blob) decision.blobs++;
      else decision.records++;
    }
    if (keptBytes > 0) decision.bytes += BATCH_HEADER_BYTES + keptBytes;
  }

  async #keepsBlob(record: ScannedRecord): Promise<boolean> {
    const { catalog, reader } = this.#parts;
    const digest = Buffer.from(record.key);
    const known = catalog.blobRows.known(digest);
    const isKnown = known !== undefined && isPlaced(known);
    if (isKnown && known.condemned) return false;
    const isElsewhere = isKnown && !samePlace(known.place, record);
    if (isElsewhere && (await isReadable(reader, known.place, digest))) return false;
    const segment = openSource(reader, record.segment);
    await this.#pieces.checksum(segment, record, segment.header.salt);
    const { offset, payloadLength } = record;
    if (isElsewhere)
      this.decision.healed.push({
        digest,
        damaged: known.place,
        whole: { segment: segment.id, offset, payloadLength },
      });
    return true;
  }
}

/** A second copy goes only where the other one can be read. */
async function isReadable(reader: LogReader, place: RecordPlace, digest: Buffer) {
  try {
    await reader.read(place, RecordKind.blob, digest);
    return true;
  } catch (error) {
    if (isCorruption(error)) return false;
    throw error;
  }
}
