import { VarveError } from "../../errors.ts";
import type { Catalog } from "../../index/catalog.ts";
import type { Row } from "../../index/rows.ts";
import { APPLICATION_SPACE } from "../../index/rows.ts";
import { RecordKind } from "../../log/format.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import { isRetired } from "../../log/reader.ts";
import type { Pace } from "../pace.ts";
import type { CoreProblem, CoreReport } from "./report.ts";

interface CheckedParts {
  reader: LogReader;
  catalog: Catalog;
}

const PAGE_ROWS = 256;
const FIRST_KEY = Buffer.from([APPLICATION_SPACE]);
const END_KEY = Buffer.from([0xff]);
/** Blobs that many rows share, such as code, are read once for so many others. */
const SEEN_BLOBS_MAX = 65_536;

/**
 * Every row of the index must be readable: its own record, and the blobs that it refers to.
 * @returns the last key that was looked at when time was over; undefined at the end
 */
export async function checkIndex(
  parts: CheckedParts,
  pace: Pace,
  report: CoreReport,
  after: Buffer | undefined,
): Promise<Buffer | undefined> {
  const check = new IndexCheck(parts, report);
  const total = pace.isFollowed ? await countRows(parts.catalog, pace, report, after) : 0;
  report.progress = { phase: "index", done: 0, total, unit: "records" };
  let start = after ? behind(after) : FIRST_KEY;
  for (;;) {
    // A page at a time: an iterator must not be open across turns of the event loop.
    const page = pageOfRows(parts.catalog, start, report);
    for (const { key, row } of page) {
      await check.row(key, row);
      report.progress.done++;
      if (!pace.isOver() && !pace.isDue()) continue;
      report.progress = { ...report.progress };
      pace.tell(report.progress);
      if (pace.isOver()) return key;
      await pace.turn();
    }
    if (page.length < PAGE_ROWS) {
      pace.tell({ ...report.progress });
      return undefined;
    }
    start = behind(page.at(-1)!.key);
  }
}

async function countRows(
  catalog: Catalog,
  pace: Pace,
  report: CoreReport,
  after: Buffer | undefined,
): Promise<number> {
  let count = 0;
  for (let start = after ? behind(after) : FIRST_KEY; ; ) {
    const known = report.problems.length;
    const page = pageOfRows(catalog, start, report);
    // What can't be read is told when it is its turn.
    report.problems.length = known;
    count += page.length;
    if (page.length < PAGE_ROWS) return count;
    start = behind(page.at(-1)!.key);
    if (pace.isDue()) await pace.turn();
  }
}

class IndexCheck {
  readonly #parts: CheckedParts;
  readonly #report: CoreReport;
  readonly #seen = new Map<string, CoreProblem | undefined>();

  constructor(parts: CheckedParts, report: CoreReport) {
    this.#parts = parts;
    this.#report = report;
  }

  async row(key: Buffer, row: Row): Promise<void> {
    const record = await readProblem(this.#parts.reader, row.place, RecordKind.put, key);
    if (record) this.#report.problems.push({ ...record, key });
    for (const digest of row.references) {
      // Compaction takes what only deleted versions refer to.
      if (row.weak && !this.#isKnown(digest)) continue;
      const problem = await this.#blobProblem(digest);
      if (problem) this.#report.problems.push({ ...problem, key });
    }
  }

  #isKnown(digest: Buffer): boolean {
    try {
      return this.#parts.catalog.blob(digest) !== undefined;
    } catch {
      // It is there, and damaged.
      return true;
    }
  }

  async #blobProblem(digest: Buffer): Promise<CoreProblem | undefined> {
    const name = digest.toString("latin1");
    if (this.#seen.has(name)) return this.#seen.get(name);
    const problem = await this.#readBlob(digest);
    if (this.#seen.size >= SEEN_BLOBS_MAX) this.#seen.clear();
    this.#seen.set(name, problem && { ...problem, digest });
    return this.#seen.get(name);
  }

  async #readBlob(digest: Buffer): Promise<CoreProblem | undefined> {
    const { reader, catalog } = this.#parts;
    try {
      const blob = catalog.blob(digest);
      if (blob) return await readProblem(reader, blob.place, RecordKind.blob, digest);
    } catch (error) {
      return { kind: "index", message: (error as Error).message };
    }
    return { kind: "index", message: `the index lacks the blob sha256:${digest.toString("hex")}` };
  }
}

/** The rows from `start`; fewer than a page at the end, or before one that can't be read. */
function pageOfRows(catalog: Catalog, start: Buffer, report: CoreReport) {
  const page: { key: Buffer; row: Row }[] = [];
  try {
    catalog.rows({ start, end: END_KEY, limit: PAGE_ROWS }, page);
  } catch (error) {
    report.problems.push({ kind: "index", message: (error as Error).message });
  }
  return page;
}

function behind(key: Buffer): Buffer {
  return Buffer.concat([key, Buffer.from([0])]);
}

/** Why a record can't be read, where it can't. */
export async function readProblem(
  reader: LogReader,
  place: RecordPlace,
  kind: RecordKind,
  key: Uint8Array,
): Promise<CoreProblem | undefined> {
  try {
    const read = reader.read(place, kind, key);
    if (read instanceof Promise) await read;
    return undefined;
  } catch (error) {
    return problemOf(error, place);
  }
}

function problemOf(error: unknown, { segment, offset }: RecordPlace): CoreProblem {
  if (!(error instanceof VarveError) || isRetired(error)) throw error;
  return { kind: "record", segment, offset, message: error.message };
}
