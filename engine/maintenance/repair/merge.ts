import { checksum } from "../../log/checksum.ts";
import type { SegmentHeader } from "../../log/format.ts";
import {
  BATCH_HEADER_BYTES,
  RECORD_HEADER_BYTES,
  readBatchHeader,
  recordBytes,
  SEGMENT_HEADER_BYTES,
} from "../../log/format.ts";
import type { Pace } from "../pace.ts";
import type { OutlinedBatch, SegmentCopy } from "./copy.ts";

/** Where the next segment says that this one ended, and with which batch. */
export interface Cut {
  end: number;
  sequence: number;
  chain: bigint;
}

/** Bytes of the merged segment, and the copy they come from; zeros where no copy has any. */
export interface Extent {
  copy: SegmentCopy | undefined;
  from: number;
  to: number;
}

export interface MergedSegment {
  extents: Extent[];
  /** What no copy has whole. */
  problems: { kind: "batch" | "record"; offset: number }[];
}

interface Usable {
  copy: SegmentCopy;
  /** Nothing at or behind this offset is taken from it. */
  end: number;
}

/** Positions of one segment's copies, merged by `mergeSegment`. */
export interface SegmentToMerge {
  number: number;
  header: SegmentHeader;
  /** The first is our own, where there is one: it is believed before others. */
  own: SegmentCopy | undefined;
  others: readonly SegmentCopy[];
  cut: Cut | undefined;
}

/**
 * One segment from several damaged copies of it. Batches, headers of records and payloads have a checksum each, so
 * the sound one is taken wherever it is. Bytes that no copy has sound stay as our own copy has them.
 */
export async function mergeSegment(segment: SegmentToMerge, pace: Pace): Promise<MergedSegment> {
  const { header, own, others, cut } = segment;
  const end = cut?.end ?? Number.POSITIVE_INFINITY;
  const outline = new Map<number, OutlinedBatch>();
  const ownOutline = own ? await own.outline(header.salt, end, pace) : [];
  const usable: Usable[] = own ? [{ copy: own, end }] : [];
  for (const copy of others) {
    const batches = await copy.outline(header.salt, end, pace);
    // A rewritten one is not written to any more, so all copies are the same.
    const limit = header.rewritten ? end : sharedUpTo(ownOutline, batches, cut);
    usable.push({ copy, end: Math.min(end, limit) });
    for (const batch of batches) if (batch.offset < limit) outline.set(batch.offset, batch);
  }
  for (const batch of ownOutline) outline.set(batch.offset, batch);
  return new Merge(segment, usable, outline).run(pace);
}

/**
 * Up to where another copy tells the same story as ours: one that was written to by itself since, such as a home that
 * was copied and used on, has other batches from some place on. Files are only appended to, so all before the last
 * batch that both have is the same. Where ours has nothing more, the other one counts unless its end is not that which
 * the next segment names.
 */
function sharedUpTo(
  own: readonly OutlinedBatch[],
  other: readonly OutlinedBatch[],
  cut: Cut | undefined,
): number {
  const mine = new Map(own.map((batch) => [batch.offset, batch.header]));
  let shared = SEGMENT_HEADER_BYTES;
  let contradicts = false;
  for (const { offset, end, header } of other) {
    const isSame = mine.get(offset)?.chain === header.chain;
    const leadsOn = mine.get(end)?.previousChain === header.chain;
    const isLast = cut?.end === end && cut.chain === header.chain;
    if (isSame || leadsOn || isLast) shared = end;
    if (cut && header.sequence >= cut.sequence && header.chain !== cut.chain) contradicts = true;
  }
  const ownEnd = own.at(-1)?.end ?? SEGMENT_HEADER_BYTES;
  return shared < ownEnd || contradicts ? shared : Number.POSITIVE_INFINITY;
}

class Merge {
  readonly #segment: SegmentToMerge;
  readonly #usable: Usable[];
  readonly #outline: Map<number, OutlinedBatch>;
  readonly #offsets: number[];
  readonly #merged: MergedSegment = { extents: [], problems: [] };
  #next = 0;

  constructor(segment: SegmentToMerge, usable: Usable[], outline: Map<number, OutlinedBatch>) {
    this.#segment = segment;
    this.#usable = usable;
    this.#outline = outline;
    this.#offsets = [...outline.keys()].sort((a, b) => a - b);
  }

  async run(pace: Pace): Promise<MergedSegment> {
    const { header, cut } = this.#segment;
    const end = cut?.end ?? Math.max(...this.#usable.map(({ copy, end }) => Math.min(copy.size, end)));
    let { previousSequence: sequence, previousChain: chain } = header;
    this.#takeHeader();
    let isBehindGap = false;
    for (let at = SEGMENT_HEADER_BYTES; at < end; ) {
      const batch = this.#outline.get(at);
      const isNext = header.rewritten
        ? batch && batch.header.sequence > sequence
        : batch?.header.sequence === sequence + 1;
      const follows = batch?.header.previousChain === chain && isNext;
      if (batch && (follows || isBehindGap) && batch.end <= end && this.#takeBatch(batch)) {
        ({ sequence, chain } = batch.header);
        at = batch.end;
        isBehindGap = false;
      } else {
        const next = this.#nextBatch(at, sequence) ?? end;
        if (cut || next < end) this.#merged.problems.push({ kind: "batch", offset: at });
        this.#take(this.#asItIs(at, next));
        at = next;
        isBehindGap = true;
      }
      if (pace.isDue()) await pace.turn();
    }
    return this.#merged;
  }

  #takeHeader(): void {
    const { header, number } = this.#segment;
    const sound = this.#usable.find(({ copy }) => copy.header(number, header)?.salt === header.salt);
    this.#take([{ copy: sound?.copy, from: 0, to: SEGMENT_HEADER_BYTES }]);
  }

  /** Asked for ever later places. */
  #nextBatch(after: number, sequence: number): number | undefined {
    for (; this.#next < this.#offsets.length; this.#next++) {
      const offset = this.#offsets[this.#next]!;
      if (offset > after && this.#outline.get(offset)!.header.sequence > sequence) return offset;
    }
    return undefined;
  }

  /** False, with nothing taken, when not all headers of its records can be had. */
  #takeBatch({ offset, end, header }: OutlinedBatch): boolean {
    const { salt } = this.#segment.header;
    if (header.count > header.length / RECORD_HEADER_BYTES) return false;
    const sums = Buffer.alloc(header.count * 8);
    const extents = this.#batchHeader(offset, header.chain);
    const damaged: number[] = [];
    let at = offset + BATCH_HEADER_BYTES;
    for (let i = 0; i < header.count; i++) {
      const copies = this.#copiesAt(at);
      const copy = copies.find((each) => each.record(at, salt));
      const record = copy?.record(at, salt);
      if (!copy || !record) return false;
      sums.writeBigUInt64LE(record.checksum, i * 8);
      const payload = at + RECORD_HEADER_BYTES + record.keyLength;
      const payloadEnd = payload + record.payloadLength;
      const next = at + recordBytes(record.keyLength, record.payloadLength);
      const sound = copies.find((each) => each.isSound(payload, record, salt));
      if (!sound) damaged.push(at);
      extents.push({ copy, from: at, to: payload });
      extents.push(
        ...(sound ? [{ copy: sound, from: payload, to: payloadEnd }] : this.#asItIs(payload, payloadEnd)),
      );
      extents.push(...this.#asItIs(payloadEnd, next));
      at = next;
    }
    if (at !== end || checksum(sums, salt) !== header.recordsChecksum) return false;
    this.#take(extents);
    for (const place of damaged) this.#merged.problems.push({ kind: "record", offset: place });
    return true;
  }

  #batchHeader(offset: number, chain: bigint): Extent[] {
    const { salt } = this.#segment.header;
    const copy = this.#copiesAt(offset).find(
      (each) => readBatchHeader(each.bytes(offset, BATCH_HEADER_BYTES), 0, salt)?.chain === chain,
    );
    return [{ copy, from: offset, to: offset + BATCH_HEADER_BYTES }];
  }

  #copiesAt(offset: number): SegmentCopy[] {
    return this.#usable.filter(({ end }) => offset < end).map(({ copy }) => copy);
  }

  /** From the first copy that has it, whatever it is. */
  #asItIs(from: number, to: number): Extent[] {
    const extents: Extent[] = [];
    let at = from;
    for (const { copy, end } of this.#usable) {
      const last = Math.min(to, copy.size, end);
      if (last <= at) continue;
      extents.push({ copy, from: at, to: last });
      at = last;
    }
    if (at < to) extents.push({ copy: undefined, from: at, to });
    return extents;
  }

  #take(extents: readonly Extent[]): void {
    const all = this.#merged.extents;
    for (const extent of extents) {
      const last = all.at(-1);
      if (extent.to === extent.from) continue;
      if (last && last.copy === extent.copy && last.to === extent.from) last.to = extent.to;
      else all.push({ ...extent });
    }
  }
}
