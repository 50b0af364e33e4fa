/** What differs between two directories, entry by entry. */

import type { CallOptions, Directory, DirectoryEntry } from "../../engine/main.ts";
import { CHANGES_MAX, type Change, type Changes } from "./changes.ts";
import type { Side } from "./side.ts";

/** Both are gone through in step, since both are in one order: they may have any number of entries. */
export async function directoryChanges(from: Directory, to: Directory, call: CallOptions): Promise<Changes> {
  const changes: Change[] = [];
  let count = 0;
  const note = (path: string, a: DirectoryEntry | undefined, b: DirectoryEntry | undefined) => {
    if (a && b && isSame(a, b)) return;
    if (++count > CHANGES_MAX) return;
    changes.push({ path, ...(a && { from: sideOf(a) }), ...(b && { to: sideOf(b) }) });
  };
  const [left, right] = [entriesOf(from, call), entriesOf(to, call)];
  let [a, b] = [await nextOf(left), await nextOf(right)];
  while (a || b) {
    const order = !a ? 1 : !b ? -1 : Buffer.compare(keyOf(a), keyOf(b));
    note((order <= 0 ? a : b)!.path, order <= 0 ? a : undefined, order >= 0 ? b : undefined);
    if (order <= 0) a = await nextOf(left);
    if (order >= 0) b = await nextOf(right);
  }
  return { count, changes };
}

/** What entries are in order of: an empty folder is where what would be in it is. */
function keyOf({ path, kind }: DirectoryEntry): Buffer {
  return Buffer.from(kind === "directory" ? `${path}/` : path);
}

function entriesOf(directory: Directory, call: CallOptions): AsyncIterator<DirectoryEntry> {
  return directory.list(undefined, call)[Symbol.asyncIterator]();
}

async function nextOf(entries: AsyncIterator<DirectoryEntry>): Promise<DirectoryEntry | undefined> {
  const next = await entries.next();
  return next.done ? undefined : next.value;
}

function isSame(a: DirectoryEntry, b: DirectoryEntry): boolean {
  return a.kind === b.kind && a.digest === b.digest && a.executable === b.executable && a.target === b.target;
}

function sideOf({ kind, size, executable, target, digest }: DirectoryEntry): Side {
  if (kind === "file") return { type: executable ? "executable file" : "file", size, digest: digest! };
  return { value: kind === "link" ? `link to ${target}` : "empty folder" };
}
