import { standsFor } from "../../log/scan.ts";
import { listSuperseded, segmentGeneration, segmentNumber, syncNames } from "../../log/segment.ts";
import { removeRewriting } from "./publish.ts";
import type { RepointParts } from "./repoint.ts";
import { findStranded, repoint } from "./repoint.ts";
import type { Retirement } from "./retire.ts";
import { DamagedSource } from "./source.ts";

/** Old files that an earlier compaction left: rows are turned to the new ones, and the old ones go. */
export async function finishLeft(parts: RepointParts, retirement: Retirement): Promise<void> {
  const { files, folder, identity } = parts.parts;
  await parts.lock.hold(() => removeRewriting(parts.parts));
  const waiting = new Set(retirement.ids);
  const left = listSuperseded(files, folder, identity).filter((id) => !waiting.has(id));
  if (left.length === 0) return;
  // Who made the new one may have died before its name was on the disk.
  syncNames(files, folder);
  const covered = new Set<number>();
  for (const id of parts.ids) {
    const old = coveredBy(parts, id, left);
    for (const layer of layersOf(old)) await repointLayer(parts, layer, id);
    for (const each of old) covered.add(each);
  }
  const kept = await findStranded(parts, covered);
  for (const id of kept) covered.delete(id);
  if (covered.size > 0) await retirement.add(covered);
}

/** Those of `left` that `id`, which is in effect, stands for. */
function coveredBy({ reader }: RepointParts, id: number, left: readonly number[]): number[] {
  const generation = segmentGeneration(id);
  const segment = generation > 0 ? reader.readableSegment(id) : undefined;
  if (!segment) return [];
  return left.filter((old) => segmentGeneration(old) < generation && standsFor(segment, segmentNumber(old)));
}

/** Those of one generation lie side by side. */
function layersOf(ids: readonly number[]): number[][] {
  const generations = [...new Set(ids.map(segmentGeneration))].sort((a, b) => a - b);
  return generations.map((generation) => ids.filter((id) => segmentGeneration(id) === generation));
}

async function repointLayer(parts: RepointParts, layer: readonly number[], id: number): Promise<void> {
  try {
    await repoint(parts, layer, id);
  } catch (error) {
    // What can't be read is kept where a row names it.
    if (!(error instanceof DamagedSource)) throw error;
  }
}
