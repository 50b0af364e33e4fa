import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { inspectTrees } from "./inspect-trees.ts";
import type { Meta, Tree } from "./pages.ts";
import {
  DEPTH_MAX,
  FILE_FLAG_INTEGER_KEYS,
  FILE_FLAGS_HARMLESS,
  KIND_META,
  MAGIC,
  META_BYTES,
  META_PAGES,
  NO_PAGE,
  Pages,
  VERSION,
} from "./pages.ts";

/**
 * LMDB takes its file at its word: what is damaged ends the process that reads it, or gives wrong answers. Here the
 * file is checked before LMDB opens it. LMDB locks `lock.mdb` alone, so opening and closing `data.mdb` drops no lock.
 */

/** How a problem begins when the file may well be whole, but is of a format that is not known here. */
export const UNKNOWN_FORMAT = "unknown format";

const PAGE_SIZE_MIN = 512;
const PAGE_SIZE_MAX = 0x10000;
/** The size of pages nearly everywhere. */
const USUAL_PAGE_SIZE = 4096;
/** In LMDB before the transaction came into the header of pages. */
const OLD_MAGIC_OFFSET = 16;
/** Another process may write its meta while it is read here. */
const HEAD_READS = 3;
const SHORT_TRIES = 5;
const READ_BYTES_MAX = 64 * 1024 * 1024;
const FILE_BYTES_MAX = 0xffff_ffff;
const PAGES_MAX = 0x7fff_ffff;

interface Head {
  meta: Meta;
  fileBytes: number;
}

/**
 * What is wrong with the two metas and the size of a data file, or undefined. Takes the same time for every size, also
 * while others write; only of a file that is shorter than its metas say, which is right when the last pages are free,
 * the whole is read; when others write so fast that it can't be read in one state, they can use it, and nothing is wrong.
 * @returns a text that begins with UNKNOWN_FORMAT for a file that seems to be of another LMDB
 */
export function inspectHead(path: string): string | undefined {
  return withFile(path, (fd) => {
    for (let tries = 0; tries < SHORT_TRIES; tries++) {
      const head = readHead(fd);
      if (typeof head === "string") return head;
      const problem = isShort(head) ? inspectAll(fd, head) : undefined;
      // The pages of a state are there until the next one is.
      if (problem === undefined || !isOutdated(head, readHead(fd))) return problem;
    }
    return undefined;
  });
}

function isOutdated(head: Head, later: Head | string): boolean {
  return typeof later !== "string" && later.meta.transaction !== head.meta.transaction;
}

/**
 * What is wrong with a data file that nobody writes to, or undefined: the whole tree of its newest state and the list
 * of free pages are walked. Only bytes that LMDB does not read may be other than they were, rows that `checkRow` lets
 * pass (a key must be seen as a part of the row: a damaged one may still be in order), and free pages may be forgotten.
 * @param checkRow whether a row is as it was written
 * @returns a text that begins with UNKNOWN_FORMAT for a file that seems to be of another LMDB
 */
export function inspectTree(
  path: string,
  checkRow?: (key: Buffer, value: Buffer) => boolean,
): string | undefined {
  return withFile(path, (fd) => {
    const head = readHead(fd);
    return typeof head === "string" ? head : inspectAll(fd, head, checkRow);
  });
}

function withFile(path: string, inspect: (fd: number) => string | undefined): string | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, "r");
    return inspect(fd);
  } catch (error) {
    return `it can't be read: ${(error as Error).message}`;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

function isShort({ meta, fileBytes }: Head): boolean {
  return fileBytes < (meta.lastPage + 1) * meta.pageSize;
}

function inspectAll(
  fd: number,
  { meta, fileBytes }: Head,
  checkRow?: (key: Buffer, value: Buffer) => boolean,
): string | undefined {
  const size = Math.min(fileBytes, (meta.lastPage + 1) * meta.pageSize);
  if (size > FILE_BYTES_MAX) return "it is too large to be inspected";
  const bytes = Buffer.allocUnsafeSlow(size);
  let at = 0;
  while (at < size) {
    const read = readSync(fd, bytes, at, Math.min(READ_BYTES_MAX, size - at), at);
    if (read === 0) return "it became shorter";
    at += read;
  }
  return inspectTrees(new Pages(bytes), meta, checkRow);
}

/** The newer meta, or what is wrong. */
function readHead(fd: number): Head | string {
  for (let reads = 1; ; reads++) {
    const head = readHeadOnce(fd);
    if (typeof head !== "string" || reads === HEAD_READS) return head;
  }
}

function readHeadOnce(fd: number): Head | string {
  const bytes = Buffer.alloc(USUAL_PAGE_SIZE + META_BYTES);
  const read = readSync(fd, bytes, 0, bytes.length, 0);
  // The file only grows, and before its meta does.
  const fileBytes = fstatSync(fd).size;
  if (read < META_BYTES) return `it has only ${read} bytes`;
  const first = new Pages(bytes).meta(0);
  const second = secondMeta(fd, bytes, first.pageSize);
  return (
    unknownFormat(bytes, first, second) ??
    problemOfMeta(first, 0) ??
    (second ? problemOfMeta(second, 1) : "it has no second meta page") ??
    problemOfPair(first, second!) ??
    problemOfSize(newer(first, second!), fileBytes) ?? { meta: newer(first, second!), fileBytes }
  );
}

/** Undefined where there can't be one. */
function secondMeta(fd: number, bytes: Buffer, pageSize: number): Meta | undefined {
  if (!isPageSize(pageSize)) return undefined;
  if (pageSize + META_BYTES <= bytes.length) return new Pages(bytes).meta(pageSize);
  const further = Buffer.alloc(META_BYTES);
  readSync(fd, further, 0, META_BYTES, pageSize);
  return new Pages(further).meta(0);
}

function isPageSize(size: number): boolean {
  return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) === 0;
}

/** Both metas must say so, so that damage does not look like it. */
function unknownFormat(bytes: Buffer, first: Meta, second: Meta | undefined): string | undefined {
  const old = new Pages(bytes);
  if (old.int(OLD_MAGIC_OFFSET) === MAGIC && old.int(USUAL_PAGE_SIZE + OLD_MAGIC_OFFSET) === MAGIC)
    return `${UNKNOWN_FORMAT}: an LMDB file with another header of pages`;
  const swapped = 0xdec0efbe;
  if (first.magic === swapped && old.meta(USUAL_PAGE_SIZE).magic === swapped)
    return `${UNKNOWN_FORMAT}: an LMDB file of a machine with another byte order`;
  if (first.magic !== MAGIC || second?.magic !== MAGIC || first.version !== second.version) return undefined;
  return first.version === VERSION ? undefined : `${UNKNOWN_FORMAT}: LMDB file version ${first.version}`;
}

function problemOfMeta(meta: Meta, page: number): string | undefined {
  const bad = (what: string) => `meta page ${page}: ${what}`;
  if (meta.magic !== MAGIC) return bad("no magic number");
  if (meta.version !== VERSION) return bad(`version ${meta.version}`);
  if (meta.number !== page) return bad(`it says that it is page ${meta.number}`);
  if (meta.kind !== KIND_META) return bad(`kind ${meta.kind}`);
  if (!isPageSize(meta.pageSize)) return bad(`pages of ${meta.pageSize} bytes`);
  if (!(meta.lastPage >= META_PAGES - 1 && meta.lastPage <= PAGES_MAX))
    return bad(`last page ${meta.lastPage}`);
  if (!(meta.transaction >= 0 && Number.isSafeInteger(meta.transaction)))
    return bad(`transaction ${meta.transaction}`);
  if (meta.transaction > 0 && meta.transaction % 2 !== page)
    return bad(`transaction ${meta.transaction} belongs into the other`);
  if ((meta.free.flags & ~FILE_FLAGS_HARMLESS) !== FILE_FLAG_INTEGER_KEYS)
    return bad(`flags ${meta.free.flags} of the file`);
  if (meta.main.flags !== 0 || meta.main.padding !== 0) return bad(`flags ${meta.main.flags} of the rows`);
  return problemOfTree(meta.free, meta, "free pages", bad) ?? problemOfTree(meta.main, meta, "rows", bad);
}

function problemOfTree(
  tree: Tree,
  meta: Meta,
  what: string,
  bad: (what: string) => string,
): string | undefined {
  const { root, depth, branchPages, leafPages, overflowPages, entries } = tree;
  const counts = [branchPages, leafPages, overflowPages, entries];
  if (root === NO_PAGE) {
    if (depth === 0 && counts.every((count) => count === 0)) return undefined;
    return bad(`the tree of ${what} has a depth or pages, but no root`);
  }
  if (!(root >= META_PAGES && root <= meta.lastPage)) return bad(`root ${root} of ${what}`);
  if (depth < 1 || depth > DEPTH_MAX) return bad(`depth ${depth} of ${what}`);
  if (!counts.every((count) => count >= 0 && Number.isSafeInteger(count))) return bad(`counts of ${what}`);
  if (leafPages < 1 || entries < 1 || (depth > 1 && branchPages < 1) || (depth === 1 && branchPages > 0))
    return bad(`counts of ${what} do not fit its depth`);
  if (branchPages + leafPages + overflowPages > meta.lastPage + 1 - META_PAGES)
    return bad(`there are more pages of ${what} than pages`);
  return undefined;
}

/** Transactions take turns with the metas; a copy's first meta is of none. */
function problemOfPair(first: Meta, second: Meta): string | undefined {
  if (first.pageSize !== second.pageSize) return "its metas disagree on the size of pages";
  if (first.transaction === 0) return undefined;
  if (Math.abs(first.transaction - second.transaction) === 1) return undefined;
  return `its metas are of transactions ${first.transaction} and ${second.transaction}`;
}

/** As LMDB chooses. */
function newer(first: Meta, second: Meta): Meta {
  return first.transaction >= second.transaction ? first : second;
}

/** LMDB makes no use of free pages that it never wrote; what the trees hold must be there. */
function problemOfSize(meta: Meta, fileBytes: number): string | undefined {
  const { free, main, pageSize } = meta;
  const used = META_PAGES + [free, main].reduce((sum, tree) => sum + pagesOf(tree), 0);
  const needed = Math.max(used, free.root + 1, main.root + 1);
  return fileBytes < needed * pageSize ? `it was cut to ${fileBytes} bytes` : undefined;
}

function pagesOf({ branchPages, leafPages, overflowPages }: Tree): number {
  return branchPages + leafPages + overflowPages;
}
