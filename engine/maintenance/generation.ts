import { lstatSync, statSync } from "node:fs";
import { join } from "node:path";
import { Catalog } from "../index/catalog.ts";
import { isIndexDamage } from "../index/damage.ts";
import { inspectTree, UNKNOWN_FORMAT } from "../index/inspect.ts";
import { cleanPosition, trustIn } from "../index/mark.ts";
import { isRowSound } from "../index/rows.ts";
import type { LogIdentity } from "../log/segment.ts";
import type { Home } from "./home.ts";
import { indexFolder, listGenerations } from "./home.ts";

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
  if (!isFile(join(folder, "data.mdb")) || isNoFile(join(folder, "lock.mdb"))) return undefined;
  const trust = trustIn(folder);
  if (!trust || (trust === "boot" && left && isDamaged(join(folder, "data.mdb")))) return undefined;
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

/** How far of the log is in the generations that were put on the disk; the newest state first. */
export function cleanPositions(home: Home): { generation: number; position: { sequence: number } }[] {
  return listGenerations(home.folder)
    .flatMap((generation) => {
      const position = cleanPosition(indexFolder(home.folder, generation));
      return position ? [{ generation, position }] : [];
    })
    .sort((a, b) => b.position.sequence - a.position.sequence || b.generation - a.generation);
}

/** What is known to have been on the disk from elsewhere than the log. */
export function knownDurable(home: Home): number {
  return cleanPositions(home)[0]?.position.sequence ?? 0;
}

/** To look through so much takes some ten milliseconds. */
const INSPECTED_BYTES_MAX = 4 * 1024 * 1024;

function isDamaged(path: string): boolean {
  if (statSync(path).size > INSPECTED_BYTES_MAX) return false;
  const problem = inspectTree(path, isRowSound);
  return problem !== undefined && !problem.startsWith(UNKNOWN_FORMAT);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** LMDB makes a lock file where there is none. */
const isNoFile = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined && !isFile(path);
