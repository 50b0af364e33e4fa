import { opendirSync } from "node:fs";
import type { IgnoreRules } from "./ignore.ts";

/** A thread is there after some 50 ms, in which this many entries are saved without it. */
export const ENTRIES_MIN = 4_000;
const LISTED_AT_ONCE = 512;

/** Looks at no more than it takes to tell. What can't be read is told by who reads it. */
export function hasMany(root: string, ignore: IgnoreRules): boolean {
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
