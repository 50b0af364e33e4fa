import { statSync } from "node:fs";
import { join } from "node:path";
import { Catalog } from "../index/catalog.ts";
import { isIndexDamage } from "../index/damage.ts";
import { isTrusted } from "../index/mark.ts";
import type { LogIdentity } from "../log/segment.ts";
import type { Home } from "./home.ts";
import { indexFolder } from "./home.ts";

/**
 * The index of a generation, if it is what was written there, for this log, by a version that has the same rows.
 * A file that LMDB could die of is not given to it. Only under the lock.
 * @param left nobody has it open, and the last one may have left without a word
 */
export function openGeneration(
  home: Home,
  generation: number,
  identity: LogIdentity,
  left: boolean,
): Catalog | undefined {
  const folder = indexFolder(home.folder, generation);
  if (!isFile(join(folder, "data.mdb")) || !isTrusted(folder)) return undefined;
  let catalog: Catalog | undefined;
  try {
    catalog = new Catalog(folder, home.closing);
    if (catalog.applied() !== undefined && catalog.storeId() === identity.storeId) return catalog;
    void catalog.release();
  } catch (error) {
    if (!isIndexDamage(error)) throw error;
    catalog?.abandon();
  }
  return undefined;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
