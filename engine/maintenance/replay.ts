import type { Catalog } from "../index/catalog.ts";
import type { Change } from "../index/change.ts";
import { DIGEST_BYTES, FLAG_WEAK } from "../log/format.ts";
import type { LogReader } from "../log/reader.ts";
import type { LogProblem, ScanEnd, ScannedBatch, ScannedRecord } from "../log/scan.ts";
import { scanLog } from "../log/scan.ts";
import type { LogPosition } from "../log/segment.ts";
import { gapOf } from "./gap.ts";

/**
 * Records in one transaction of the index. Blobs lie anywhere in it: the more come together, the fewer times a page is
 * copied for them. Each may cost a page of memory, so this bounds it to some 256 MiB.
 */
const RECORDS_PER_TRANSACTION = 65_536;

export interface Replay extends ScanEnd {
  problems: LogProblem[];
  batches: number;
}

export interface ReplayOptions {
  /** What is known to have been durable, from elsewhere than the log. */
  durableSequence?: number;
  /** Where the log is known to end, though there be more bytes. */
  until?: LogPosition;
}

interface ScannedLog {
  reader: LogReader;
  numbers: readonly number[];
  scan: ReturnType<typeof scanLog>;
}

/** Brings the index up to the end of the log, from the position that is in it already. */
export function replay(
  reader: LogReader,
  numbers: readonly number[],
  catalog: Catalog,
  from: LogPosition,
  options: ReplayOptions = {},
): Replay {
  const scan = scanLog(reader, numbers, from, options.durableSequence, options.until, "views");
  const result: Replay = { position: from, torn: false, problems: [], batches: 0 };
  let ended = false;
  while (!ended) {
    catalog.transact(() => {
      ended = applySome({ reader, numbers, scan }, catalog, result);
      catalog.setApplied(result.position);
    });
  }
  return result;
}

function applySome({ reader, numbers, scan }: ScannedLog, catalog: Catalog, result: Replay): boolean {
  for (let records = 0; records < RECORDS_PER_TRANSACTION; ) {
    const next = scan.next();
    if (next.done) {
      Object.assign(result, next.value);
      return true;
    }
    if ("problem" in next.value) {
      result.problems.push(next.value.problem);
      const gap = gapOf(reader, numbers, next.value.problem, result.position);
      if (gap) catalog.gaps.note(gap);
      continue;
    }
    const { batch } = next.value;
    records += batch.records.length;
    applyBatch(catalog, batch, result.problems);
    result.position = batch.end;
    result.batches++;
  }
  return false;
}

function applyBatch(catalog: Catalog, batch: ScannedBatch, problems: LogProblem[]): void {
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
