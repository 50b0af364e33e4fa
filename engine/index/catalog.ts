import { RecordKind } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import type { LogPosition } from "../log/segment.ts";
import { LOG_START } from "../log/segment.ts";
import type { EnvironmentRange, EnvironmentSnapshot } from "./lmdb.ts";
import { Environment } from "./lmdb.ts";
import type { BlobRow, Row } from "./rows.ts";
import {
  BLOB_SPACE,
  decodeApplied,
  decodeBlobRow,
  decodeRow,
  encodeApplied,
  encodeBlobRow,
  encodeRow,
  META_SPACE,
} from "./rows.ts";

const APPLIED_KEY = Buffer.from([META_SPACE, 0x01]);

/** Payloads up to this size are kept in the row too, so that reading them needs no look into the log. */
export const INLINE_BYTES_MAX = 256;

export function blobKey(digest: Uint8Array): Buffer {
  const key = Buffer.allocUnsafe(1 + digest.length);
  key[0] = BLOB_SPACE;
  key.set(digest, 1);
  return key;
}

/** What one record puts into the index. */
export interface Change {
  kind: RecordKind;
  key: Uint8Array;
  tag: number;
  weak: boolean;
  references: Buffer[];
  place: RecordPlace;
  /** The payload behind the references. */
  content: Buffer | undefined;
}

interface Undo {
  key: Uint8Array;
  before: Buffer | undefined;
}

/** One generation of the index: rows by key, blobs by digest, and how far of the log is in it. */
export class Catalog {
  readonly #environment: Environment;
  #undo: Undo[] | undefined;

  #holders = 1;

  constructor(path: string) {
    this.#environment = new Environment(path);
  }

  /** Keeps the catalog open until `release`, also when it is replaced by another generation meanwhile. */
  retain(): void {
    this.#holders++;
  }

  async release(): Promise<void> {
    if (--this.#holders === 0) await this.#environment.close();
  }

  /** The row as of the current read transaction. */
  row(key: Uint8Array): Row | undefined {
    const bytes = this.#environment.getFast(key);
    return bytes && decodeRow(bytes);
  }

  rowAt(key: Uint8Array, snapshot: EnvironmentSnapshot): Row | undefined {
    const bytes = this.#environment.get(key, snapshot);
    return bytes && decodeRow(bytes);
  }

  blob(digest: Uint8Array): BlobRow | undefined {
    const bytes = this.#environment.getFast(blobKey(digest));
    return bytes && decodeBlobRow(bytes);
  }

  *rows(range: EnvironmentRange): Generator<{ key: Buffer; row: Row }> {
    for (const { key, value } of this.#environment.entries(range)) yield { key, row: decodeRow(value) };
  }

  first(range: EnvironmentRange): { key: Buffer; row: Row } | undefined {
    for (const { key, value } of this.#environment.entries({ ...range, limit: 1 }))
      return { key, row: decodeRow(value) };
    return undefined;
  }

  *blobs(): Generator<{ digest: Buffer; row: BlobRow }> {
    const range = { start: Buffer.from([BLOB_SPACE]), end: Buffer.from([BLOB_SPACE + 1]) };
    for (const { key, value } of this.#environment.entries(range)) {
      yield { digest: key.subarray(1), row: decodeBlobRow(value) };
    }
  }

  snapshot(): EnvironmentSnapshot {
    return this.#environment.snapshot();
  }

  refresh(): void {
    this.#environment.refresh();
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
    return this.#environment.transactSync(action);
  }

  /** Within `transact`: the position up to which the log is in the index after it. */
  setApplied(position: LogPosition): void {
    this.#environment.put(APPLIED_KEY, encodeApplied(position));
  }

  /** Within `transact`: begins to note what `undo` takes back. */
  mark(): void {
    this.#undo = [];
  }

  unmark(): void {
    this.#undo = undefined;
  }

  /** Takes back everything since `mark`. */
  undo(): void {
    const undo = this.#undo ?? [];
    this.#undo = undefined;
    for (const { key, before } of undo.reverse()) {
      if (before) this.#environment.put(key, before);
      else this.#environment.remove(key);
    }
  }

  /** Within `transact`: what the next record of the log means to the index. Gives the row that it put. */
  apply(change: Change, sequence: number, time: number): Row | undefined {
    if (change.kind === RecordKind.blob) {
      this.#applyBlob(change);
      return undefined;
    }
    const old = this.row(change.key);
    const row = change.kind === RecordKind.put ? this.#rowOf(change, sequence, time) : undefined;
    if (row) this.#put(change.key, encodeRow(row));
    else if (old) this.#remove(change.key);
    this.#count(old, change);
    return row;
  }

  #rowOf(change: Change, sequence: number, time: number): Row {
    const { tag, weak, references, place, content } = change;
    const blob = references[0] && this.blob(references[0])?.place;
    const inline = content && content.length <= INLINE_BYTES_MAX ? content : undefined;
    return { sequence, time, tag, weak, references, place, blob, inline };
  }

  #applyBlob(change: Change): void {
    const known = this.blob(change.key);
    if (known && samePlace(known.place, change.place)) return;
    // A second copy of a blob is written when the first was found damaged: the newer one counts.
    const referenceCount = known?.referenceCount ?? 0;
    this.#put(blobKey(change.key), encodeBlobRow({ place: change.place, referenceCount }));
  }

  #count(old: Row | undefined, change: Change): void {
    const gained = change.kind === RecordKind.put && !change.weak ? change.references : [];
    for (const digest of gained) this.#addReferences(digest, 1);
    for (const digest of old && !old.weak ? old.references : []) this.#addReferences(digest, -1);
  }

  #addReferences(digest: Buffer, by: number): void {
    const row = this.blob(digest);
    if (!row) return;
    this.#put(blobKey(digest), encodeBlobRow({ ...row, referenceCount: row.referenceCount + by }));
  }

  #put(key: Uint8Array, value: Buffer): void {
    this.#undo?.push({ key, before: this.#environment.get(key) });
    this.#environment.put(key, value);
  }

  #remove(key: Uint8Array): void {
    this.#undo?.push({ key, before: this.#environment.get(key) });
    this.#environment.remove(key);
  }
}

function samePlace(a: RecordPlace, b: RecordPlace): boolean {
  return a.segment === b.segment && a.offset === b.offset;
}
