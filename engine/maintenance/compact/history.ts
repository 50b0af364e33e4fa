import type { Catalog } from "../../index/catalog.ts";
import type { Row } from "../../index/rows.ts";
import { RecordKind, recordBytes } from "../../log/format.ts";
import type { LogReader } from "../../log/reader.ts";
import type { LogProblem, ScannedRecord } from "../../log/scan.ts";
import type { Pace } from "../pace.ts";
import { damagedPayload } from "../replay.ts";
import type { SegmentSpace } from "./choose.ts";
import { withCatalog } from "./pages.ts";
import type { CompactParts } from "./parts.ts";
import { DamagedSource, SourceScan } from "./source.ts";

/** Of more keys that were changed or deleted since, the history is kept. */
const KEYS_MAX = 1_000_000;

/**
 * Which records tell only of the time before an operation: puts that were followed there by another state of their key, and
 * deletes of what is not in the log any more.
 */
export class History {
  /** The operation up to which history is forgotten. */
  readonly before: number;
  /** What keeps history from being forgotten. */
  readonly problems: LogProblem[] = [];
  /** By key: the last record up to that operation, where the index does not tell. */
  readonly #last = new Map<string, Place>();
  /** A segment that keeps what it has: deletes behind it are needed. */
  #keeping = Number.POSITIVE_INFINITY;

  /** @param forgotten keys that are taken for deleted then, though they were later */
  constructor(before: number, forgotten: readonly Uint8Array[]) {
    this.before = before;
    const then = { sequence: before + 1, segment: 0, offset: 0 };
    for (const key of forgotten) this.#last.set(Buffer.from(key).toString("latin1"), then);
  }

  /** The log is read a first time: what makes a record void stands behind it. */
  note(record: ScannedRecord, sequence: number, catalog: Catalog): void {
    if (record.kind === RecordKind.blob || sequence > this.before) return;
    if (record.kind === RecordKind.put && this.#isLastKnown(catalog.row(record.key))) return;
    const key = record.key.toString("latin1");
    const { segment, offset } = record;
    const known = this.#last.get(key);
    if (known ? known.sequence <= sequence : this.#last.size < KEYS_MAX)
      this.#last.set(key, { sequence, segment, offset });
  }

  /** Whether the index itself says what the last state of a key was then. */
  #isLastKnown(row: Row | undefined): row is Row {
    return row !== undefined && row.sequence <= this.before;
  }

  /** A segment can't be rewritten. */
  keep(id: number): void {
    this.#keeping = Math.min(this.#keeping, id);
  }

  /** Whether a record can go, once all before it went that can. */
  forgets(record: ScannedRecord, sequence: number, catalog: Catalog): boolean {
    if (sequence > this.before || record.kind === RecordKind.blob) return false;
    const { segment, offset, key } = record;
    const place = { sequence, segment, offset };
    const last = this.#last.get(key.toString("latin1"));
    const order = last ? compare(last, place) : Number.NaN;
    // A delete goes when everything before it goes, and so does it where something later makes it void too.
    if (record.kind === RecordKind.delete) return segment <= this.#keeping && order >= 0;
    if (order > 0) return true;
    const row = catalog.row(key);
    return this.#isLastKnown(row) && compare({ sequence: row.sequence, ...row.place }, place) > 0;
  }
}

interface Place {
  sequence: number;
  segment: number;
  offset: number;
}

/** In the order of the log. Of the same batch only records in the same file can be told apart. */
function compare(a: Place, b: Place): number {
  if (a.sequence !== b.sequence) return a.sequence - b.sequence;
  return a.segment === b.segment ? a.offset - b.offset : Number.NaN;
}

/** Finds what of the history nobody needs, and adds it to the spaces of the segments that it lies in. */
export async function findHistory(
  parts: CompactParts,
  reader: LogReader,
  ids: readonly number[],
  spaces: ReadonlyMap<number, SegmentSpace>,
  { before, forgotten }: { before: number; forgotten: readonly Uint8Array[] },
  pace: Pace,
): Promise<History> {
  const history = new History(before, forgotten);
  const isDone = (sequence: number) => sequence > before;
  await withCatalog(parts, async (catalog) => {
    const note = (record: ScannedRecord, sequence: number) => history.note(record, sequence, catalog);
    await eachRecord(reader, ids, pace, isDone, note, () => {});
    const count = (record: ScannedRecord, sequence: number) => {
      const space = spaces.get(record.segment);
      if (!space || !history.forgets(record, sequence, catalog)) return;
      space.historyRecords++;
      space.historyBytes += recordBytes(record.keyLength, record.payloadLength);
    };
    await eachRecord(reader, ids, pace, isDone, count, (id, problem) => {
      history.keep(id);
      history.problems.push(problem);
      const space = spaces.get(id);
      // It can't be rewritten.
      if (space) Object.assign(space, { historyRecords: 0, historyBytes: 0 });
    });
  });
  return history;
}

/** Segment by segment, so that one that is damaged does not hide the others. */
async function eachRecord(
  reader: LogReader,
  ids: readonly number[],
  pace: Pace,
  isDone: (sequence: number) => boolean,
  visit: (record: ScannedRecord, sequence: number) => void,
  damaged: (id: number, problem: LogProblem) => void,
): Promise<void> {
  for (const [i, id] of ids.entries()) {
    let scan: SourceScan | undefined;
    try {
      scan = new SourceScan(reader, ids.slice(i), id, pace);
      for (let batch = await scan.next(); batch; batch = await scan.next()) {
        if (isDone(batch.header.sequence)) return;
        for (const record of batch.records) {
          if (pace.isDue()) await pace.turn();
          if (!record.sound) throw new DamagedSource(damagedPayload(record));
          visit(record, batch.header.sequence);
        }
      }
    } catch (error) {
      if (!(error instanceof DamagedSource)) throw error;
      damaged(id, error.problem);
    } finally {
      scan?.close();
    }
  }
}
