import type { Meta, Pages, Tree } from "./pages.ts";
import {
  KIND_BRANCH,
  KIND_LEAF,
  KIND_OVERFLOW,
  keyBytesMax,
  META_PAGES,
  NO_PAGE,
  NODE_HEADER_BYTES,
  NODE_IN_OVERFLOW,
  nodeBytesMax,
  OVERFLOW_REFERENCE_BYTES,
  PAGE_HEADER_BYTES,
} from "./pages.ts";

const FREE_KEY_BYTES = 8;

type CheckRow = (key: Buffer, value: Buffer) => boolean;

/**
 * What is wrong with the trees of a data file, whose metas were found right, or undefined. Pages that are neither in use
 * nor free are no damage: LMDB loses some when a process is killed at the wrong time. Only compact copies fail then.
 */
export function inspectTrees(pages: Pages, meta: Meta, checkRow?: CheckRow): string | undefined {
  const inspection = new Inspection(pages, meta, checkRow);
  inspection.tree(meta.main, false);
  inspection.tree(meta.free, true);
  inspection.end();
  return inspection.problem;
}

/** Walks over pages once; every method that gives a boolean gives false after a problem. */
class Inspection {
  problem: string | undefined;
  readonly #pages: Pages;
  readonly #meta: Meta;
  readonly #checkRow: CheckRow | undefined;
  readonly #pageSize: number;
  /** Of a page behind its header. */
  readonly #space: number;
  readonly #nodeBytesMax: number;
  readonly #keyBytesMax: number;
  /** 1 for pages that were met. */
  readonly #met: Uint8Array;
  /** Where nodes of the page begin, by half the offset. */
  readonly #starts: Uint8Array;

  // Of the tree that is walked.
  #isFree = false;
  #depth = 0;
  #branchPages = 0;
  #leafPages = 0;
  #overflowPages = 0;
  #entries = 0;
  /** The key before, and one that the next key must not come before; -1 for none. */
  #before = -1;
  #beforeSize = 0;
  #least = -1;
  #leastSize = 0;

  constructor(pages: Pages, meta: Meta, checkRow: CheckRow | undefined) {
    this.#pages = pages;
    this.#meta = meta;
    this.#checkRow = checkRow;
    this.#pageSize = meta.pageSize;
    this.#space = meta.pageSize - PAGE_HEADER_BYTES;
    this.#nodeBytesMax = nodeBytesMax(meta.pageSize);
    this.#keyBytesMax = keyBytesMax(meta.pageSize);
    this.#met = new Uint8Array(meta.lastPage + 1);
    this.#met.fill(1, 0, META_PAGES);
    this.#starts = new Uint8Array(meta.pageSize / 2);
  }

  tree(tree: Tree, isFree: boolean): boolean {
    if (this.problem) return false;
    this.#isFree = isFree;
    this.#depth = tree.depth;
    this.#branchPages = this.#leafPages = this.#overflowPages = this.#entries = 0;
    this.#before = this.#least = -1;
    if (tree.root !== NO_PAGE && !this.#page(tree.root, 1)) return false;
    if (
      this.#branchPages === tree.branchPages &&
      this.#leafPages === tree.leafPages &&
      this.#overflowPages === tree.overflowPages &&
      this.#entries === tree.entries
    )
      return true;
    return this.#bad(
      tree.root,
      `the tree of ${isFree ? "free pages" : "rows"} has other counts than its meta`,
    );
  }

  /**
   * Pages behind the end of the file are free ones that were never written, or lost ones. More of those than the file has
   * pages come from damage: LMDB would go on far behind the end.
   */
  end(): boolean {
    if (this.problem) return false;
    const present = Math.floor(this.#pages.bytes.length / this.#pageSize);
    let lost = 0;
    for (let page = this.#met.indexOf(0, present); page !== -1; page = this.#met.indexOf(0, page + 1))
      if (++lost > present) return this.#bad(page, "it is behind the end of the file, and not free");
    return true;
  }

  #bad(page: number, what: string): false {
    this.problem ??= `page ${page}: ${what}`;
    return false;
  }

  /** Notes that these pages are in use or free, which they may be once. */
  #meet(page: number, count: number, of: number): boolean {
    if (!(page >= META_PAGES && count >= 1 && page + count - 1 <= this.#meta.lastPage))
      return this.#bad(of, `it leads to page ${page}`);
    for (let i = page; i < page + count; i++) {
      if (this.#met[i] !== 0) return this.#bad(of, `it leads to page ${i}, which is met twice`);
      this.#met[i] = 1;
    }
    return true;
  }

  /** Whether a page has a header of this kind, and all of its pages are there. */
  #header(page: number, count: number, kind: number): boolean {
    const at = page * this.#pageSize;
    if (at + count * this.#pageSize > this.#pages.bytes.length) return this.#bad(page, "it was cut off");
    if (this.#pages.word(at) !== page)
      return this.#bad(page, `it says that it is page ${this.#pages.word(at)}`);
    if (this.#pages.short(at + 18) !== kind)
      return this.#bad(page, `kind ${this.#pages.short(at + 18)} instead of ${kind}`);
    return this.#isTransaction(this.#pages.word(at + 8)) || this.#bad(page, "its transaction is none");
  }

  #isTransaction(transaction: number): boolean {
    return transaction >= 1 && transaction <= this.#meta.transaction;
  }

  #page(page: number, depth: number): boolean {
    const isLeaf = depth === this.#depth;
    if (!this.#meet(page, 1, page) || !this.#header(page, 1, isLeaf ? KIND_LEAF : KIND_BRANCH)) return false;
    const at = page * this.#pageSize;
    const lower = this.#pages.short(at + 20);
    const upper = this.#pages.short(at + 22);
    // LMDB ends the process at branch pages of rows with a single node.
    const nodesMin = isLeaf || this.#isFree ? 1 : 2;
    if (lower % 2 !== 0 || upper % 2 !== 0 || lower > upper || upper > this.#space || lower < nodesMin * 2)
      return this.#bad(page, `its free space is from ${lower} to ${upper}`);
    const count = lower / 2;
    if (!this.#nodes(page, count, upper, isLeaf)) return false;
    return isLeaf ? this.#leaf(page, count) : this.#branch(page, count, depth);
  }

  /** Whether the nodes of a page lie side by side from `upper` to its end. */
  #nodes(page: number, count: number, upper: number, isLeaf: boolean): boolean {
    const pages = this.#pages;
    const starts = this.#starts;
    const base = page * this.#pageSize + PAGE_HEADER_BYTES;
    const last = this.#space - NODE_HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const start = pages.short(base + i * 2);
      if (start < upper || start > last || (start & 1) === 1 || starts[start >> 1] === 1)
        return this.#bad(page, `node ${i} can't be at ${start}`);
      starts[start >> 1] = 1;
    }
    let at = upper;
    while (at < this.#space) {
      if (starts[at >> 1] !== 1) return this.#bad(page, `no node is at ${at}`);
      starts[at >> 1] = 0;
      count--;
      const node = base + at;
      let size = NODE_HEADER_BYTES + pages.short(node + 6);
      if (isLeaf)
        size += pages.short(node + 4) === NODE_IN_OVERFLOW ? OVERFLOW_REFERENCE_BYTES : pages.int(node);
      if (size > this.#nodeBytesMax) return this.#bad(page, `the node at ${at} has ${size} bytes`);
      at += (size + 1) & ~1;
    }
    return (at === this.#space && count === 0) || this.#bad(page, "its nodes do not fill it");
  }

  #branch(page: number, count: number, depth: number): boolean {
    this.#branchPages++;
    const base = page * this.#pageSize + PAGE_HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const node = base + this.#pages.short(base + i * 2);
      // What comes before the second node is below the first, whatever that one's key is.
      if (i > 0) {
        const size = this.#pages.short(node + 6);
        if (this.#isFree && size !== FREE_KEY_BYTES) return this.#bad(page, `key of ${size} bytes`);
        if (!this.#isAfter(node + NODE_HEADER_BYTES, size, this.#before, this.#beforeSize, 1))
          return this.#bad(page, `the key of node ${i} comes before others that are below it`);
        this.#least = node + NODE_HEADER_BYTES;
        this.#leastSize = size;
      }
      if (!this.#page(this.#pages.child(node), depth + 1)) return false;
    }
    return true;
  }

  #leaf(page: number, count: number): boolean {
    this.#leafPages++;
    this.#entries += count;
    const pages = this.#pages;
    const base = page * this.#pageSize + PAGE_HEADER_BYTES;
    for (let i = 0; i < count; i++) {
      const node = base + pages.short(base + i * 2);
      const key = node + NODE_HEADER_BYTES;
      const keySize = pages.short(node + 6);
      if (!this.#isNext(key, keySize)) return this.#bad(page, `the key of node ${i} is out of order`);
      const size = pages.int(node);
      const flags = pages.short(node + 4);
      if (flags > NODE_IN_OVERFLOW) return this.#bad(page, `node ${i} has flags ${flags}`);
      const value = flags === 0 ? key + keySize : this.#overflow(page, key + keySize, size);
      if (value === 0) return false;
      if (this.#isFree ? !this.#freePages(page, key, value, size) : !this.#row(key, keySize, value, size))
        return this.#bad(page, `the row of node ${i} is damaged`);
    }
    return true;
  }

  /** Keys of a tree rise. */
  #isNext(key: number, size: number): boolean {
    if (this.#isFree ? size !== FREE_KEY_BYTES : size < 1 || size > this.#keyBytesMax) return false;
    if (!this.#isAfter(key, size, this.#before, this.#beforeSize, 1)) return false;
    if (!this.#isAfter(key, size, this.#least, this.#leastSize, 0)) return false;
    this.#before = key;
    this.#beforeSize = size;
    this.#least = -1;
    return true;
  }

  /** Whether the key at `a` comes after the one at `b` (`by` 1), or is the same (`by` 0). */
  #isAfter(a: number, aSize: number, b: number, bSize: number, by: 0 | 1): boolean {
    if (b === -1) return true;
    if (this.#isFree) return this.#pages.word(a) - this.#pages.word(b) >= by;
    const bytes = this.#pages.bytes;
    const end = Math.min(aSize, bSize);
    for (let i = 0; i < end; i++) {
      const difference = bytes[a + i]! - bytes[b + i]!;
      if (difference !== 0) return difference > 0;
    }
    return aSize - bSize >= by;
  }

  /** Where a value in overflow pages begins; 0 after a problem. */
  #overflow(page: number, reference: number, size: number): number {
    const first = this.#pages.word(reference);
    const count = this.#pages.word(reference + 16);
    const fits =
      count >= 1 &&
      PAGE_HEADER_BYTES + size <= count * this.#pageSize &&
      this.#isTransaction(this.#pages.word(reference + 8));
    if (!fits && !this.#bad(page, `its value of ${size} bytes is not in ${count} overflow pages`)) return 0;
    if (!this.#meet(first, count, page) || !this.#header(first, count, KIND_OVERFLOW)) return 0;
    const at = first * this.#pageSize;
    if (this.#pages.int(at + 20) !== count && !this.#bad(first, "it has another count of overflow pages"))
      return 0;
    this.#overflowPages += count;
    return at + PAGE_HEADER_BYTES;
  }

  #row(key: number, keySize: number, value: number, size: number): boolean {
    if (!this.#checkRow) return true;
    const { bytes } = this.#pages;
    return this.#checkRow(bytes.subarray(key, key + keySize), bytes.subarray(value, value + size));
  }

  /** The pages that a transaction gave back. */
  #freePages(page: number, key: number, value: number, size: number): boolean {
    if (!this.#isTransaction(this.#pages.word(key)))
      return this.#bad(page, "pages were freed by no transaction");
    const count = size >= 8 ? this.#pages.word(value) : -1;
    if (!(count >= 0 && (count + 1) * 8 <= size && size % 8 === 0))
      return this.#bad(page, `a list of ${count} free pages has ${size} bytes`);
    for (let i = 1; i <= count; i++) {
      const word = this.#pages.word(value + i * 8);
      if (word > 0 && !this.#meet(word, 1, page)) return false;
      if (word >= 0) continue;
      if (i === count) return this.#bad(page, "a run of free pages has no beginning");
      i++;
      if (!this.#meet(this.#pages.word(value + i * 8), -word, page)) return false;
    }
    return true;
  }
}
