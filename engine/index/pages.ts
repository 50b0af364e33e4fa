import { endianness } from "node:os";

/**
 * How bytes lie in a data file of LMDB, as the `lmdb` package (3.x) writes it. It differs from LMDB 0.9: the header of a
 * page has 24 bytes, with a transaction in it, and offsets within a page count from the end of that header. Numbers are
 * in the byte order of the machine.
 *
 * | page         | offset | bytes |                                                                                 |
 * | ------------ | ------ | ----- | ------------------------------------------------------------------------------- |
 * | any          |      0 |     8 | its own number                                                                  |
 * |              |      8 |     8 | the transaction that wrote it (not in metas)                                    |
 * |              |     16 |     2 | unused                                                                          |
 * |              |     18 |     2 | its kind: branch 1, leaf 2, overflow 4, meta 8                                  |
 * | branch, leaf |     20 |     2 | where its pointers end, and the free space begins                               |
 * |              |     22 |     2 | where the free space ends, and its nodes begin; they fill the rest without gaps |
 * |              |     24 |   2 n | pointers to its n nodes, in the order of their keys                             |
 * | overflow     |     20 |     4 | of how many pages it is the first; the others have no header                    |
 * |              |     24 |       | the value                                                                       |
 * | meta         |     24 |     4 | magic number                                                                    |
 * |              |     28 |     4 | version of the format                                                           |
 * |              |     32 |    16 | address and size of the map, unused here                                        |
 * |              |     48 |    48 | the tree of free pages; its padding is the size of pages, its flags the file's  |
 * |              |     96 |    48 | the tree of rows                                                                |
 * |              |    144 |     8 | number of the last page                                                         |
 * |              |    152 |     8 | transaction, which is even in page 0 and odd in page 1; the newer meta counts   |
 * |              |    160 |     8 | boot, unused here                                                               |
 *
 * | within       | offset | bytes |                                                                                 |
 * | ------------ | ------ | ----- | ------------------------------------------------------------------------------- |
 * | a tree       |      0 |     4 | padding                                                                         |
 * |              |      4 |     2 | flags                                                                           |
 * |              |      6 |     2 | depth: 0 without pages, 1 for a single leaf                                     |
 * |              |      8 |  3  8 | how many branch, leaf and overflow pages                                        |
 * |              |     32 |     8 | how many entries                                                                |
 * |              |     40 |     8 | number of the root page; -1 for none                                            |
 * | a leaf node  |      0 |     4 | size of the value                                                               |
 * |              |      4 |     2 | flags: 1 for a value in overflow pages                                          |
 * |              |      6 |     2 | size of the key                                                                 |
 * |              |      8 |       | key, then the value; or number, transaction and count of overflow pages, 8 each |
 * | a branch node|      0 |     6 | number of the page below                                                        |
 * |              |      6 |     2 | size of the key; the key of the first node means nothing                        |
 * |              |      8 |       | the key, which nothing below comes before                                       |
 *
 * A value of the tree of free pages is a list of 8-byte words, the first of which counts those that mean something: 0
 * for nothing, a page number for that page, and -n before a page number for n pages from it on.
 */
export const PAGE_HEADER_BYTES = 24;
export const NODE_HEADER_BYTES = 8;
export const OVERFLOW_REFERENCE_BYTES = 24;
export const META_BYTES = 168;
export const META_PAGES = 2;

export const KIND_BRANCH = 1;
export const KIND_LEAF = 2;
export const KIND_OVERFLOW = 4;
export const KIND_META = 8;

export const NODE_IN_OVERFLOW = 1;

export const MAGIC = 0xbeefc0de;
export const VERSION = 2;
export const NO_PAGE = -1;
/** LMDB's cursors go no deeper. */
export const DEPTH_MAX = 32;

/** Of the file: keys of the tree of free pages are integers; the others say how it was first opened. */
export const FILE_FLAG_INTEGER_KEYS = 0x0008;
export const FILE_FLAGS_HARMLESS = 0x4c00;

/** Nodes that are longer keep their value in overflow pages. */
export function nodeBytesMax(pageSize: number): number {
  return (((pageSize - PAGE_HEADER_BYTES) >> 1) & ~1) - 2;
}

export function keyBytesMax(pageSize: number): number {
  return nodeBytesMax(pageSize) - NODE_HEADER_BYTES - 48;
}

const LITTLE_ENDIAN = endianness() === "LE";

export interface Tree {
  padding: number;
  flags: number;
  depth: number;
  branchPages: number;
  leafPages: number;
  overflowPages: number;
  entries: number;
  root: number;
}

export interface Meta {
  number: number;
  kind: number;
  magic: number;
  version: number;
  pageSize: number;
  free: Tree;
  main: Tree;
  lastPage: number;
  transaction: number;
}

/** Numbers out of the bytes of a data file, by their offset in it. */
export class Pages {
  readonly bytes: Buffer;
  readonly #view: DataView;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  short(at: number): number {
    return this.#view.getUint16(at, LITTLE_ENDIAN);
  }

  int(at: number): number {
    return this.#view.getUint32(at, LITTLE_ENDIAN);
  }

  /** With a sign. What is beyond 2^53 comes out as another number beyond 2^53. */
  word(at: number): number {
    const high = this.#view.getInt32(at + (LITTLE_ENDIAN ? 4 : 0), LITTLE_ENDIAN);
    return high * 0x1_0000_0000 + this.#view.getUint32(at + (LITTLE_ENDIAN ? 0 : 4), LITTLE_ENDIAN);
  }

  /** The page below a node of a branch page. */
  child(node: number): number {
    return this.int(node) + this.short(node + 4) * 0x1_0000_0000;
  }

  #tree(at: number): Tree {
    return {
      padding: this.int(at),
      flags: this.short(at + 4),
      depth: this.short(at + 6),
      branchPages: this.word(at + 8),
      leafPages: this.word(at + 16),
      overflowPages: this.word(at + 24),
      entries: this.word(at + 32),
      root: this.word(at + 40),
    };
  }

  meta(at: number): Meta {
    return {
      number: this.word(at),
      kind: this.short(at + 18),
      magic: this.int(at + 24),
      version: this.int(at + 28),
      pageSize: this.int(at + 48),
      free: this.#tree(at + 48),
      main: this.#tree(at + 96),
      lastPage: this.word(at + 144),
      transaction: this.word(at + 152),
    };
  }
}
