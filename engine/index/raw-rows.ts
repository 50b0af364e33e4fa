import { DIGEST_BYTES } from "../log/format.ts";
import type { RawEntry } from "./raw-entry.ts";
import { BlobHead, isWeakIn, RowHead, referenceCountIn, tagIn } from "./row-bytes.ts";
import type { BlobRow, Row } from "./rows.ts";
import { BLOB_SPACE, checkSeal, decodeBlobRow, decodeRow } from "./rows.ts";

/** Rows as they lie in the index, for who goes over millions of them and wants a few fields of each: nothing is copied. */

/** The rows of all blobs. */
export const BLOBS_RANGE = { start: Buffer.from([BLOB_SPACE]), end: Buffer.from([BLOB_SPACE + 1]) };

/** A row, valid until the next one is visited. */
abstract class Raw {
  protected entry!: RawEntry;
  /** What has no fixed place in it was read. */
  protected isRead = false;

  at(entry: RawEntry): this {
    checkSeal(entry.value, entry.valueLength);
    return this.unchecked(entry);
  }

  /** Without a look at its checksum, which takes as long as all else: for who reads it again before something is done. */
  unchecked(entry: RawEntry): this {
    this.entry = entry;
    this.isRead = false;
    return this;
  }
}

/** What an application put under a key. */
export class RawRow extends Raw {
  readonly #head = new RowHead();

  get keyBytes(): Uint8Array {
    return this.entry.keyBytes;
  }

  get keyStart(): number {
    return this.entry.keyStart;
  }

  get keyEnd(): number {
    return this.entry.keyEnd;
  }

  /** A copy. */
  key(): Buffer {
    return this.entry.key();
  }

  /** A copy. */
  decoded(): Row {
    const { value, valueLength } = this.entry;
    return decodeRow(Buffer.from(value.buffer, value.byteOffset, valueLength));
  }

  /** Whether the key is `start` and so many bytes more. */
  keyBeginsWith(start: Uint8Array, more: number): boolean {
    const { keyBytes, keyStart, keyEnd } = this.entry;
    if (keyEnd - keyStart !== start.length + more) return false;
    for (let i = 0; i < start.length; i++) if (keyBytes[keyStart + i] !== start[i]) return false;
    return true;
  }

  get weak(): boolean {
    return isWeakIn(this.entry.value);
  }

  get tag(): number {
    return tagIn(this.entry.value);
  }

  get referenceCount(): number {
    return referenceCountIn(this.entry.value);
  }

  get sequence(): number {
    return this.#fields().sequence;
  }

  /** Milliseconds since 1970. */
  get time(): number {
    return this.#fields().time;
  }

  /** Bytes of the record's payload: references and content. */
  get payloadLength(): number {
    return this.#fields().payloadLength;
  }

  /** Bytes of the first referenced blob; 0 where it was not known when the row was written. */
  get blobLength(): number {
    const { hasBlob, blobLength } = this.#fields();
    return hasBlob ? blobLength : 0;
  }

  /** The segment that the record lies in. */
  get segment(): number {
    return this.#fields().segment;
  }

  /** The segment that the first referenced blob was in; undefined where it was not known when the row was written. */
  get blobSegment(): number | undefined {
    const { hasBlob, blobSegment } = this.#fields();
    return hasBlob ? blobSegment : undefined;
  }

  get valueBytes(): Uint8Array {
    return this.entry.value;
  }

  /** Where in `valueBytes` the digests of the references stand, one behind the other. */
  get referencesStart(): number {
    return this.#fields().referencesStart;
  }

  #fields(): RowHead {
    if (!this.isRead) {
      this.#head.read(this.entry.value, this.entry.valueLength);
      this.isRead = true;
    }
    return this.#head;
  }
}

/** A blob and how many rows need it. */
export class RawBlobRow extends Raw {
  readonly #head = new BlobHead();

  /** Where its digest stands. */
  get digestBytes(): Uint8Array {
    return this.entry.keyBytes;
  }

  get digestStart(): number {
    return this.entry.keyEnd - DIGEST_BYTES;
  }

  /** Whether the log has it: a row without a place only counts who refers to it. */
  get isPlaced(): boolean {
    return this.segment !== 0;
  }

  get segment(): number {
    return this.#fields().segment;
  }

  get length(): number {
    return this.#fields().payloadLength;
  }

  get isCondemned(): boolean {
    return this.#fields().condemned;
  }

  /** A copy. */
  digest(): Buffer {
    return this.entry.key().subarray(-DIGEST_BYTES);
  }

  /** A copy. */
  decoded(): BlobRow {
    const { value, valueLength } = this.entry;
    return decodeBlobRow(Buffer.from(value.buffer, value.byteOffset, valueLength));
  }

  get referenceCount(): number {
    return this.#fields().referenceCount;
  }

  #fields(): BlobHead {
    if (!this.isRead) {
      this.#head.read(this.entry.value);
      this.isRead = true;
    }
    return this.#head;
  }
}
