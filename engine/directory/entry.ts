/** What trees are made of, and how paths are ordered. */

/** What tells whether a file is still the one that was read. Never part of what a tree is: equal trees have equal digests. */
export interface Stamp {
  mtimeNs: bigint;
  ctimeNs: bigint;
  inode: bigint;
}

export interface FileEntry {
  kind: "file";
  path: string;
  size: number;
  executable: boolean;
  /** SHA-256 of the file's bytes, 32 bytes. */
  digest: Uint8Array;
  /** Of a file in chunks, which is one of more than 1 MiB: the digest of the root of their lists. */
  root?: Uint8Array;
}

/** What the contents of a file are found by. */
export type FileContent = Pick<FileEntry, "size" | "digest" | "root">;

export interface LinkEntry {
  kind: "link";
  path: string;
  target: string;
}

/** A folder with nothing in it. Others are there because of what is below them. */
export interface FolderEntry {
  kind: "directory";
  path: string;
}

export type TreeEntry = FileEntry | LinkEntry | FolderEntry;

/** What a system call takes at most, without the zero behind it. */
export const PATH_BYTES_MAX = 4_095;

/** An empty component, `.` or `..`: also the one before a slash at the beginning, or behind one at the end. */
const ODD_COMPONENT = /(?:^|\/)\.{0,2}(?:\/|$)/;
const SURROGATE_FIRST = 0xd800;
const BEHIND_SURROGATES_FIRST = 0xe000;

/** What entries are sorted by. An empty folder has a slash at its end, so that it stands where its contents would. */
export function keyOf(entry: { kind: string; path: string }): string {
  return entry.kind === "directory" ? `${entry.path}/` : entry.path;
}

/** Whether it leads from a folder to something below it, and nowhere else. */
export function isSoundPath(path: string): boolean {
  return !ODD_COMPONENT.test(path) && !path.includes("\0") && !isTooLong(path);
}

export function isTooLong(path: string): boolean {
  return path.length * 3 > PATH_BYTES_MAX && Buffer.byteLength(path) > PATH_BYTES_MAX;
}

/** The order of the texts' UTF-8, which is not that of JavaScript's comparison: there surrogates sort before U+E000. */
export function compareBytes(a: string, b: string): number {
  const shared = sharedLength(a, b);
  if (shared === a.length || shared === b.length) return a.length - b.length;
  return byteRank(a.charCodeAt(shared)) - byteRank(b.charCodeAt(shared));
}

/** Characters that both begin with. */
export function sharedLength(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}

function byteRank(unit: number): number {
  if (unit < SURROGATE_FIRST) return unit;
  return unit < BEHIND_SURROGATES_FIRST ? unit + 0x1_0000 : unit;
}

/** For messages: a newline or quote in a name must not be taken for one of the message. */
export const quoted = (path: string): string => JSON.stringify(path);
