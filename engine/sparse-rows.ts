import type { EnvironmentRange } from "./index/lmdb.ts";
import type { Row } from "./index/rows.ts";
import type { RecordPlace } from "./log/reader.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/**
 * Rows of a snapshot for who asks for many small ranges that are mostly empty, as those of aliases are: where one range
 * was found empty, it looks how far nothing follows, and answers for all of that without a look into the index.
 */
export class SparseRows {
  readonly snapshot: EngineSnapshot;
  readonly #end: Uint8Array;
  /** Nothing lies from the first key up to, not including, the second. */
  #gap: [Uint8Array, Uint8Array] | undefined;

  /** @param end behind all ranges that will be asked for */
  constructor(snapshot: EngineSnapshot, end: Uint8Array) {
    this.snapshot = snapshot;
    this.#end = end;
  }

  row(key: Uint8Array): Row | undefined {
    return this.snapshot.row(key);
  }

  placeOfBlob(digest: Buffer): RecordPlace | undefined {
    return this.snapshot.placeOfBlob(digest);
  }

  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    const end = range.end ?? this.#end;
    if (this.#gap && Buffer.compare(this.#gap[0], range.start) <= 0 && Buffer.compare(end, this.#gap[1]) <= 0)
      return [];
    const found = this.snapshot.rows(range);
    if (found.length === 0) {
      const [next] = this.snapshot.rows({ start: end, end: this.#end, limit: 1 });
      this.#gap = [range.start, next?.key ?? this.#end];
    }
    return found;
  }
}
