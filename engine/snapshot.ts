import type { Catalog } from "./index/catalog.ts";
import type { EnvironmentRange, EnvironmentSnapshot } from "./index/lmdb.ts";
import type { RawEntry } from "./index/raw-entry.ts";
import type { BlobRow, Row } from "./index/rows.ts";
import type { RecordPlace } from "./log/reader.ts";

/** Rows read from the index at a time. */
const PAGE_ROWS = 128;

/** All rows as they were at one sequence. An open one keeps the index from reusing pages, so it must be closed soon. */
export class EngineSnapshot {
  readonly openedAt = performance.now();
  readonly #catalog: Catalog;
  readonly #snapshot: EnvironmentSnapshot;
  readonly #release: () => void;
  #open = true;

  /** @param release of what keeps the records of the log in their places meanwhile */
  constructor(catalog: Catalog, release: () => void) {
    this.#catalog = catalog;
    this.#release = release;
    this.#catalog.retain();
    this.#snapshot = catalog.snapshot();
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** The newest operation that the snapshot has. */
  get sequence(): number {
    return this.#catalog.appliedAt(this.#snapshot).sequence;
  }

  /** When that was, in milliseconds since 1970. */
  get time(): number {
    return this.#catalog.appliedAt(this.#snapshot).time;
  }

  row(key: Uint8Array): Row | undefined {
    return this.#catalog.rowAt(key, this.#snapshot);
  }

  /** Where a blob lay, as long as it is sure to lie there still. */
  placeOfBlob(digest: Buffer): RecordPlace | undefined {
    return this.#open ? this.blobRow(digest)?.place : undefined;
  }

  /** How many rows needed a blob, whether the log had it or not. */
  referencesTo(digest: Buffer): number {
    return this.#catalog.blobRows.referencesAt(digest, this.#snapshot);
  }

  /** A blob that the log had. */
  blobRow(digest: Buffer): BlobRow | undefined {
    return this.#catalog.blobRows.at(digest, this.#snapshot);
  }

  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    return this.#catalog.rows({ ...range, snapshot: this.#snapshot });
  }

  /** Rows as they lie in the index, all at once: see `raw-walk.ts`. Gives the last key where the limit ended it. */
  visit(range: EnvironmentRange, visit: (entry: RawEntry) => void): Buffer | undefined {
    return this.#catalog.visit({ ...range, snapshot: this.#snapshot }, visit);
  }

  /** See `Catalog.rowIn`. */
  rowIn(entry: RawEntry): Row {
    return this.#catalog.rowIn(entry);
  }

  /** The rows of a range, read page by page. */
  *pages(range: EnvironmentRange, rowsPerPage = PAGE_ROWS): Generator<{ key: Buffer; row: Row }[]> {
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    let next = range;
    while (left > 0) {
      const page = this.rows({ ...next, limit: Math.min(rowsPerPage, left) });
      if (page.length === 0) return;
      yield page;
      left -= page.length;
      next = { ...range, start: page.at(-1)!.key, exclusiveStart: true };
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#snapshot.done();
    this.#release();
    void this.#catalog.release();
  }
}
