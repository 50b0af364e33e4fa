import { opendirSync } from "node:fs";
import { keyOf } from "./entry.ts";
import type { IgnoreRules } from "./ignore.ts";
import type { Found } from "./scan.ts";
import { scanTree } from "./scan.ts";
import { SecondScan } from "./second-scan.ts";

/** A thread is there after some 50 ms, in which this many entries are saved without it. */
export const ENTRIES_MIN = 4_000;
const LISTED_AT_ONCE = 512;

export interface FindOptions {
  ignore: IgnoreRules;
  /** Whether it is known already that there are many. */
  isLarge: boolean;
  /** Whether small files are to be read as soon as they are found: asked now and then. */
  wantsContents(): boolean;
  signal: AbortSignal | undefined;
}

/**
 * As `scanTree`. Where there are many entries, and most files are to be read, another thread finds them, and reads small
 * files too: to look at those that are as they were takes no more of this one than to be told of them.
 */
export async function* findEntries(root: string, options: FindOptions): AsyncGenerator<Found[]> {
  const { ignore, signal, wantsContents } = options;
  let many: boolean | undefined = options.isLarge || undefined;
  let behind: string | undefined;
  if (!wantsContents()) {
    let isLeft = false;
    for await (const batch of scanTree(root, ignore, { signal })) {
      yield batch;
      if (!wantsContents()) continue;
      many ??= hasMany(root, ignore);
      behind = keyOf(batch.at(-1)!);
      isLeft = many;
      if (isLeft) break;
    }
    if (!isLeft) return;
  }
  if (many ?? hasMany(root, ignore)) {
    const second = SecondScan.start({ root, ignore: ignore.patterns, reads: true, behind }, signal);
    if (second && (yield* second.batches(wantsContents))) return;
  }
  yield* scanTree(root, ignore, { signal, behind });
}

/** Looks at no more than it takes to tell. What can't be read is told by who reads it. */
function hasMany(root: string, ignore: IgnoreRules): boolean {
  const folders = [""];
  let count = 0;
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    try {
      const handle = opendirSync(`${root}/${folder}`, { bufferSize: LISTED_AT_ONCE });
      try {
        for (let entry = handle.readSync(); entry; entry = handle.readSync()) {
          const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
          const isFolder = entry.isDirectory();
          if (ignore.matches(path, entry.name, isFolder)) continue;
          if (++count === ENTRIES_MIN) return true;
          if (isFolder) folders.push(path);
        }
      } finally {
        handle.closeSync();
      }
    } catch {
      return false;
    }
  }
  return false;
}
