import { DigestTable } from "./digest-table.ts";
import { DIGEST_BYTES, recordBytes } from "./log/format.ts";

/** What becomes of a version that the cheap conditions let go. */
export const Fate = { goes: 0, protected: 1, stays: 2 } as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

const NO_BLOB = 0xffff_ffff;
const CAPACITY_MIN = 1024;

/** A list of numbers that stays in one piece of memory, whatever garbage is collected around it. */
class Numbers<T extends Uint8Array | Uint32Array | Float64Array> {
  values: T;
  readonly #make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.#make = make;
    this.values = make(CAPACITY_MIN);
  }

  set(at: number, value: number): void {
    if (at >= this.values.length) {
      const grown = this.#make(this.values.length * 2);
      grown.set(this.values);
      this.values = grown;
    }
    this.values[at] = value;
  }
}

const bytes = () => new Numbers((length) => new Uint8Array(length));
const words = () => new Numbers((length) => new Uint32Array(length));
const doubles = () => new Numbers((length) => new Float64Array(length));

/**
 * Versions that may go, in the order of their keys, as columns: some 100 bytes each with the blobs that they need, and
 * what the index says of those.
 */
export class Candidates {
  readonly #names: string[] = [];
  readonly #nameNumbers = words();
  readonly #versions = words();
  readonly #sequences = doubles();
  readonly #times = doubles();
  readonly #records = words();
  readonly #fates = bytes();
  readonly #digests = new DigestTable();
  /** The numbers of the blobs that the value and, where that is one, the code are. */
  readonly #values = words();
  readonly #codes = words();
  /** By number of a blob; 0 where the index has no row of it, so that it never goes. */
  #referenceCounts = new Float64Array();
  #lengths = new Float64Array();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Those that are added next have this name. */
  beginName(name: string): void {
    this.#names.push(name);
  }

  /** As the row in the index says; what time and sequence it was saved at may have to be set later. Gives its number. */
  add(version: number, sequence: number, time: number, bytesOfRecord: number): number {
    const candidate = this.#count++;
    this.#nameNumbers.set(candidate, this.#names.length - 1);
    this.#versions.set(candidate, version);
    this.setSaved(candidate, sequence, time);
    this.#records.set(candidate, bytesOfRecord);
    this.#fates.set(candidate, Fate.goes);
    this.#values.set(candidate, NO_BLOB);
    this.#codes.set(candidate, NO_BLOB);
    return candidate;
  }

  setSaved(candidate: number, sequence: number, time: number): void {
    this.#sequences.set(candidate, sequence);
    this.#times.set(candidate, time);
  }

  setFate(candidate: number, fate: Fate): void {
    this.#fates.set(candidate, fate);
  }

  /** `count` digests stand in `from` from `start` on. */
  setBlobs(candidate: number, from: Uint8Array, start: number, count: number): void {
    if (count > 0) this.#values.set(candidate, this.#digests.add(from, start));
    if (count > 1) this.#codes.set(candidate, this.#digests.add(from, start + DIGEST_BYTES));
  }

  name(candidate: number): string {
    return this.#names[this.#nameNumbers.values[candidate]!]!;
  }

  isSameName(one: number, other: number): boolean {
    return this.#nameNumbers.values[one] === this.#nameNumbers.values[other];
  }

  version(candidate: number): number {
    return this.#versions.values[candidate]!;
  }

  ref(candidate: number): string {
    return `${this.name(candidate)}:${this.version(candidate)}`;
  }

  /** Of the save. */
  sequence(candidate: number): number {
    return this.#sequences.values[candidate]!;
  }

  /** Of the save, milliseconds since 1970. */
  time(candidate: number): number {
    return this.#times.values[candidate]!;
  }

  /** Bytes of its record in the log. */
  recordBytes(candidate: number): number {
    return this.#records.values[candidate]!;
  }

  fate(candidate: number): Fate {
    return this.#fates.values[candidate] as Fate;
  }

  /** All candidates are there: what the index says of their blobs can come. */
  beginBlobs(): void {
    this.#referenceCounts = new Float64Array(this.#digests.count);
    this.#lengths = new Float64Array(this.#digests.count);
  }

  /** Of the blob whose digest stands at `start` of `from`, if a candidate needs it. */
  setBlob(from: Uint8Array, start: number, referenceCount: number, length: number): void {
    const blob = this.#digests.find(from, start);
    if (blob < 0) return;
    this.#referenceCounts[blob] = referenceCount;
    this.#lengths[blob] = length;
  }

  /** Bytes of its value. */
  size(candidate: number): number {
    return this.#lengths[this.#values.values[candidate]!] ?? 0;
  }

  /** Begins to let candidates go, from the state in which all are there. */
  letGo(): LettingGo {
    const { values } = this.#values;
    return new LettingGo(values, this.#codes.values, this.#referenceCounts, this.#lengths);
  }

  /** Numbers of those that go, the oldest first. */
  oldestFirst(): Uint32Array {
    const going = new Uint32Array(this.#count);
    let count = 0;
    let last = 0;
    for (let candidate = 0; candidate < this.#count; candidate++) {
      if (this.fate(candidate) !== Fate.goes) continue;
      going[count++] = candidate;
      last = Math.max(last, this.sequence(candidate));
    }
    return this.#sort(going.subarray(0, count), last);
  }

  #sort(going: Uint32Array, last: number): Uint32Array {
    const factor = this.#count + 1;
    if ((last + 1) * factor > Number.MAX_SAFE_INTEGER)
      return going.sort((a, b) => this.sequence(a) - this.sequence(b) || a - b);
    // As one number each, so that they are sorted without a call for each comparison.
    const packed = new Float64Array(going.length);
    for (let at = 0; at < going.length; at++) packed[at] = this.sequence(going[at]!) * factor + going[at]!;
    packed.sort();
    for (let at = 0; at < going.length; at++) going[at] = packed[at]! % factor;
    return going;
  }
}

/** What the log is rid of when versions go: the blobs of which all references are gone. */
export class LettingGo {
  readonly #values: Uint32Array;
  readonly #codes: Uint32Array;
  readonly #left: Float64Array;
  readonly #lengths: Float64Array;
  /** Bytes of the blobs that nothing needs any more, with their headers. */
  bytes = 0;

  constructor(values: Uint32Array, codes: Uint32Array, referenceCounts: Float64Array, lengths: Float64Array) {
    this.#values = values;
    this.#codes = codes;
    this.#left = referenceCounts.slice();
    this.#lengths = lengths;
  }

  add(candidate: number): void {
    this.#release(this.#values[candidate]!);
    this.#release(this.#codes[candidate]!);
  }

  #release(blob: number): void {
    if (blob !== NO_BLOB && --this.#left[blob]! === 0)
      this.bytes += recordBytes(DIGEST_BYTES, this.#lengths[blob]!);
  }
}
