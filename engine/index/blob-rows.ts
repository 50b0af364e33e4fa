import { DIGEST_BYTES } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import { samePlace } from "./change.ts";
import type { Environment, EnvironmentSnapshot } from "./lmdb.ts";
import { PendingBlobs } from "./pending-blobs.ts";
import type { BlobRow } from "./rows.ts";
import { BLOB_SPACE, blobKey, decodeBlobRow, encodeBlobRow, isPlaced, NOWHERE } from "./rows.ts";

const NO_DIGEST = new Uint8Array();

/**
 * The rows of blobs: where each lies, and how many rows need it. The count does not depend on the order of the log: what
 * refers to a blob that is not there is counted too, in a row that has no place and that nobody is shown.
 */
export class BlobRows {
  readonly #environment: Environment;
  /** Of whatever blob is asked for or written next. */
  readonly #key = Buffer.alloc(1 + DIGEST_BYTES, BLOB_SPACE);
  #pending: PendingBlobs | undefined;
  /** What takes the changes back, while somebody wants that noted. */
  undo: (() => void)[] | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** A transaction begins. */
  begin(): void {
    this.#pending = new PendingBlobs((digest) => this.#stored(digest));
  }

  /** Puts what the transaction has changed. */
  put(): void {
    const key = this.#key;
    for (const { name, row } of this.#pending!.changed()) {
      key.write(name, 1, "latin1");
      if (!row) this.#environment.remove(key);
      else this.#environment.put(key, encodeBlobRow(row.place, row.referenceCount, row.condemned));
    }
  }

  end(): void {
    this.#pending = undefined;
  }

  /** Undefined also for a blob that is about to be dropped: nobody may go back to it. */
  get(digest: Buffer): BlobRow | undefined {
    const row = this.known(digest);
    return row && isPlaced(row) && !row.condemned ? row : undefined;
  }

  /** As `get`, those that are about to be dropped and those that the log lacks included. */
  known(digest: Buffer): BlobRow | undefined {
    return this.#pending ? this.#pending.get(digest).row : this.#stored(digest);
  }

  /** How many rows needed it in a snapshot, whether the log had it or not. */
  referencesAt(digest: Buffer, snapshot: EnvironmentSnapshot): number {
    const bytes = this.#environment.get(blobKey(digest), snapshot);
    return bytes ? decodeBlobRow(bytes).referenceCount : 0;
  }

  /** As it was in a snapshot, those that were about to be dropped included: who reads in it is waited for. */
  at(digest: Buffer, snapshot: EnvironmentSnapshot): BlobRow | undefined {
    const bytes = this.#environment.get(blobKey(digest), snapshot);
    const row = bytes && decodeBlobRow(bytes);
    return row && isPlaced(row) ? row : undefined;
  }

  /** All that lie somewhere by digest, or those whose digest is not before `from`. */
  *all(from: Uint8Array = NO_DIGEST): Generator<{ digest: Buffer; row: BlobRow }> {
    const range = { start: blobKey(from), end: Buffer.from([BLOB_SPACE + 1]) };
    for (const { key, value } of this.#environment.entries(range)) {
      const row = decodeBlobRow(value);
      if (isPlaced(row)) yield { digest: key.subarray(1), row };
    }
  }

  // Within a transaction

  /** A second copy of a blob is written when the first was found damaged, or given up: the newer one counts. */
  place(digest: Buffer, place: RecordPlace): void {
    const known = this.known(digest);
    if (known && samePlace(known.place, place)) return;
    this.set(digest, { place, referenceCount: known?.referenceCount ?? 0 });
  }

  /** What a part of the log says of a blob, all at once: its last copy there, and by how much its count has changed. */
  merge(digest: Buffer, place: RecordPlace | undefined, count: number): void {
    // Most are new: those need no look-up.
    const isNew = count >= 0 && (place !== undefined || count > 0) && !this.#pending!.has(digest);
    if (isNew && this.#environment.putNew(blobKey(digest), encodeBlobRow(place ?? NOWHERE, count))) return;
    if (place) this.place(digest, place);
    if (count !== 0) this.addReferences(digest, count);
  }

  addReferences(digest: Buffer, by: number): void {
    const known = this.known(digest) ?? { place: NOWHERE, referenceCount: 0 };
    const referenceCount = Math.max(0, known.referenceCount + by);
    if (referenceCount > 0) this.set(digest, { place: known.place, referenceCount });
    else this.set(digest, isPlaced(known) ? { ...known, referenceCount } : undefined);
  }

  /** A blob whose save was undone keeps no row: what it had written is not in the log either. */
  set(digest: Buffer, row: BlobRow | undefined): void {
    const pending = this.#pending!.get(digest);
    const { row: before, changed } = pending;
    this.undo?.push(() => Object.assign(pending, { row: before, changed }));
    pending.row = row;
    pending.changed = true;
  }

  #stored(digest: Buffer): BlobRow | undefined {
    this.#key.set(digest, 1);
    const entry = this.#environment.look(this.#key);
    return entry && decodeBlobRow(entry.value, entry.valueLength);
  }
}
