/** How long it takes from nothing to the first value. */

import type { Measurement } from "../cli/bench/measure.ts";
import { latencyOf, median } from "../cli/bench/statistics.ts";
import { nameOf } from "../cli/bench/values.ts";
import type { Situation } from "./workload.ts";

/** A scratch store is opened first, since loading a package's code is a matter of Node.js. Closing isn't measured. */
export async function measureOpens(situation: Situation, times: number): Promise<Measurement> {
  const scratch = await situation.openScratch();
  await scratch.close();
  const durations: number[] = [];
  const end = performance.now() + situation.bounds.seconds * 1_000;
  while (durations.length === 0 || (durations.length < times && performance.now() < end)) {
    const begin = performance.now();
    const subject = await situation.open();
    await subject.load(nameOf(0));
    durations.push(performance.now() - begin);
    await subject.close();
  }
  const seconds = (median(durations) * durations.length) / 1_000;
  return { operations: durations.length, seconds, latency: latencyOf(durations) };
}
