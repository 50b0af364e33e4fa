import { lstatSync, statSync } from "node:fs";
import { join } from "node:path";
import { Catalog } from "../index/catalog.ts";
import { isIndexDamage } from "../index/damage.ts";
import { inspectTree, UNKNOWN_FORMAT } from "../index/inspect.ts";
import { cleanPosition, markClean, trustIn } from "../index/mark.ts";
import { isRowSound } from "../index/rows.ts";
import { checksum } from "../log/checksum.ts";
import type { LogIdentity, LogPosition } from "../log/segment.ts";
import { listSegments } from "../log/segment.ts";
import { segmentGeneration, segmentNumber } from "../log/segment-id.ts";
import type { Home } from "./home.ts";
import { indexFolder, listGenerations, logFolder } from "./home.ts";

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
  const trust = trustIn(folder, (segment) => rewrittenUpTo(home, segment, identity));
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

/** Calls a generation clean that has the log up to `position`, once it is on the disk. Only while nobody can write to it. */
export function markGeneration(
  home: Home,
  generation: number,
  position: LogPosition,
  identity: LogIdentity,
): void {
  const rewritten = rewrittenUpTo(home, position.segment, identity);
  markClean(indexFolder(home.folder, generation), position, rewritten);
}

/**
 * Tells which files stand for the log up to a segment, of those that were rewritten: what an index says of places holds for
 * these alone. "" where none was. Those that were not are not counted: one that was lost leaves the others in their places.
 */
function rewrittenUpTo(home: Home, last: number, identity: LogIdentity): string {
  const rewritten = listSegments(home.files, logFolder(home.folder), identity).filter(
    (id) => segmentGeneration(id) > 0 && segmentNumber(id) <= segmentNumber(last),
  );
  if (rewritten.length === 0) return "";
  return checksum(Buffer.from(rewritten.join(" ")), 0n).toString(16);
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
