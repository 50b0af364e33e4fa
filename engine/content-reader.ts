import { samePlace } from "./index/change.ts";
import { indexDamage } from "./index/damage.ts";
import type { Row } from "./index/rows.ts";
import type { IndexView } from "./index-view.ts";
import { DIGEST_BYTES, RecordKind } from "./log/format.ts";
import type { LogReader } from "./log/reader.ts";
import { isRetired } from "./log/reader.ts";

/** How often what is gone from one place is looked for in the next: records are moved seldom. */
export const MOVES_MAX = 3;

/** The contents of rows, from where they lie now. */
export class ContentReader {
  readonly #reader: LogReader;
  readonly #view: IndexView;

  constructor(reader: LogReader, view: IndexView) {
    this.#reader = reader;
    this.#view = view;
  }

  /** What stands behind the references of a row. */
  of(key: Uint8Array, row: Row): Buffer | Promise<Buffer> {
    return row.inline ?? this.#read(key, row, 0);
  }

  #read(key: Uint8Array, row: Row, moves: number): Buffer | Promise<Buffer> {
    try {
      const payload = this.#reader.read(row.place, RecordKind.put, key);
      if (!(payload instanceof Promise)) return contentIn(payload, row);
      return payload.then(
        (bytes) => contentIn(bytes, row),
        (error) => this.#moved(key, row, error, moves),
      );
    } catch (error) {
      return this.#moved(key, row, error, moves);
    }
  }

  /**
   * The record was moved, and this process stopped for so long that its old place was not kept. In the new one it is the
   * same, unless the key was written since: then whoever asked has to begin again.
   */
  async #moved(key: Uint8Array, row: Row, error: unknown, moves: number): Promise<Buffer> {
    if (!isRetired(error) || moves === MOVES_MAX) throw error;
    const now = await this.#view.newestRow(key);
    if (now?.sequence !== row.sequence || now.time !== row.time) throw error;
    if (samePlace(now.place, row.place)) throw namesRetired(error);
    return this.#read(key, now, moves + 1);
  }
}

/** The newest state of the index names a file that was replaced long ago: it was made before that. */
export function namesRetired(error: unknown): unknown {
  return indexDamage("the index names a place in the log from before it was compacted", error);
}

const contentIn = (payload: Buffer, { references }: Row): Buffer =>
  payload.subarray(references.length * DIGEST_BYTES);
