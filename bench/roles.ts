/** Processes that have a store open at the same time, each with a role: they begin together, and each is measured. */

import { CALLERS } from "../cli/bench/hot-paths.ts";
import { type Bounds, type Measurement, timeCallers, timeEach, timeTogether } from "../cli/bench/measure.ts";
import type { Latency } from "../cli/bench/statistics.ts";
import type { OpenSubject } from "../cli/bench/subject.ts";
import type { EntrySource } from "../cli/bench/values.ts";
import { randomNames } from "./random-names.ts";
import type { Role } from "./task.ts";
import type { Measured, Situation } from "./workload.ts";

const WARM_UP = 0.3;

/** What one process does. */
export async function playRole(
  role: Role,
  subject: OpenSubject,
  bounds: Bounds,
  { filled, seed, entries }: { filled: number; seed: number; entries: EntrySource },
): Promise<Measurement> {
  const warmUp = { ...bounds, seconds: bounds.seconds * WARM_UP };
  if (role === "reader") {
    const names = randomNames(filled, seed);
    const load = (index: number) => subject.load(names[index % names.length]!);
    await timeTogether(warmUp, load);
    return timeEach(bounds, load);
  }
  const write = (each: Bounds) =>
    subject.saveTogether ? writeWaves(subject, each, entries) : writeAlone(subject, each, entries);
  await write(warmUp);
  return write(bounds);
}

async function writeWaves(subject: OpenSubject, bounds: Bounds, entries: EntrySource): Promise<Measurement> {
  const waves = await timeEach(bounds, () => subject.saveTogether!(entries.take(CALLERS)));
  return { ...waves, operations: waves.operations * CALLERS };
}

function writeAlone(subject: OpenSubject, bounds: Bounds, entries: EntrySource): Promise<Measurement> {
  return timeCallers(CALLERS, bounds, () => {
    const { name, value } = entries.next();
    return subject.save(name, value);
  });
}

/** All of a role together; the latencies are those of the slowest process. */
export async function measureTogether(
  situation: Situation,
  roles: readonly Role[],
  counted: Role,
): Promise<Measured> {
  const all = await situation.inProcesses(roles);
  const parts = all.filter(({ role }) => role === counted);
  const seconds = Math.max(...parts.map(({ measurement }) => measurement.seconds));
  const rates = parts.map(({ measurement }) => measurement.operations / measurement.seconds);
  return {
    operations: rates.reduce((sum, rate) => sum + rate, 0) * seconds,
    seconds,
    latency: slowest(parts.map(({ measurement }) => measurement.latency!)),
    residentMax: Math.max(...all.map(({ residentMax }) => residentMax)),
  };
}

function slowest(latencies: readonly Latency[]): Latency {
  const most = (share: keyof Latency) => Math.max(...latencies.map((latency) => latency[share]));
  return { p50: most("p50"), p90: most("p90"), p99: most("p99"), p999: most("p999"), max: most("max") };
}
