import type { BlobRows } from "./blob-rows.ts";
import type { Environment } from "./lmdb.ts";
import { encodeRow, type Row } from "./rows.ts";

/** What a transaction does to rows by key, and how that is taken back. */
export class RowChanges {
  readonly #environment: Environment;
  readonly #blobRows: BlobRows;
  readonly #rowOf: (key: Uint8Array) => Row | undefined;
  /** What takes the changes since `mark` back, the last one first. */
  #undo: (() => void)[] | undefined;
  /** What was put last was not there before, so what is put next may not be either. */
  #expectsNew = true;

  constructor(environment: Environment, blobRows: BlobRows, rowOf: (key: Uint8Array) => Row | undefined) {
    this.#environment = environment;
    this.#blobRows = blobRows;
    this.#rowOf = rowOf;
  }

  /** Begins to note what `undo` takes back. */
  mark(): void {
    this.#undo = [];
    this.#blobRows.undo = this.#undo;
  }

  unmark(): void {
    this.#undo = undefined;
    this.#blobRows.undo = undefined;
  }

  /** Takes back everything since `mark`. */
  undo(): void {
    const undo = this.#undo ?? [];
    this.unmark();
    for (const takeBack of undo.reverse()) takeBack();
  }

  /**
   * Puts a row and gives the one that was there. To find that there is none takes a look-up, which a put that must not
   * overwrite spares: so that is tried for as long as it succeeds.
   */
  replace(key: Uint8Array, row: Row): Row | undefined {
    if (this.#expectsNew && this.#environment.putNew(key, encodeRow(row))) {
      this.#undo?.push(() => this.#environment.remove(key));
      return undefined;
    }
    const old = this.#rowOf(key);
    this.#expectsNew = old === undefined;
    this.put(key, row);
    return old;
  }

  /** Puts a row, whatever is there. */
  put(key: Uint8Array, row: Row): undefined {
    this.#noteUndo(key);
    this.#environment.put(key, encodeRow(row));
  }

  remove(key: Uint8Array): void {
    this.#noteUndo(key);
    this.#environment.remove(key);
  }

  #noteUndo(key: Uint8Array): void {
    if (!this.#undo) return;
    const before = this.#environment.get(key);
    this.#undo.push(() => (before ? this.#environment.put(key, before) : this.#environment.remove(key)));
  }
}
