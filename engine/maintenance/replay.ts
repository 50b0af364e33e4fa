import type { Catalog } from "../index/catalog.ts";
import type { Change } from "../index/change.ts";
import { DIGEST_BYTES, FLAG_WEAK } from "../log/format.ts";
import type { LogReader } from "../log/reader.ts";
import type { LogProblem, ScanEnd, ScannedBatch, ScannedRecord } from "../log/scan.ts";
import { scanLog } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { applyRun } from "./bulk/apply.ts";
import type { RunSize } from "./bulk/run.ts";
import { Run, runSizeFor } from "./bulk/run.ts";
import { gapOf } from "./gap.ts";

/**
 * Records in one transaction of the index. Blobs lie anywhere in it: the more come together, the fewer times a page is
 * copied for them. Each may cost a page of memory, so this bounds it to some 256 MiB; a small index has not so many pages.
 */
const RECORDS_PER_TRANSACTION = 65_536;
const RECORDS_OF_SMALL_INDEX = 4 * RECORDS_PER_TRANSACTION;
const SMALL_INDEX_BYTES = 192 * 1024 * 1024;
/** Room for most of so many. */
const RUN_SIZE: RunSize = { rowBytes: 32 * 1024 * 1024, blobs: RECORDS_OF_SMALL_INDEX };

export interface Replay extends ScanEnd {
  problems: LogProblem[];
  batches: number;
}

export interface ReplayOptions {
  /** What is known to have been durable, from elsewhere than the log. */
  durableSequence?: number;
  /** Where the log is known to end, though there be more bytes. */
  until?: LogPosition;
  /** Of what is kept in memory. */
  runSize?: RunSize;
}

/** Brings the index up to the end of the log, from the position that is in it already. */
export function replay(
  reader: LogReader,
  numbers: readonly number[],
  catalog: Catalog,
  from: LogPosition,
  options: ReplayOptions = {},
): Replay {
  const catchingUp = new CatchingUp(reader, numbers, catalog, from, options);
  while (!catchingUp.ended) catalog.transact(() => catchingUp.goOn());
  return catchingUp.result;
}

/** Puts the log into the index run by run: each is sorted first, so that rows of the same page are put together. */
class CatchingUp {
  readonly result: Replay;
  ended = false;
  readonly #reader: LogReader;
  readonly #numbers: readonly number[];
  readonly #catalog: Catalog;
  readonly #scan: ReturnType<typeof scanLog>;
  readonly #run: Run;

  constructor(
    reader: LogReader,
    numbers: readonly number[],
    catalog: Catalog,
    from: LogPosition,
    { durableSequence, until, runSize }: ReplayOptions,
  ) {
    this.#reader = reader;
    this.#numbers = numbers;
    this.#catalog = catalog;
    this.#scan = scanLog(reader, numbers, from, durableSequence, until, "views");
    this.#run = new Run(runSize ?? runSizeFor(reader, numbers, from, RUN_SIZE));
    this.result = { position: from, torn: false, problems: [], batches: 0 };
  }

  /** Within a transaction. */
  goOn(): void {
    let most = RECORDS_PER_TRANSACTION;
    for (let records = 0; !this.ended; ) {
      if (records >= most) {
        if (most === RECORDS_OF_SMALL_INDEX || !this.#isSmall()) break;
        most = RECORDS_OF_SMALL_INDEX;
      }
      const next = this.#scan.next();
      if (next.done) {
        Object.assign(this.result, next.value);
        this.ended = true;
      } else if ("problem" in next.value) {
        this.#note(next.value.problem);
      } else {
        this.#addBatch(next.value.batch);
        records += next.value.batch.records.length;
      }
    }
    this.#apply();
    this.#catalog.setApplied(this.result.position);
  }

  #isSmall(): boolean {
    return this.#catalog.size().usedBytes < SMALL_INDEX_BYTES;
  }

  #note(problem: LogProblem): void {
    this.result.problems.push(problem);
    const gap = gapOf(this.#reader, this.#numbers, problem, this.result.position);
    if (gap) this.#catalog.gaps.note(gap);
  }

  #addBatch({ header, records, end }: ScannedBatch): void {
    for (const record of records) {
      if (!record.sound) this.result.problems.push(damagedPayload(record));
      if (this.#run.add(record, header.sequence, header.time)) continue;
      this.#apply();
      this.#run.add(record, header.sequence, header.time);
    }
    this.result.position = end;
    this.result.batches++;
  }

  #apply(): void {
    if (this.#run.isEmpty) return;
    applyRun(this.#run, this.#catalog);
    this.#run.clear();
  }
}

/** Within a transaction: what a batch means to the index, record by record. */
export function applyBatch(catalog: Catalog, batch: ScannedBatch, problems: LogProblem[]): void {
  for (const record of batch.records) {
    if (!record.sound) problems.push(damagedPayload(record));
    // A damaged record keeps its row: what it stood for must fail to load, not give way to what was before it.
    catalog.apply(changeOf(record), batch.header.sequence, batch.header.time);
  }
}

export function damagedPayload(record: ScannedRecord): LogProblem {
  const { segment, offset } = record;
  return {
    kind: "record",
    segment,
    offset,
    message: `damaged payload of the record at offset ${offset} of segment ${segment}`,
  };
}

type ReadRecord = Pick<
  ScannedRecord,
  | "kind"
  | "flags"
  | "tag"
  | "referenceCount"
  | "key"
  | "segment"
  | "offset"
  | "payloadLength"
  | "payload"
  | "sound"
>;

/** What a record means to the index. */
export function changeOf(record: ReadRecord): Change {
  const { kind, flags, tag, key, segment, offset, payloadLength } = record;
  // What the payload of a damaged record says is not believed; its key and tag have a checksum of their own.
  const payload = record.sound ? record.payload : undefined;
  return {
    kind,
    key,
    tag,
    weak: (flags & FLAG_WEAK) !== 0,
    references: payload ? splitReferences(payload, record.referenceCount) : [],
    place: { segment, offset, payloadLength },
    content: payload?.subarray(record.referenceCount * DIGEST_BYTES),
  };
}

/** The digests at the start of a payload. */
function splitReferences(payload: Buffer, count: number): Buffer[] {
  const digests: Buffer[] = [];
  for (let at = 0; at < count * DIGEST_BYTES; at += DIGEST_BYTES)
    digests.push(payload.subarray(at, at + DIGEST_BYTES));
  return digests;
}
