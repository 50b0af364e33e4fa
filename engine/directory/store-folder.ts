import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { segmentOfName } from "../log/segment-id.ts";

/** Of a reader that keeps an index of its own for a while. */
const PRIVATE_INDEX = /^varve-index-/;
const INDEX_FILE = /\.mdb$/;

/**
 * Whether `folder` is the home of a store or engine, or such an index. It is told by its log or its locks, not by names that
 * other folders have too. Only names are looked at: who opens a file of LMDB and closes it drops all locks of its process.
 */
export function isStoreFolder(folder: string): boolean {
  if (PRIVATE_INDEX.test(folder.slice(folder.lastIndexOf("/") + 1))) return namesIn(folder).some(isIndexFile);
  // Of the many folders that are none, without the cost of an error each.
  if (!existsSync(join(folder, "log"))) return false;
  const log = namesIn(join(folder, "log"));
  if (log.some((name) => segmentOfName(name) !== undefined)) return true;
  return log.length === 0 && namesIn(join(folder, "lock")).some(isIndexFile);
}

const isIndexFile = (name: string): boolean => INDEX_FILE.test(name);

/** None where that is no folder, or may not be read. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
