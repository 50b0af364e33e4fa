import { rmSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../helpers/random.ts";
import type { Parts } from "./power-cut-changes.ts";
import { checkState } from "./power-cut-check.ts";
import { Workload } from "./power-cut-workload.ts";

export const PROBLEMS_MAX = 20;
/** Of so many states one is taken as the start of another power cut, during its recovery. */
const DEEP_ONE_IN = 40;
/** Most of a check is spent waiting for other threads. */
const AT_ONCE = 3;
const SEGMENT_BYTES = [300, 1_000, 4_000, 20_000, 2 ** 28];
/** Of so many workloads one has directories and streams, and of so many one, whose seed this divides, values above 1 MiB too. */
const PARTS_ONE_IN = 5;
export const LARGE_ONE_IN = 50;
/** Some chunks fit into the middle one; the last one takes a value by one write. */
const SEGMENT_BYTES_OF_LARGE = [1_000, 150_000, 2 ** 28];

/** One workload and all states that were taken in it; gives what is wrong. Counts what was done. */
export async function runWorkload(
  seed: number,
  folder: string,
  counts: Record<string, number>,
): Promise<string[]> {
  const random = new Random("power cuts", seed);
  const count = (what: string, by = 1) => {
    counts[what] = (counts[what] ?? 0) + by;
  };
  const parts = partsOf(seed);
  const isLarge = parts === "large";
  const sizes = isLarge ? SEGMENT_BYTES_OF_LARGE : SEGMENT_BYTES;
  const segmentBytesMax = sizes[random.below(sizes.length)]!;
  const home = join(folder, `seed-${seed}`, ...(random.below(2) === 0 ? ["deep", "home"] : []));
  const workload = new Workload({
    home,
    random,
    steps: isLarge ? 6 + random.below(8) : 10 + random.below(30),
    draws: isLarge ? 1 : 1 + random.below(5),
    segmentBytesMax,
    faults: random.below(2) === 0,
    parts,
  });
  const problems: string[] = [];
  count("workloads");
  if (parts !== "none") count(`workloads with ${parts === "small" ? "directories" : "large values"}`);
  try {
    await workload.run();
  } catch (error) {
    problems.push(`the workload failed: ${(error as Error).stack}`);
  }
  problems.push(...workload.history.violations);
  for (const [what, by] of Object.entries(workload.counts)) count(what, by);
  count("states taken", workload.taken.count);
  rmSync(join(folder, `seed-${seed}`), { recursive: true, force: true });
  const states = workload.taken.distinct();
  let next = 0;
  const checkSome = async () => {
    while (next < states.length && problems.length < PROBLEMS_MAX) {
      const i = next++;
      // Its own, so that nothing depends on how long others take.
      const own = new Random("power cut", seed * 1_000_003 + i);
      const deep = own.below(DEEP_ONE_IN) === 0;
      count("states");
      const settings = { folder, random: own, segmentBytesMax, deep, hasParts: parts !== "none", count };
      problems.push(...(await checkState(states[i]!, settings)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, checkSome));
  return problems;
}

/** By the seed, so that few workloads have some too. */
function partsOf(seed: number): Parts {
  if (seed % LARGE_ONE_IN === 0) return "large";
  return seed % PARTS_ONE_IN === 1 ? "small" : "none";
}
