import { BLOB_SPACE } from "../../index/rows.ts";
import { DIGEST_BYTES } from "../../log/format.ts";
import type { RecordPlace } from "../../log/reader.ts";
import { ENTRY_HEAD_BYTES } from "./sort.ts";
import { areSameWords, copyBytes, viewOf } from "./words.ts";

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
    this.view = viewOf(this.buffer);
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

  /** A copy of the blob whose digest stands at `at` in `from`. */
  place(from: DataView, at: number, segment: number, offset: number, payloadLength: number): void {
    if (!this.#isLast(from, at)) {
      // Nearly always it is a new one, and what comes next is what refers to it.
      if (this.#fresh === LOOKED_UP_AT_ONCE) this.#lookUpFresh();
      this.#last = this.#add(from, at, 0);
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
  refer(from: DataView, at: number, by: number): number {
    if (!this.#isLast(from, at)) {
      this.#lookUpFresh();
      this.#last = this.#look(from, at);
    }
    this.#countReferences(this.#last, by);
    return this.#last;
  }

  placeOf(entry: number): RecordPlace | undefined {
    if ((this.buffer[entry + 2]! & FLAG_PLACED) === 0) return undefined;
    return placeAt(this.view, entry + VALUE_AT);
  }

  #isLast(from: DataView, at: number): boolean {
    return this.#count > 0 && this.#isOf(this.#last, from, at);
  }

  #look(from: DataView, at: number): number {
    const slot = this.#slotOf(from, at);
    if (this.#slots[slot] !== 0) return this.#entryIn(slot);
    const entry = this.#add(from, at, FLAG_REFERENCED_FIRST);
    this.#fillSlot(slot, entry);
    return entry;
  }

  /** That of the entry with this digest; where there is none, the empty one for it. */
  #slotOf(from: DataView, at: number): number {
    const mask = this.#slots.length - 1;
    const bits = from.getUint32(at + 4, true);
    for (let slot = from.getUint32(at, true) & mask; ; slot = (slot + 1) & mask) {
      const known = this.#slots[slot]!;
      if (known === 0) return slot;
      if (((known ^ bits) & ~this.#numberMask) === 0 && this.#isOf(this.#entryIn(slot), from, at))
        return slot;
    }
  }

  #entryIn(slot: number): number {
    return ((this.#slots[slot]! & this.#numberMask) - 1) * BLOB_ENTRY_BYTES;
  }

  #fillSlot(slot: number, entry: number): void {
    const bits = this.view.getUint32(entry + DIGEST_AT + 4, true) & ~this.#numberMask;
    this.#slots[slot] = bits | (entry / BLOB_ENTRY_BYTES + 1);
  }

  #lookUpFresh(): void {
    const from = this.#count - this.#fresh;
    const end = this.#count;
    const mask = this.#slots.length - 1;
    let sum = 0;
    for (let i = from; i < end; i++)
      sum += this.#slots[this.view.getUint32(i * BLOB_ENTRY_BYTES + DIGEST_AT, true) & mask]!;
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
    const slot = this.#slotOf(view, fresh + DIGEST_AT);
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

  #isOf(entry: number, from: DataView, at: number): boolean {
    return areSameWords(this.view, entry + DIGEST_AT, from, at, DIGEST_BYTES);
  }

  #add(from: DataView, at: number, flags: number): number {
    const { view } = this;
    const entry = this.#count++ * BLOB_ENTRY_BYTES;
    view.setUint32(entry, KEY_BYTES + flags * 0x1_0000, true);
    view.setUint32(entry + 4, VALUE_BYTES, true);
    view.setUint8(entry + ENTRY_HEAD_BYTES, BLOB_SPACE);
    copyBytes(from, at, view, entry + DIGEST_AT, DIGEST_BYTES);
    for (let at = entry + VALUE_AT; at < entry + BLOB_ENTRY_BYTES; at += 8) view.setFloat64(at, 0, true);
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
