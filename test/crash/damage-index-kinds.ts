/** What can happen to a file of LMDB, by the part of it that is hit. */
import type { Random } from "../helpers/random.ts";

const PAGE_BYTES = 4096;
const HEADER_BYTES = 24;
const NONE = 0xffff_ffff_ffff_ffffn;

export type PageKind = "meta" | "branch" | "leaf" | "overflow" | "freelist" | "unused";

/** What each page of `data` is, following the newer of its two metas; undefined where it can't be followed. */
export function pageKinds(data: Buffer): PageKind[] {
  const kinds: PageKind[] = Array.from({ length: data.length / PAGE_BYTES }, () => "unused");
  kinds.fill("meta", 0, 2);
  const meta = newerMeta(data) * PAGE_BYTES + HEADER_BYTES;
  walk(data, data.readBigUInt64LE(meta + 24 + 40), kinds, "freelist");
  walk(data, data.readBigUInt64LE(meta + 24 + 48 + 40), kinds, undefined);
  return kinds;
}

function newerMeta(data: Buffer): 0 | 1 {
  const transaction = (page: number) => data.readBigUInt64LE(page * PAGE_BYTES + HEADER_BYTES + 128);
  return transaction(0) > transaction(1) ? 0 : 1;
}

function walk(data: Buffer, root: bigint, kinds: PageKind[], named: PageKind | undefined): void {
  if (root === NONE || root >= BigInt(kinds.length)) return;
  const page = Number(root);
  const at = page * PAGE_BYTES;
  const flags = data.readUInt16LE(at + 18);
  const isBranch = (flags & 1) !== 0;
  kinds[page] = named ?? (isBranch ? "branch" : flags & 4 ? "overflow" : "leaf");
  // Offsets within a page count from the end of its header.
  const nodes = data.readUInt16LE(at + 20) / 2;
  for (let i = 0; i < nodes; i++) {
    const node = at + HEADER_BYTES + data.readUInt16LE(at + HEADER_BYTES + i * 2);
    const nodeFlags = data.readUInt16LE(node + 4);
    if (isBranch) walk(data, BigInt(data.readUInt32LE(node)) + (BigInt(nodeFlags) << 32n), kinds, named);
    else if (nodeFlags & 1) {
      const big = data.readBigUInt64LE(node + 8 + data.readUInt16LE(node + 6));
      if (big < BigInt(kinds.length)) kinds[Number(big)] = named ?? "overflow";
    }
  }
}

export type Hit = "header" | "pointers" | "nodes" | "all";

/** The bytes of a page that are in use, by what they say. */
function rangeOf(data: Buffer, page: number, kind: PageKind, hit: Hit): [from: number, to: number] {
  const at = page * PAGE_BYTES;
  if (kind === "meta") return [at, at + HEADER_BYTES + 136];
  if (hit === "header") return [at, at + HEADER_BYTES];
  if (hit === "all") return [at, at + PAGE_BYTES];
  const inner = at + HEADER_BYTES;
  if (hit === "pointers") return [inner, inner + Math.max(1, data.readUInt16LE(at + 20))];
  return [Math.min(inner + data.readUInt16LE(at + 22), at + PAGE_BYTES - 1), at + PAGE_BYTES];
}

export interface Changed {
  what: string;
  bytes: Buffer | undefined;
}

/** Flips one bit of a page of this kind; undefined when there is none. */
export function flipInPage(data: Buffer, kind: PageKind, hit: Hit, random: Random): Changed | undefined {
  const page = pickPage(data, kind, random);
  if (page === undefined) return undefined;
  const [from, to] = rangeOf(data, page, kind, hit);
  const offset = from + random.below(to - from);
  const bit = random.below(8);
  const bytes = Buffer.from(data);
  bytes[offset]! ^= 1 << bit;
  return { what: `bit ${bit} of byte ${offset - page * PAGE_BYTES} of page ${page} (${kind})`, bytes };
}

export type Overwrite = "garbage" | "zeros" | "ones" | "another page";

export function overwritePage(
  data: Buffer,
  kind: PageKind,
  by: Overwrite,
  random: Random,
): Changed | undefined {
  const page = pickPage(data, kind, random);
  if (page === undefined) return undefined;
  const bytes = Buffer.from(data);
  const into = bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
  if (by === "garbage") random.bytes(PAGE_BYTES).copy(into);
  else if (by === "another page") {
    const other = random.below(data.length / PAGE_BYTES);
    data.copy(into, 0, other * PAGE_BYTES, (other + 1) * PAGE_BYTES);
  } else into.fill(by === "zeros" ? 0 : 0xff);
  return { what: `${by} over page ${page} (${kind})`, bytes };
}

export function resize(data: Buffer, how: "cut" | "cut at a page" | "lengthened", random: Random): Changed {
  if (how === "lengthened") {
    const more = random.bytes(1 + random.below(3 * PAGE_BYTES));
    return { what: `lengthened by ${more.length}`, bytes: Buffer.concat([data, more]) };
  }
  let size = random.below(data.length);
  if (how === "cut at a page") size -= size % PAGE_BYTES;
  return { what: `cut to ${size}`, bytes: data.subarray(0, size) };
}

function pickPage(data: Buffer, kind: PageKind, random: Random): number | undefined {
  const pages = pageKinds(data).flatMap((found, page) => (found === kind ? [page] : []));
  return pages.length === 0 ? undefined : pages[random.below(pages.length)];
}

/** The older of the two metas over the newer: the state before the last transaction. */
export function olderState(data: Buffer): Buffer {
  const bytes = Buffer.from(data);
  const [from, to] = newerMeta(data) === 0 ? [1, 0] : [0, 1];
  const body = data.subarray(from * PAGE_BYTES + HEADER_BYTES, (from + 1) * PAGE_BYTES);
  body.copy(bytes, to * PAGE_BYTES + HEADER_BYTES);
  return bytes;
}
