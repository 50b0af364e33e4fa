/** A log in memory whose bits are flipped and whose length is changed: what a reader and a scan make of it. */
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ArtifactStore } from "../../engine/api.ts";
import { VarveError } from "../../engine/errors.ts";
import { RECORD_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { LogReader } from "../../engine/log/reader.ts";
import type { LogProblem, ScanEnd, ScannedBatch, ScannedRecord } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { LOG_START, listSegments, segmentPath } from "../../engine/log/segment.ts";
import type { MemoryFiles } from "./damage-memory.ts";

export interface Scanned {
  batches: ScannedBatch[];
  problems: LogProblem[];
  /** Undefined for a scan that was left as soon as it was behind what was asked for. */
  end: ScanEnd | undefined;
}

/** A batch as it is without damage. */
interface KnownBatch {
  batch: ScannedBatch;
  segment: number;
  from: number;
  to: number;
  /** Where a scan that begins with it starts. */
  start: LogPosition;
}

/** The log of a home whose files are in memory, with all that is known of it. */
export class KnownLog {
  readonly files: MemoryFiles;
  readonly folder: string;
  readonly batches: KnownBatch[] = [];
  /** The bytes of each segment without damage. */
  readonly pristine = new Map<number, Buffer>();
  readonly #bySequence = new Map<number, KnownBatch>();
  readonly #cuts = new Map<number, number>();

  constructor(home: string, files: MemoryFiles) {
    this.files = files;
    this.folder = join(home, "log");
    const { batches, problems } = this.scan();
    if (problems.length > 0) throw new Error(`damaged before anything was done: ${problems[0]!.message}`);
    this.#learn(batches);
    for (const number of this.numbers()) this.pristine.set(number, Buffer.from(this.bytes(number)));
  }

  #learn(batches: ScannedBatch[]): void {
    let start: LogPosition = { ...LOG_START, segment: 1, offset: SEGMENT_HEADER_BYTES };
    for (const batch of batches) {
      const { segment, offset: to } = batch.end;
      if (segment !== start.segment) {
        this.#cuts.set(start.segment, start.offset);
        start = { ...start, segment, offset: SEGMENT_HEADER_BYTES };
      }
      const known = { batch, segment, from: start.offset, to, start };
      this.batches.push(known);
      this.#bySequence.set(batch.header.sequence, known);
      start = batch.end;
    }
  }

  #isIntact(segment: number, from: number, to: number): boolean {
    const [now, then] = [this.bytes(segment), this.pristine.get(segment)!];
    return now.length >= to && now.compare(then, from, to, from, to) === 0;
  }

  /** Whether what is left of the log shows that this batch was on the disk. */
  #isProvable({ batch, segment }: KnownBatch): boolean {
    const { sequence } = batch.header;
    for (const number of this.#cuts.keys())
      if (number >= segment && this.#isIntact(number + 1, 0, SEGMENT_HEADER_BYTES)) return true;
    return this.batches.some(
      (other) =>
        other.batch.header.durableSequence >= sequence &&
        this.#isIntact(other.segment, 0, SEGMENT_HEADER_BYTES) &&
        this.#isIntact(other.segment, other.from, other.to),
    );
  }

  get lastSequence(): number {
    return this.batches.at(-1)!.batch.header.sequence;
  }

  numbers(): number[] {
    return listSegments(this.files, this.folder);
  }

  bytes(segment: number): Buffer {
    return this.files.contents.get(segmentPath(this.folder, segment))!;
  }

  setBytes(segment: number, bytes: Buffer): void {
    this.files.contents.set(segmentPath(this.folder, segment), bytes);
  }

  /** The batch that has this byte. */
  batchAt(segment: number, offset: number): KnownBatch | undefined {
    return this.batches.find(
      (known) => known.segment === segment && known.from <= offset && offset < known.to,
    );
  }

  /** @param enough the scan is left behind the first good batch that is newer than this one */
  scan(from = LOG_START, durableSequence = 0, enough = Number.POSITIVE_INFINITY): Scanned {
    const reader = new LogReader(this.files, this.folder);
    const batches: ScannedBatch[] = [];
    const problems: LogProblem[] = [];
    try {
      const scan = scanLog(reader, this.numbers(), from, durableSequence);
      for (;;) {
        const next = scan.next();
        if (next.done) return { batches, problems, end: next.value };
        if ("problem" in next.value) {
          problems.push(next.value.problem);
          continue;
        }
        const { batch } = next.value;
        batches.push(batch);
        if (batch.header.sequence > enough && batch.records.every(({ sound }) => sound)) {
          scan.return(undefined as never);
          return { batches, problems, end: undefined };
        }
      }
    } finally {
      reader.close();
    }
  }

  #isSame(batch: ScannedBatch, known: KnownBatch): boolean {
    const { offset, segment } = batch.end;
    if (segment !== known.segment || offset !== known.to || batch.header.chain !== known.batch.header.chain)
      return false;
    if (this.#isIntact(segment, known.from, known.to)) return true;
    const { records } = known.batch;
    return (
      isDeepStrictEqual(batch.header, known.batch.header) &&
      batch.records.length === records.length &&
      batch.records.every((record, i) => sameRecord(record, records[i]!) && this.#isSoundAsSaid(record))
    );
  }

  /** The payload of a blob is not in what a scan gives: it is compared where it lies. */
  #isSoundAsSaid({ sound, segment, offset, header }: ScannedRecord): boolean {
    const from = offset + RECORD_HEADER_BYTES + header.keyLength;
    const to = from + header.payloadLength;
    return !sound || this.#isIntact(segment, from, to);
  }

  /**
   * What is wrong with a scan of the log while it is damaged: every batch must be one of the log, and what is missing
   * be reported, or be the end behind which nothing is known to have been durable.
   * @param durable what the scan was told to have been durable
   */
  faults({ batches, problems, end }: Scanned, from: LogPosition, durable: number): string[] {
    const faults: string[] = [];
    const given = new Set<number>();
    let last = from.sequence;
    for (const batch of batches) {
      const { sequence } = batch.header;
      const known = this.#bySequence.get(sequence);
      if (!known || !this.#isSame(batch, known))
        faults.push(`batch ${sequence} is not the one that was written`);
      if (sequence <= last) faults.push(`batch ${sequence} after ${last}`);
      last = sequence;
      // The payloads that fail are reported by who applies the batch.
      given.add(sequence);
    }
    const missing = this.batches.filter(({ batch: { header } }) => {
      const { sequence } = header;
      return sequence > from.sequence && !given.has(sequence) && (end !== undefined || sequence < last);
    });
    const mustTell = missing.filter(
      (known) => known.batch.header.sequence <= durable || this.#isProvable(known),
    );
    if (mustTell.length > 0 && problems.length === 0)
      faults.push(
        `batches ${mustTell.map(({ batch }) => batch.header.sequence)} are missing without a report`,
      );
    return faults;
  }
}

function sameRecord(a: ScannedRecord, b: ScannedRecord): boolean {
  const place = ({ header, key, segment, offset }: ScannedRecord) => ({ header, key, segment, offset });
  if (!isDeepStrictEqual(place(a), place(b))) return false;
  return !a.sound || isDeepStrictEqual(a.payload, b.payload);
}

/** Whether `call` gives `right` or fails with one of `codes`; else what it did. */
async function faultOf(
  call: () => Promise<unknown>,
  right: unknown,
  codes: readonly string[],
): Promise<string | undefined> {
  try {
    return isDeepStrictEqual(await call(), right) ? undefined : "another value";
  } catch (error) {
    if (error instanceof VarveError && codes.includes(error.code)) return undefined;
    return `${error instanceof VarveError ? error.code : "untyped"}: ${(error as Error).message}`;
  }
}

/** Both ways to read a value: decoded from a shared buffer, and as bytes. */
export async function readFaults(
  store: ArtifactStore,
  ref: string,
  right: unknown,
  bytes: Buffer,
): Promise<string[]> {
  const loaded = await faultOf(() => store.load(ref), right, ["CORRUPTION"]);
  const read = await faultOf(async () => Buffer.from(await (await store.get(ref)).bytes()), bytes, [
    "CORRUPTION",
  ]);
  return [loaded && `load: ${loaded}`, read && `bytes: ${read}`].filter(
    (fault) => fault !== undefined,
  ) as string[];
}
