import { DigestFilter, DigestList, firstWordAt, SortedDigests } from "./digest-list.ts";

/** Instead of the number of a blob: there is none, or one that the log does not have, so that it never goes. */
export const NO_BLOB = 0xffff_ffff;
/** One that nothing else needs. */
export const LONE = 0xffff_fffe;

/**
 * The blobs that candidates need. Nearly all of them are needed by one version, the row of which tells how long they are. So
 * only of the others is kept what the index says, which neither takes a table of a million blobs nor to sort them.
 */
export class CandidateBlobs {
  /** By number of a blob that was found: how many rows need it, and its bytes. */
  readonly counts: number[] = [];
  readonly lengths: number[] = [];
  readonly #found = new SortedDigests();
  /** All, as they come. */
  #added = new DigestList();
  #needed = new DigestFilter(0);
  /** By number of a blob that was found, whether a candidate needs it: the filter lets others pass too. */
  #isNeeded = new Uint8Array();
  /** Those of which more has to be known than that nothing else needs them. */
  #asked: DigestFilter | undefined;

  /** A blob that a candidate needs. Gives a number for it, which holds until `find`. */
  add(bytes: Uint8Array, start: number): number {
    return this.#added.add(bytes, start);
  }

  isAt(added: number, bytes: Uint8Array, start: number): boolean {
    return this.#added.isAt(added, bytes, start);
  }

  /** All were added: what the index says of blobs can come. */
  begin(): void {
    const { count } = this.#added;
    this.#needed = new DigestFilter(count);
    for (let number = 0; number < count; number++) this.#needed.add(this.#added.firstWord(number));
  }

  /** Also if it has one reference the blob is to be found. */
  ask(added: number): void {
    this.#asked ??= new DigestFilter(this.#added.count);
    this.#asked.add(this.#added.firstWord(added));
  }

  /** What the index says of a blob, in the order of digests. */
  meet(bytes: Uint8Array, start: number, count: number, length: number): void {
    const filter = count === 1 ? this.#asked : this.#needed;
    if (!filter?.mayHave(firstWordAt(bytes, start))) return;
    this.#found.add(bytes, start);
    this.counts.push(count);
    this.lengths.push(length);
  }

  /** All were met. */
  end(): void {
    this.#found.finish();
    this.#isNeeded = new Uint8Array(this.#found.count);
  }

  /** The number of one that was added, among those that were found; -1 for others. */
  find(added: number): number {
    if (this.#found.count === 0) return -1;
    const blob = this.#found.findOf(this.#added, added);
    if (blob >= 0) this.#isNeeded[blob] = 1;
    return blob;
  }

  /** Nobody looks for one that was added any more. */
  forgetAdded(): void {
    this.#added = new DigestList();
  }

  /** See `SharedCounts`. @param counts what is left of `counts` */
  lower(digest: Buffer, counts: number[]): number | undefined {
    const blob = this.#found.find(digest);
    return blob < 0 || !this.#isNeeded[blob] ? undefined : --counts[blob]!;
  }
}
