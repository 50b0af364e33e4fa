import { NODE_HEADER_BYTES, OVERFLOW_REFERENCE_BYTES, PAGE_HEADER_BYTES } from "./pages.ts";
import type { RawEntry } from "./raw-entry.ts";

const POINTER_BYTES = 2;
/** A page holds at least so many entries; a value for which that has no room lies in pages of its own. */
const NODES_MIN = 2;
/** What a full page leaves over, and the pages above the leaves: a thirtieth. */
const BESIDE = 1 + 1 / 30;
/** Of a new file that are not filled: its heads, its lists of free pages, and what its own writing left. */
const OTHER_PAGES = 16;

/** Counts up what a file of LMDB takes that has these entries in full pages. */
export class PackedSize {
  readonly #pageBytes: number;
  readonly #nodeBytesMax: number;
  #leafBytes = 0;
  #overflowPages = 0;

  constructor(pageBytes: number) {
    this.#pageBytes = pageBytes;
    this.#nodeBytesMax = Math.floor((pageBytes - PAGE_HEADER_BYTES) / NODES_MIN) - POINTER_BYTES;
  }

  add({ keyStart, keyEnd, valueLength }: RawEntry): void {
    const head = NODE_HEADER_BYTES + keyEnd - keyStart;
    let node = head + valueLength;
    if (node > this.#nodeBytesMax) {
      this.#overflowPages += Math.ceil((PAGE_HEADER_BYTES + valueLength) / this.#pageBytes);
      node = head + OVERFLOW_REFERENCE_BYTES;
    }
    // Nodes begin at even bytes.
    this.#leafBytes += node + (node % 2) + POINTER_BYTES;
  }

  get bytes(): number {
    const leaves = (this.#leafBytes / (this.#pageBytes - PAGE_HEADER_BYTES)) * BESIDE;
    return Math.ceil(leaves + this.#overflowPages + OTHER_PAGES) * this.#pageBytes;
  }
}
