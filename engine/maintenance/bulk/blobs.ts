import { BLOB_SPACE } from "../../index/rows.ts";
import { DIGEST_BYTES, readUint32, writeUint32 } from "../../log/format.ts";
import type { RecordPlace } from "../../log/reader.ts";
import { ENTRY_HEAD_BYTES } from "./sort.ts";

/** What a part of the log says of a blob, as an entry of a fixed size. Numbers are doubles: these bytes live for a rebuild. */

const FLAG_PLACED = 1;
const FLAG_REFERENCED_FIRST = 2;
const KEY_BYTES = 1 + DIGEST_BYTES;
const DIGEST_AT = ENTRY_HEAD_BYTES + 1;
const VALUE_AT = ENTRY_HEAD_BYTES + KEY_BYTES;
const COUNT_AT = VALUE_AT + 24;
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

/** To look one up is a wait for memory: so many are waited for at once. */
const LOOKED_UP_AT_ONCE = 16;

/** Entries of blobs by digest: a hash table with open addressing, filled to less than half. */
export class BlobTable {
  readonly buffer: Buffer;
  /** Of `buffer`. */
  readonly view: DataView;
  readonly #capacity: number;
  /** In the lower bits of each the number of an entry, plus one, in the others bits of its digest: few others are looked at. */
  readonly #slots: Int32Array;
  readonly #numberMask: number;
  #count = 0;
  /** The last entries, of blobs that were not looked up yet: there may be others of the same digests. */
  #fresh = 0;
  /** The entry that was found last. */
  #last = 0;
  /** Of what was read of the table ahead: without that nothing would be. */
  protected sum = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.buffer = Buffer.allocUnsafeSlow(capacity * BLOB_ENTRY_BYTES);
    this.view = new DataView(this.buffer.buffer);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(capacity * 2)));
    this.#numberMask = 2 ** Math.ceil(Math.log2(capacity + 1)) - 1;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** How many more there is room for, at least. */
  get room(): number {
    return this.#capacity - this.#count;
  }

  /** Offsets of all entries, in no order. */
  entries(): Uint32Array {
    this.#lookUpFresh();
    const entries = new Uint32Array(this.#count);
    for (let i = 0; i < entries.length; i++) entries[i] = i * BLOB_ENTRY_BYTES;
    return entries;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#count = 0;
    this.#fresh = 0;
    this.#last = 0;
  }

  /** A copy of the blob whose digest stands at `at` in `bytes`. */
  place(bytes: Uint8Array, at: number, segment: number, offset: number, payloadLength: number): void {
    if (!this.#isLast(bytes, at)) {
      // Nearly always it is a new one, and what comes next is what refers to it.
      if (this.#fresh === LOOKED_UP_AT_ONCE) this.#lookUpFresh();
      this.#last = this.#add(bytes, at, 0);
      this.#fresh++;
    }
    this.#placeAt(this.#last, segment, offset, payloadLength);
  }

  #placeAt(entry: number, segment: number, offset: number, payloadLength: number): void {
    const value = entry + VALUE_AT;
    this.buffer[entry + 2]! |= FLAG_PLACED;
    this.view.setFloat64(value, segment, true);
    this.view.setFloat64(value + 8, offset, true);
    this.view.setFloat64(value + 16, payloadLength, true);
  }

  /** Something refers to the blob, which changes the count by `by`. Gives its entry, valid until the next call. */
  refer(bytes: Uint8Array, at: number, by: number): number {
    if (!this.#isLast(bytes, at)) {
      this.#lookUpFresh();
      this.#last = this.#look(bytes, at);
    }
    this.#countReferences(this.#last, by);
    return this.#last;
  }

  placeOf(entry: number): RecordPlace | undefined {
    if ((this.buffer[entry + 2]! & FLAG_PLACED) === 0) return undefined;
    return placeAt(this.view, entry + VALUE_AT);
  }

  #isLast(bytes: Uint8Array, at: number): boolean {
    return this.#count > 0 && this.#isOf(this.#last, bytes, at);
  }

  #look(bytes: Uint8Array, at: number): number {
    const slot = this.#slotOf(bytes, at);
    if (this.#slots[slot] !== 0) return this.#entryIn(slot);
    const entry = this.#add(bytes, at, FLAG_REFERENCED_FIRST);
    this.#fillSlot(slot, entry);
    return entry;
  }

  /** That of the entry with this digest; where there is none, the empty one for it. */
  #slotOf(bytes: Uint8Array, at: number): number {
    const mask = this.#slots.length - 1;
    const bits = readUint32(bytes, at + 4);
    for (let slot = readUint32(bytes, at) & mask; ; slot = (slot + 1) & mask) {
      const known = this.#slots[slot]!;
      if (known === 0) return slot;
      if (((known ^ bits) & ~this.#numberMask) === 0 && this.#isOf(this.#entryIn(slot), bytes, at))
        return slot;
    }
  }

  #entryIn(slot: number): number {
    return ((this.#slots[slot]! & this.#numberMask) - 1) * BLOB_ENTRY_BYTES;
  }

  #fillSlot(slot: number, entry: number): void {
    const bits = readUint32(this.buffer, entry + DIGEST_AT + 4) & ~this.#numberMask;
    this.#slots[slot] = bits | (entry / BLOB_ENTRY_BYTES + 1);
  }

  #lookUpFresh(): void {
    const from = this.#count - this.#fresh;
    const end = this.#count;
    const mask = this.#slots.length - 1;
    let sum = 0;
    for (let i = from; i < end; i++)
      sum += this.#slots[readUint32(this.buffer, i * BLOB_ENTRY_BYTES + DIGEST_AT) & mask]!;
    this.sum = sum;
    this.#count = from;
    this.#fresh = 0;
    for (let i = from; i < end; i++) this.#takeIn(i * BLOB_ENTRY_BYTES);
    // It may have gone into another one.
    if (this.#count < end) this.#last = 0;
  }

  /** A fresh entry comes behind those that were looked up, or what it says goes into that of its digest. */
  #takeIn(fresh: number): void {
    const { buffer, view } = this;
    const slot = this.#slotOf(buffer, fresh + DIGEST_AT);
    if (this.#slots[slot] === 0) {
      const entry = this.#count++ * BLOB_ENTRY_BYTES;
      if (entry < fresh) buffer.copyWithin(entry, fresh, fresh + BLOB_ENTRY_BYTES);
      this.#fillSlot(slot, entry);
      return;
    }
    const entry = this.#entryIn(slot);
    const { place, count } = readBlobPart(view, fresh);
    this.#placeAt(entry, place!.segment, place!.offset, place!.payloadLength);
    this.#countReferences(entry, count);
  }

  #countReferences(entry: number, by: number): void {
    const count = entry + COUNT_AT;
    if (by !== 0) this.view.setFloat64(count, this.view.getFloat64(count, true) + by, true);
  }

  #isOf(entry: number, bytes: Uint8Array, at: number): boolean {
    const { buffer } = this;
    const known = entry + DIGEST_AT;
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
    const digest = entry + DIGEST_AT;
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
    count: view.getFloat64(entry + COUNT_AT, true),
  };
}

function placeAt(view: DataView, at: number): RecordPlace {
  return {
    segment: view.getFloat64(at, true),
    offset: view.getFloat64(at + 8, true),
    payloadLength: view.getFloat64(at + 16, true),
  };
}
