import type { Catalog } from "./index/catalog.ts";
import type { EnvironmentRange, EnvironmentSnapshot } from "./index/lmdb.ts";
import type { Row } from "./index/rows.ts";

/** Rows read from the index at a time. */
const PAGE_ROWS = 128;

/** All rows as they were at one sequence. An open one keeps the index from reusing pages, so it must be closed soon. */
export class EngineSnapshot {
  readonly openedAt = performance.now();
  readonly #catalog: Catalog;
  readonly #snapshot: EnvironmentSnapshot;
  #open = true;

  constructor(catalog: Catalog) {
    this.#catalog = catalog;
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

  row(key: Uint8Array): Row | undefined {
    return this.#catalog.rowAt(key, this.#snapshot);
  }

  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    return [...this.#catalog.rows({ ...range, snapshot: this.#snapshot })];
  }

  /** The rows of a range, read page by page. */
  *pages(range: EnvironmentRange): Generator<{ key: Buffer; row: Row }[]> {
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    let next = range;
    while (left > 0) {
      const page = this.rows({ ...next, limit: Math.min(PAGE_ROWS, left) });
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
    void this.#catalog.release();
  }
}
