import { mkdirSync, rmSync } from "node:fs";
import { Catalog } from "../index/catalog.ts";
import { indexDamage } from "../index/damage.ts";
import { syncIndex } from "../index/mark.ts";
import type { SharedState } from "../index/shared-state.ts";
import type { LogIdentity, LogPosition } from "../log/segment.ts";
import { isSuperseded, segmentPath } from "../log/segment.ts";
import type { Home } from "./home.ts";
import { indexFolder, logFolder, nextGeneration } from "./home.ts";

/**
 * A checkpoint is a copy of the index that is on the disk and marked clean: another generation beside the one in use.
 * After an unclean reboot it is brought up to the end of the log, instead of making the index from the whole of it.
 */

/** A copy costs as much as the index is long, so it must spare a part of that. */
const PART_OF_LOG = 4;
/** An index is grown when rows take less than this part of its file. */
const USED_PART_MIN = 4;
const GROWN_BYTES_MIN = 64 * 1024 * 1024;

export function isCheckpointDue(home: Home, { tail, checkpointSequence }: SharedState): boolean {
  const due = Math.max(home.checkpointBatchesMin, tail.sequence / PART_OF_LOG);
  return tail.sequence - checkpointSequence >= due;
}

/** Whether most of the file is free pages: a reader held a state for long while others wrote. */
export function isGrown(catalog: Catalog): boolean {
  const { fileBytes, usedBytes } = catalog.size();
  return fileBytes > GROWN_BYTES_MIN && fileBytes > usedBytes * USED_PART_MIN;
}

/** Whether a copy leaves as much free as it takes: it spares time once, and must not cost a save its room. */
export function hasRoomFor(home: Home, catalog: Catalog): boolean {
  return home.files.freeBytes(home.folder) > 2 * catalog.size().fileBytes;
}

/** Under the lock: where a copy is to go. Its number is taken by the folder being there. */
export function reserveGeneration(home: Home): number {
  const generation = nextGeneration(home.folder);
  mkdirSync(indexFolder(home.folder, generation), { mode: 0o700 });
  return generation;
}

/** Copies `catalog` to the reserved generation and puts it on the disk, on other threads. Gives how far of the log it has. */
export async function copyIndex(
  home: Home,
  catalog: Catalog,
  generation: number,
  identity: LogIdentity,
): Promise<LogPosition> {
  const folder = indexFolder(home.folder, generation);
  await catalog.copyTo(folder);
  const copy = new Catalog(folder);
  const applied = copy.applied();
  await copy.release();
  if (applied === undefined) throw indexDamage("the copy of the index has no position");
  await syncIndex(folder);
  // The index must not know more than the log after a power cut. Earlier segments were synced before this one was made.
  const log = logFolder(home.folder);
  // And one that was rewritten since was on the disk. Of an empty log there is nothing.
  if (applied.segment === 0 || isSuperseded(home.files, log, applied.segment, identity)) return applied;
  const file = home.files.open(segmentPath(log, applied.segment), "read");
  try {
    await file.syncAsync();
  } finally {
    file.close();
  }
  return applied;
}

/** What can't be removed now goes with a later one: without a mark nobody opens it. */
export function dropGeneration(home: Home, generation: number): void {
  try {
    rmSync(indexFolder(home.folder, generation), { recursive: true, force: true });
  } catch (error) {
    home.onTrouble("a copy of the index could not be removed", error);
  }
}
