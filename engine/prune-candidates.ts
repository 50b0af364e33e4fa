import { CandidateBlobs, LONE, NO_BLOB } from "./candidate-blobs.ts";
import type { RowsAndBlobs } from "./index/rows.ts";
import type { Release } from "./large/release.ts";
import { type ChunkedValue, LettingGo } from "./letting-go.ts";
import { DIGEST_BYTES } from "./log/format.ts";
import { sortedByKey } from "./radix-sort.ts";

/** What becomes of a version that the cheap conditions let go. */
export const Fate = { goes: 0, protected: 1, stays: 2 } as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

const CAPACITY_MIN = 1024;
const GROWTH = 2;
/** Sequence numbers that are further apart are sorted another way. */
const KEY_MAX = 0xffff_ffff;

/** A row of numbers for each field, which stay in one piece of memory each, whatever garbage is collected around them. */
class Columns {
  nameNumbers = new Uint32Array(CAPACITY_MIN);
  versions = new Uint32Array(CAPACITY_MIN);
  sequences = new Float64Array(CAPACITY_MIN);
  times = new Float64Array(CAPACITY_MIN);
  records = new Uint32Array(CAPACITY_MIN);
  fates = new Uint8Array(CAPACITY_MIN);
  /** The numbers of the blobs that the value and, where that is one, the code are. */
  values = new Uint32Array(CAPACITY_MIN);
  codes = new Uint32Array(CAPACITY_MIN);
  /** Bytes of the value's blob, as the row says; 0 where it does not. */
  lengths = new Float64Array(CAPACITY_MIN);

  get capacity(): number {
    return this.fates.length;
  }

  grow(): void {
    this.nameNumbers = words(this.nameNumbers);
    this.versions = words(this.versions);
    this.sequences = doubles(this.sequences);
    this.times = doubles(this.times);
    this.records = words(this.records);
    const fates = new Uint8Array(this.capacity * GROWTH);
    fates.set(this.fates);
    this.fates = fates;
    this.values = words(this.values);
    this.codes = words(this.codes);
    this.lengths = doubles(this.lengths);
  }
}

function words(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const grown = new Uint32Array(column.length * GROWTH);
  grown.set(column);
  return grown;
}

function doubles(column: Float64Array): Float64Array<ArrayBuffer> {
  const grown = new Float64Array(column.length * GROWTH);
  grown.set(column);
  return grown;
}

/**
 * Versions that may go, in the order of their keys, as columns: some 100 bytes each with the blobs that they need, and
 * what the index says of those.
 */
export class Candidates {
  /** Each with the colon that stands behind it in a ref. */
  readonly #names: string[] = [];
  readonly #columns = new Columns();
  readonly #blobs = new CandidateBlobs();
  /** Candidates whose values are in chunks. */
  readonly #chunked = new Map<number, ChunkedValue>();
  /** Of those whose values are outside the log. */
  readonly #sizes = new Map<number, number>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Those that are added next have this name. */
  beginName(name: string): void {
    this.#names.push(`${name}:`);
  }

  /** As the row in the index says; what time and sequence it was saved at may have to be set later. Gives its number. */
  add(version: number, sequence: number, time: number, bytesOfRecord: number): number {
    const columns = this.#columns;
    const candidate = this.#count++;
    if (candidate === columns.capacity) columns.grow();
    columns.nameNumbers[candidate] = this.#names.length - 1;
    columns.versions[candidate] = version;
    columns.sequences[candidate] = sequence;
    columns.times[candidate] = time;
    columns.records[candidate] = bytesOfRecord;
    columns.fates[candidate] = Fate.goes;
    columns.values[candidate] = NO_BLOB;
    columns.codes[candidate] = NO_BLOB;
    return candidate;
  }

  setSaved(candidate: number, sequence: number, time: number): void {
    this.#columns.sequences[candidate] = sequence;
    this.#columns.times[candidate] = time;
  }

  setFate(candidate: number, fate: Fate): void {
    this.#columns.fates[candidate] = fate;
  }

  /**
   * `count` digests stand in `from` from `start` on.
   * @param length bytes of the first blob; 0 where they are not known
   */
  setBlobs(candidate: number, from: Uint8Array, start: number, count: number, length: number): void {
    const { values, codes, lengths } = this.#columns;
    lengths[candidate] = length;
    if (count > 0) values[candidate] = this.#blobs.add(from, start);
    if (count > 1) codes[candidate] = this.#codeAt(from, start + DIGEST_BYTES, codes[candidate - 1]);
  }

  setChunked(candidate: number, value: ChunkedValue): void {
    this.#chunked.set(candidate, value);
  }

  /** Of a value that is outside the log, and frees nothing there. */
  setSize(candidate: number, size: number): void {
    this.#sizes.set(candidate, size);
  }

  name(candidate: number): string {
    return this.#nameAndColon(candidate).slice(0, -1);
  }

  isSameName(one: number, other: number): boolean {
    return this.#columns.nameNumbers[one] === this.#columns.nameNumbers[other];
  }

  version(candidate: number): number {
    return this.#columns.versions[candidate]!;
  }

  ref(candidate: number): string {
    return this.#nameAndColon(candidate) + this.version(candidate);
  }

  #nameAndColon(candidate: number): string {
    return this.#names[this.#columns.nameNumbers[candidate]!]!;
  }

  /** Of the save. */
  sequence(candidate: number): number {
    return this.#columns.sequences[candidate]!;
  }

  /** Of the save, milliseconds since 1970. */
  time(candidate: number): number {
    return this.#columns.times[candidate]!;
  }

  /** Bytes of its record in the log. */
  recordBytes(candidate: number): number {
    return this.#columns.records[candidate]!;
  }

  fate(candidate: number): Fate {
    return this.#columns.fates[candidate] as Fate;
  }

  /** Which nearly always is the one of the version before. */
  #codeAt(from: Uint8Array, start: number, last = NO_BLOB): number {
    return last !== NO_BLOB && this.#blobs.isAt(last, from, start) ? last : this.#blobs.add(from, start);
  }

  /** All candidates are there: what the index says of blobs can come, in the order of their digests. */
  beginBlobs(): void {
    const { values, codes, lengths } = this.#columns;
    const blobs = this.#blobs;
    blobs.begin();
    for (let candidate = 0; candidate < this.#count; candidate++) {
      if (values[candidate] !== NO_BLOB && lengths[candidate] === 0) blobs.ask(values[candidate]!);
      if (codes[candidate] !== NO_BLOB) blobs.ask(codes[candidate]!);
    }
  }

  /**
   * Of the blob whose digest stands at `start` of `from`, whether a candidate needs it or not.
   * @param referenceCount 0 for one that never goes
   */
  setBlob(from: Uint8Array, start: number, referenceCount: number, length: number): void {
    this.#blobs.meet(from, start, referenceCount, length);
  }

  /** All blobs were there. */
  endBlobs(): void {
    const { values, codes, lengths } = this.#columns;
    const blobs = this.#blobs;
    blobs.end();
    for (let candidate = 0; candidate < this.#count; candidate++) {
      if (values[candidate] !== NO_BLOB) {
        const value = blobs.find(values[candidate]!);
        values[candidate] = value >= 0 ? value : lengths[candidate]! > 0 ? LONE : NO_BLOB;
      }
      if (codes[candidate] !== NO_BLOB) {
        const code = blobs.find(codes[candidate]!);
        codes[candidate] = code >= 0 ? code : NO_BLOB;
      }
    }
    blobs.forgetAdded();
  }

  /** Bytes of its value. */
  size(candidate: number): number {
    const chunked = this.#chunked.size > 0 ? this.#chunked.get(candidate) : undefined;
    const blob = this.#columns.values[candidate]!;
    if (chunked) return chunked.size;
    const told = this.#sizes.size > 0 ? this.#sizes.get(candidate) : undefined;
    if (told !== undefined) return told;
    if (blob === LONE) return this.#columns.lengths[candidate]!;
    return blob === NO_BLOB ? 0 : this.#blobs.lengths[blob]!;
  }

  /** As of `SharedCounts`, before any candidate goes. */
  lower(digest: Buffer): number | undefined {
    return this.#blobs.lower(digest, this.#blobs.counts);
  }

  /**
   * Begins to let candidates go, from the state in which all are there.
   * @param release what goes already
   */
  letGo(release: Release, rows: RowsAndBlobs): LettingGo {
    const { values, codes, lengths } = this.#columns;
    const parts = { values, codes, lengths, chunked: this.#chunked, blobs: this.#blobs };
    return new LettingGo(parts, release, rows);
  }

  /** Numbers of those that go, the oldest first; of one operation in the order of their keys. */
  oldestFirst(): Uint32Array {
    const { sequences, fates } = this.#columns;
    const going = new Uint32Array(this.#count);
    let count = 0;
    let [first, last] = [Number.POSITIVE_INFINITY, 0];
    for (let candidate = 0; candidate < this.#count; candidate++) {
      if (fates[candidate] !== Fate.goes) continue;
      going[count++] = candidate;
      const sequence = sequences[candidate]!;
      if (sequence < first) first = sequence;
      if (sequence > last) last = sequence;
    }
    const items = going.subarray(0, count);
    if (last - first > KEY_MAX) return items.sort((a, b) => sequences[a]! - sequences[b]! || a - b);
    const keys = new Uint32Array(count);
    for (let i = 0; i < count; i++) keys[i] = sequences[items[i]!]! - first;
    return sortedByKey(keys, items);
  }
}
