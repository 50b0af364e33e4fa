import { RecordKind, readUint53, writeUint53 } from "../log/format.ts";
import type { LogPosition } from "../log/segment.ts";
import { LOG_START } from "../log/segment.ts";
import { indexAddresses } from "./address-space.ts";
import { BlobRows } from "./blob-rows.ts";
import type { Change } from "./change.ts";
import { asBuffer, rowOf } from "./change.ts";
import { fromIndexFailure } from "./damage.ts";
import { GapRow } from "./gap.ts";
import { lazyRowIn } from "./lazy-row.ts";
import type { EnvironmentRange, EnvironmentSize, EnvironmentSnapshot, FirstOf } from "./lmdb.ts";
import { Environment } from "./lmdb.ts";
import type { RawEntry } from "./raw-entry.ts";
import type { RawPut } from "./raw-put.ts";
import { RowChanges } from "./row-changes.ts";
import type { BlobRow, Row } from "./rows.ts";
import { blobKey, decodeApplied, decodeRow, encodeApplied, encodeRow, META_SPACE } from "./rows.ts";

export type { Change };

const APPLIED_KEY = Buffer.from([META_SPACE, 0x01]);
const STORE_KEY = Buffer.from([META_SPACE, 0x03]);
const PACKED_KEY = Buffer.from([META_SPACE, 0x04]);
const FIRST_KEY = Buffer.from([META_SPACE]);
const NO_DIGEST = new Uint8Array();
const NUMBER_BYTES = 8;

export type Closing = (close: () => Promise<void>) => Promise<void>;

/** One generation of the index: rows by key, blobs by digest, and how far of the log is in it. */
export class Catalog {
  /** What could not be read of the log. */
  readonly gaps: GapRow;
  readonly #environment: Environment;
  readonly #changes: RowChanges;
  /** Where blobs lie, and how many rows need each. */
  readonly blobRows: BlobRows;

  #holders = 1;
  #abandoned = false;
  readonly #closing: Closing;

  /** @param closing how it is closed by the last who has it: others may be opening it */
  constructor(path: string, closing: Closing = (close) => close()) {
    this.#environment = new Environment(path, fromIndexFailure, indexAddresses());
    this.gaps = new GapRow(this.#environment);
    this.blobRows = new BlobRows(this.#environment);
    this.#changes = new RowChanges(this.#environment, this.blobRows, (key) => this.row(key));
    this.#closing = closing;
  }

  /** Keeps the catalog open until `release`, also when it is replaced by another generation meanwhile. */
  retain(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    if (--this.#holders > 0 || this.#abandoned) return;
    await this.#closing(() => this.#environment.close());
  }

  /** Damage was met: LMDB is not asked to do anything with the file any more, closing it included. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** The row as of the current read transaction. */
  row(key: Uint8Array): Row | undefined {
    const entry = this.#environment.look(key);
    return entry && this.#decoded(entry.value, entry.valueLength);
  }

  /** Where the blob of a row came behind it, as after lost batches, its place is that of now. */
  #decoded(bytes: Uint8Array, length?: number): Row {
    const row = decodeRow(bytes, length);
    if (!row.blob && row.references.length > 0) row.blob = this.blob(row.references[0]!)?.place;
    return row;
  }

  has(key: Uint8Array): boolean {
    return this.#environment.look(key) !== undefined;
  }

  rowAt(key: Uint8Array, snapshot: EnvironmentSnapshot): Row | undefined {
    const bytes = this.#environment.get(key, snapshot);
    return bytes && this.#decoded(bytes);
  }

  blob(digest: Buffer): BlobRow | undefined {
    return this.blobRows.get(digest);
  }

  /** All at once. @param into has those before one that can't be read, if that makes it fail */
  rows(range: EnvironmentRange, into: { key: Buffer; row: Row }[] = []): { key: Buffer; row: Row }[] {
    this.#environment.visit(range, (entry) => {
      into.push({ key: entry.key(), row: this.#decoded(entry.value, entry.valueLength) });
    });
    return into;
  }

  /** Entries as they lie in the index; see `raw-rows.ts`. */
  visit(range: EnvironmentRange, visit: (entry: RawEntry) => void): Buffer | undefined {
    return this.#environment.visit(range, visit);
  }

  /** The row in an entry, which is overwritten by this where the row refers to what the index had not then. */
  rowIn(entry: RawEntry): Row {
    return lazyRowIn(entry) ?? this.#decoded(entry.value, entry.valueLength);
  }

  first(range: FirstOf): { key: Buffer; row: Row } | undefined {
    const entry = this.#environment.first(range);
    return entry && { key: entry.key(), row: this.#decoded(entry.value, entry.valueLength) };
  }

  /** All blobs by digest, or those whose digest is not before `from`. */
  blobs(from: Uint8Array = NO_DIGEST): Generator<{ digest: Buffer; row: BlobRow }> {
    return this.blobRows.all(from);
  }

  snapshot(): EnvironmentSnapshot {
    return this.#environment.snapshot();
  }

  refresh(): void {
    this.#environment.refresh();
  }

  /** Puts what the index says of itself, position and gaps, into another one. */
  putOwnInto(other: Catalog): void {
    for (const { key, value } of this.#environment.entries({ start: FIRST_KEY, end: blobKey(NO_DIGEST) }))
      other.transact(() => other.#environment.put(key, value));
  }

  /** A copy of the newest state, in a folder that exists; on another thread. */
  copyTo(folder: string): Promise<void> {
    return this.#environment.copyTo(folder);
  }

  clearDeadReaders(): void {
    this.#environment.clearDeadReaders();
  }

  /** Bytes of the file, of what of it holds rows, and of one page, and how many rows there are. */
  size(): EnvironmentSize {
    return this.#environment.size();
  }

  /** How many rows there were when they were packed; 0 where they never were. */
  packedEntries(): number {
    const bytes = this.#environment.get(PACKED_KEY);
    return bytes?.length === NUMBER_BYTES ? readUint53(bytes, 0) : 0;
  }

  /** As they are now, the rows are packed. */
  notePacked(): void {
    const bytes = Buffer.alloc(NUMBER_BYTES);
    writeUint53(bytes, this.size().entries, 0);
    this.transact(() => this.#environment.put(PACKED_KEY, bytes));
  }

  /** How far of the log is in the index; undefined when it is of another version of these rows. */
  applied(): LogPosition | undefined {
    const bytes = this.#environment.get(APPLIED_KEY);
    return bytes ? decodeApplied(bytes) : LOG_START;
  }

  appliedAt(snapshot: EnvironmentSnapshot): LogPosition {
    const bytes = this.#environment.get(APPLIED_KEY, snapshot);
    return (bytes && decodeApplied(bytes)) ?? LOG_START;
  }

  /** Runs `action`, whose writes become visible together; a throw takes them back. */
  transact<T>(action: () => T): T {
    return this.#environment.transactSync(() => {
      this.gaps.begin();
      this.blobRows.begin();
      try {
        const result = action();
        this.blobRows.put();
        return result;
      } finally {
        this.blobRows.end();
        this.gaps.forget();
      }
    });
  }

  /** Which store's log the index was made from. */
  storeId(): string | undefined {
    return this.#environment.get(STORE_KEY)?.toString("latin1");
  }

  /**
   * For a new index, before all else. In two transactions: in an LMDB file that has no list of free pages yet, as before
   * the second one, a transaction that frees many ends the process.
   */
  begin(storeId: string): void {
    for (let i = 0; i < 2; i++)
      this.transact(() => this.#environment.put(STORE_KEY, Buffer.from(storeId, "latin1")));
  }

  /** Within `transact`: the position up to which the log is in the index after it. */
  setApplied(position: LogPosition): void {
    this.#environment.put(APPLIED_KEY, encodeApplied(position));
  }

  /** Within `transact`, by who makes a whole index: a row as bytes. False when its key is not behind all others. */
  append(key: Uint8Array, value: Buffer): boolean {
    return this.#environment.append(key, value);
  }

  /** As `append`, for rows that stand in `bytes` as entries. Undefined where there is no such way. */
  rawPut(bytes: Buffer): RawPut | undefined {
    return this.#environment.rawPut(bytes);
  }

  /** Within `transact`, by who counts references himself: puts a row as bytes, and uncounts the one that was there. */
  putCounted(key: Uint8Array, value: Buffer): void {
    // Most are new: those need no look-up.
    if (this.#environment.putNew(key, value)) return;
    const old = this.row(key);
    if (old) this.uncount(old);
    this.#environment.put(key, value);
  }

  /** Within `transact`: as `putCounted`, for a key that was deleted. */
  removeCounted(key: Uint8Array): void {
    const old = this.row(key);
    if (!old) return;
    this.uncount(old);
    this.#environment.remove(key);
  }

  /** Within `transact`, by who makes a whole index or counts references himself: a row that was counted is not there any more. */
  uncount({ weak, references }: Row): void {
    for (const digest of weak ? [] : references) this.blobRows.addReferences(digest, -1);
  }

  /** Within `transact`: the record of a row was moved; nothing else of it is another. */
  movedRow(key: Uint8Array, row: Row): void {
    this.#environment.put(key, encodeRow(row));
  }

  /** Removes all rows, for who makes a whole index and has to begin again. */
  clear(): void {
    const storeId = this.storeId();
    this.#environment.clear();
    if (storeId !== undefined) this.begin(storeId);
  }

  /** Within `transact`: begins to note what `undo` takes back. */
  mark(): void {
    this.#changes.mark();
  }

  unmark(): void {
    this.#changes.unmark();
  }

  /** Takes back everything since `mark`. */
  undo(): void {
    this.#changes.undo();
  }

  /**
   * Within `transact`: what the next record of the log means to the index. Gives the row that it put.
   * @param isNew the caller knows that there is no row under the key
   */
  apply(change: Change, sequence: number, time: number, isNew = false): Row | undefined {
    if (change.kind === RecordKind.blob) {
      this.blobRows.place(asBuffer(change.key), change.place);
      return undefined;
    }
    if (change.kind === RecordKind.delete) {
      const old = this.row(change.key);
      if (old) this.#changes.remove(change.key);
      this.#count(old, change);
      return undefined;
    }
    const first = change.references[0];
    const row = rowOf(change, sequence, time, first && this.blob(first)?.place);
    const old = isNew ? this.#changes.put(change.key, row) : this.#changes.replace(change.key, row);
    this.#count(old, change);
    return row;
  }

  #count(old: Row | undefined, change: Change): void {
    const gained = change.kind === RecordKind.put && !change.weak ? change.references : [];
    for (const digest of gained) this.blobRows.addReferences(digest, 1);
    for (const digest of old && !old.weak ? old.references : []) this.blobRows.addReferences(digest, -1);
  }
}
