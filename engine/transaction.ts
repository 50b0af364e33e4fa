import type { Families } from "./families.ts";
import type { Catalog } from "./index/catalog.ts";
import { asBuffer } from "./index/change.ts";
import type { Gap } from "./index/gap.ts";
import type { EnvironmentRange, FirstOf } from "./index/lmdb.ts";
import type { BlobRow, Row } from "./index/rows.ts";
import { checksum } from "./log/checksum.ts";
import type { RecordToWrite } from "./log/format.ts";
import { DIGEST_BYTES, FLAG_WEAK, RecordKind } from "./log/format.ts";
import type { GroupLayout } from "./log/layout.ts";
import type { LogReader } from "./log/reader.ts";

/** A payload made ready outside the lock: what takes time is done, only its place is open. */
export interface PreparedPayload {
  references: Buffer[];
  /** The references, then the content. */
  payload: Buffer;
  /** The salt that the checksum was made with; another segment's salt means making it again. */
  salt: bigint;
  checksum: bigint;
}

export interface PreparedBlob {
  /** SHA-256, 32 bytes. */
  digest: Buffer;
  bytes: Uint8Array;
  salt: bigint;
  checksum: bigint;
}

export interface PutOptions {
  tag?: number;
  /** References that do not keep their blobs alive. */
  weak?: boolean;
  /** The caller knows that there is no row under the key. */
  isNew?: boolean;
}

/** Blobs found already stored are read and checked up to this size before a save relies on them. */
export const CHECKED_BLOB_BYTES_MAX = 64 * 1024;
const NOTHING = new Uint8Array();

export function preparePayload(references: Buffer[], content: Uint8Array, salt: bigint): PreparedPayload {
  const payload = references.length === 0 ? asBuffer(content) : joined(references, content);
  return { references, payload, salt, checksum: checksum(payload, salt) };
}

function joined(references: readonly Buffer[], content: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(references.length * DIGEST_BYTES + content.length);
  for (let i = 0; i < references.length; i++) bytes.set(references[i]!, i * DIGEST_BYTES);
  bytes.set(content, references.length * DIGEST_BYTES);
  return bytes;
}

/**
 * One batch in the making after another, under the lock: reads see everything before it and what it did itself. Nothing it
 * does is visible elsewhere before the whole group commits.
 */
export class Transaction {
  readonly #catalog: Catalog;
  readonly #layout: GroupLayout;
  readonly #reader: LogReader;
  readonly #salt: bigint;
  readonly #families: Families;
  /** By the offset of their record: those of this group that no row keeps, which are not in the file yet. */
  readonly #contents = new Map<number, Buffer>();
  readonly #there = new Map<Uint8Array, boolean>();
  readonly #now: number;
  #sequence = 0;
  #time = 0;

  constructor(
    parts: { catalog: Catalog; layout: GroupLayout; reader: LogReader; salt: bigint; families: Families },
    now: number,
  ) {
    this.#catalog = parts.catalog;
    this.#layout = parts.layout;
    this.#reader = parts.reader;
    this.#salt = parts.salt;
    this.#families = parts.families;
    this.#now = now;
  }

  /** The next batch begins, behind those of the layout. */
  begin(time = this.#now): void {
    const { end } = this.#layout;
    this.#sequence = end.sequence + 1;
    this.#time = Math.max(time, end.time);
  }

  /** The sequence number that this batch gets if it writes anything. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Milliseconds since 1970; never before that of an earlier batch. */
  get time(): number {
    return this.#time;
  }

  /** The newest operation once this batch is committed: a batch that has written nothing takes no sequence number. */
  get newestSequence(): number {
    return this.#layout.hasRecords ? this.sequence : this.sequence - 1;
  }

  row(key: Uint8Array): Row | undefined {
    return this.#catalog.row(key);
  }

  /** Whether there is a row; of one that is asked for by every save it is looked up once a group. @param key always the same object */
  isThere(key: Uint8Array): boolean {
    let known = this.#there.get(key);
    if (known === undefined) {
      known = this.#catalog.has(key);
      this.#there.set(key, known);
    }
    return known;
  }

  /** The first row of a range. */
  first(range: FirstOf): { key: Buffer; row: Row } | undefined {
    return this.#catalog.first(range);
  }

  /**
   * The first row of a family, whose range is asked for only if it is not known.
   * @param oldest a key that is there whenever the family has any row and nothing of the log was lost: a plain look-up costs a fraction of a cursor
   */
  firstOf(family: string, range: () => FirstOf, oldest?: Uint8Array): { key: Buffer; row: Row } | undefined {
    const known = this.#families.get(family);
    if (known) return known;
    if (oldest && !this.#catalog.has(oldest) && !this.#catalog.gaps.all()) return undefined;
    const found = this.#catalog.first(range());
    if (found) this.#families.found(family, found);
    return found;
  }

  /** What is missing of the log. */
  gap(): Gap | undefined {
    return this.#catalog.gaps.all();
  }

  rows(range: EnvironmentRange): { key: Buffer; row: Row }[] {
    return this.#catalog.rows(range);
  }

  /** The content behind a row's references. */
  content(key: Uint8Array, row: Row): Buffer {
    if (row.inline) return row.inline;
    const pending = this.#isInThisGroup(row.place) && this.#contents.get(row.place.offset);
    if (pending) return pending;
    return this.#reader
      .readSync(row.place, RecordKind.put, key)
      .subarray(row.references.length * DIGEST_BYTES);
  }

  /** A blob of the log that nobody is about to drop. */
  blobRow(digest: Buffer): BlobRow | undefined {
    return this.#catalog.blob(digest);
  }

  /** How many rows need a blob, whether the log has it or not. */
  referencesTo(digest: Buffer): number {
    return this.#catalog.blobRows.known(digest)?.referenceCount ?? 0;
  }

  /** Writes a blob, unless it is there already and sound. */
  putBlob(blob: PreparedBlob): void {
    if (!this.#isStored(blob)) this.writeBlob(blob);
  }

  /** Writes a blob, whatever is there already. */
  writeBlob(blob: PreparedBlob): void {
    const { digest, bytes } = blob;
    const payloadChecksum = blob.salt === this.#salt ? blob.checksum : checksum(bytes, this.#salt);
    this.#write(
      {
        kind: RecordKind.blob,
        flags: 0,
        tag: 0,
        referenceCount: 0,
        key: digest,
        payload: bytes,
        payloadChecksum,
      },
      [],
    );
  }

  /** Gives the row as it is now. */
  put(key: Uint8Array, prepared: PreparedPayload, options: PutOptions = {}): Row {
    const { references, payload } = prepared;
    const { tag = 0, weak = false, isNew = false } = options;
    this.#there.delete(key);
    const payloadChecksum = prepared.salt === this.#salt ? prepared.checksum : checksum(payload, this.#salt);
    const flags = weak ? FLAG_WEAK : 0;
    const record = {
      kind: RecordKind.put,
      flags,
      tag,
      referenceCount: references.length,
      key,
      payload,
      payloadChecksum,
    };
    return this.#write(record, references, isNew)!;
  }

  delete(key: Uint8Array): void {
    const payloadChecksum = checksum(NOTHING, this.#salt);
    const record = {
      kind: RecordKind.delete,
      flags: 0,
      tag: 0,
      referenceCount: 0,
      key,
      payload: NOTHING,
      payloadChecksum,
    };
    this.#write(record, []);
  }

  #write(record: RecordToWrite, references: Buffer[], isNew = false): Row | undefined {
    const { kind, flags, tag, key } = record;
    const payload = asBuffer(record.payload);
    const segment = this.#layout.end.segment;
    const place = { segment, offset: this.#layout.addRecord(record), payloadLength: payload.length };
    const content =
      kind !== RecordKind.put || references.length === 0
        ? payload
        : payload.subarray(references.length * DIGEST_BYTES);
    const change = { kind, key, tag, weak: (flags & FLAG_WEAK) !== 0, references, place, content };
    const row = this.#catalog.apply(change, this.sequence, this.time, isNew);
    if (row && !row.inline) this.#contents.set(place.offset, content);
    if (kind !== RecordKind.blob) this.#families.wrote(key, row);
    return row;
  }

  /**
   * A damaged copy is as good as none: the bytes in hand are written again rather than lost. So is one that compaction is
   * about to drop, which the catalog doesn't give. Until that was decided, under the lock too, one that nothing needs is as
   * good as any: the reference that this batch puts saves it.
   */
  #isStored(blob: PreparedBlob): boolean {
    const known = this.#catalog.blob(blob.digest);
    if (!known || known.place.payloadLength !== blob.bytes.length) return false;
    if (this.#isInThisGroup(known.place) || blob.bytes.length > CHECKED_BLOB_BYTES_MAX) return true;
    try {
      const { place } = known;
      if (!this.#reader.readShared(place, RecordKind.blob, blob.digest))
        this.#reader.readSync(place, RecordKind.blob, blob.digest);
      return true;
    } catch {
      return false;
    }
  }

  /** Written by an earlier batch of this group, so not in the file yet. */
  #isInThisGroup(place: { segment: number; offset: number }): boolean {
    return place.segment === this.#layout.end.segment && place.offset >= this.#layout.start.offset;
  }
}
