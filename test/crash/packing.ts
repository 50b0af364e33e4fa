import { setTimeout as sleep } from "node:timers/promises";
import { listGenerations } from "../../engine/maintenance/home.ts";

/** The index is packed by itself at each opportunity, however small it is: see `engine/idle-packing.ts`. */
export const PACKS_SOON = { look: 4, bytesMin: 0, growth: 0, sparedPart: -1_000 };

/** Mostly enough. */
const MILLISECONDS = 25;

/** Nobody writes for a moment: whether another index came of it. */
export async function isPackedSoon(home: string): Promise<boolean> {
  const newest = () => Math.max(...listGenerations(home));
  const before = newest();
  await sleep(MILLISECONDS);
  return newest() > before;
}
