import { BLOB_SPACE } from "../../index/rows.ts";
import { DIGEST_BYTES, readUint32, writeUint32 } from "../../log/format.ts";
import type { RecordPlace } from "../../log/reader.ts";
import { ENTRY_HEAD_BYTES } from "./sort.ts";

/** What a part of the log says of a blob, as an entry of a fixed size. Numbers are doubles: these bytes live for a rebuild. */

const FLAG_PLACED = 1;
const FLAG_REFERENCED_FIRST = 2;
const KEY_BYTES = 1 + DIGEST_BYTES;
const VALUE_AT = ENTRY_HEAD_BYTES + KEY_BYTES;
const VALUE_BYTES = 4 * 8;
export const BLOB_ENTRY_BYTES = VALUE_AT + VALUE_BYTES;

export interface BlobPart {
  /** The last copy in this part of the log. */
  place: RecordPlace | undefined;
  /** Something referred to the blob before this part of the log had a copy of it. */
  isReferencedFirst: boolean;
  /** References gained less those lost; those gained earlier may be lost here. */
  count: number;
}

/** Entries of blobs by digest: a hash table with open addressing, filled to less than half. */
export class BlobTable {
  readonly buffer: Buffer;
  /** Of `buffer`. */
  readonly view: DataView;
  readonly #capacity: number;
  readonly #slots: Int32Array;
  #count = 0;
  /** The entry that was found last. */
  #last = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.buffer = Buffer.allocUnsafeSlow(capacity * BLOB_ENTRY_BYTES);
    this.view = new DataView(this.buffer.buffer);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(capacity * 2)));
  }

  get count(): number {
    return this.#count;
  }

  /** How many more there is room for. */
  get room(): number {
    return this.#capacity - this.#count;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#count = 0;
    this.#last = 0;
  }

  /** A copy of the blob whose digest stands at `at` in `bytes`. */
  place(bytes: Uint8Array, at: number, segment: number, offset: number, payloadLength: number): void {
    const entry = this.#find(bytes, at, 0);
    const value = entry + VALUE_AT;
    this.buffer[entry + 2]! |= FLAG_PLACED;
    this.view.setFloat64(value, segment, true);
    this.view.setFloat64(value + 8, offset, true);
    this.view.setFloat64(value + 16, payloadLength, true);
  }

  /** Something refers to the blob, which changes the count by `by`. Gives its entry. */
  refer(bytes: Uint8Array, at: number, by: number): number {
    const entry = this.#find(bytes, at, FLAG_REFERENCED_FIRST);
    const count = entry + VALUE_AT + 24;
    if (by !== 0) this.view.setFloat64(count, this.view.getFloat64(count, true) + by, true);
    return entry;
  }

  placeOf(entry: number): RecordPlace | undefined {
    if ((this.buffer[entry + 2]! & FLAG_PLACED) === 0) return undefined;
    return placeAt(this.view, entry + VALUE_AT);
  }

  /** @param flags of the entry, if it is a new one */
  #find(bytes: Uint8Array, at: number, flags: number): number {
    // A blob is mostly followed by what refers to it.
    if (this.#count > 0 && this.#isOf(this.#last, bytes, at)) return this.#last;
    this.#last = this.#look(bytes, at, flags);
    return this.#last;
  }

  #look(bytes: Uint8Array, at: number, flags: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = readUint32(bytes, at) & mask; ; slot = (slot + 1) & mask) {
      const known = this.#slots[slot]!;
      if (known === 0) {
        this.#slots[slot] = this.#count + 1;
        return this.#add(bytes, at, flags);
      }
      const entry = (known - 1) * BLOB_ENTRY_BYTES;
      if (this.#isOf(entry, bytes, at)) return entry;
    }
  }

  #isOf(entry: number, bytes: Uint8Array, at: number): boolean {
    const { buffer } = this;
    const known = entry + ENTRY_HEAD_BYTES + 1;
    for (let i = 0; i < DIGEST_BYTES; i++) if (buffer[known + i] !== bytes[at + i]) return false;
    return true;
  }

  #add(bytes: Uint8Array, at: number, flags: number): number {
    const { buffer } = this;
    const entry = this.#count++ * BLOB_ENTRY_BYTES;
    buffer[entry] = KEY_BYTES;
    buffer[entry + 1] = 0;
    buffer[entry + 2] = flags;
    buffer[entry + 3] = 0;
    writeUint32(buffer, VALUE_BYTES, entry + 4);
    buffer[entry + ENTRY_HEAD_BYTES] = BLOB_SPACE;
    const digest = entry + ENTRY_HEAD_BYTES + 1;
    for (let i = 0; i < DIGEST_BYTES; i++) buffer[digest + i] = bytes[at + i]!;
    for (let at = entry + VALUE_AT; at < entry + BLOB_ENTRY_BYTES; at += 8) this.view.setFloat64(at, 0, true);
    return entry;
  }
}

/** Whether the log has the blob, and nothing referred to it before. */
export function isPlainBlob(bytes: Uint8Array, entry: number): boolean {
  return bytes[entry + 2] === FLAG_PLACED;
}

/** @param view of the bytes that the entry is in */
export function readBlobPart(view: DataView, entry: number): BlobPart {
  const flags = view.getUint8(entry + 2);
  const value = entry + VALUE_AT;
  return {
    place: (flags & FLAG_PLACED) === 0 ? undefined : placeAt(view, value),
    isReferencedFirst: (flags & FLAG_REFERENCED_FIRST) !== 0,
    count: view.getFloat64(value + 24, true),
  };
}

function placeAt(view: DataView, at: number): RecordPlace {
  return {
    segment: view.getFloat64(at, true),
    offset: view.getFloat64(at + 8, true),
    payloadLength: view.getFloat64(at + 16, true),
  };
}
