/** The hot paths, measured the same way for every subject. */

import { type Bounds, type Measurement, timeCallers, timeEach, timeTogether } from "./measure.ts";
import type { OpenSubject } from "./subject.ts";
import { type EntrySource, nameOf, randomFrom } from "./values.ts";

export const HOT_NAMES = 1_000;
export const CALLERS = 1_000;
const WARM_UP = 0.3;

/** Gives the time of all operations together, and the latencies of a second, shorter pass. */
async function measureLoads(bounds: Bounds, load: (index: number) => unknown): Promise<Measurement> {
  await timeTogether({ ...bounds, seconds: bounds.seconds * WARM_UP }, load);
  const together = await timeTogether(bounds, load);
  const each = await timeEach({ ...bounds, seconds: bounds.seconds / 4 }, load);
  return { ...together, latency: each.latency! };
}

/** The first names in turn, decoded. */
export function loadInTurn(subject: OpenSubject, bounds: Bounds, names = HOT_NAMES): Promise<Measurement> {
  const all = Array.from({ length: names }, (_, run) => nameOf(run));
  return measureLoads(bounds, (index) => subject.load(all[index % names]!));
}

/** Any of the names, uniformly, decoded. */
export function loadAtRandom(
  subject: OpenSubject,
  bounds: Bounds,
  names: number,
  seed: number,
): Promise<Measurement> {
  const all = Array.from({ length: names }, (_, run) => nameOf(run));
  const random = randomFrom(seed);
  return measureLoads(bounds, () => subject.load(all[Math.floor(random() * names)]!));
}

async function withWarmUp(
  bounds: Bounds,
  run: (bounds: Bounds) => Promise<Measurement>,
): Promise<Measurement> {
  await run({ ...bounds, seconds: bounds.seconds * WARM_UP });
  return run(bounds);
}

/** The next save begins when the last is durable. */
export function saveOneByOne(
  subject: OpenSubject,
  bounds: Bounds,
  entries: EntrySource,
): Promise<Measurement> {
  return withWarmUp(bounds, (each) =>
    timeEach(each, () => {
      const { name, value } = entries.next();
      return subject.save(name, value);
    }),
  );
}

/** A thousand callers at a time; for a store with a better way, a thousand entries together. */
export function saveManyInFlight(
  subject: OpenSubject,
  bounds: Bounds,
  entries: EntrySource,
): Promise<Measurement> {
  if (subject.saveTogether) return withWarmUp(bounds, (each) => timeWaves(subject, each, entries));
  return withWarmUp(bounds, (each) =>
    timeCallers(CALLERS, each, () => {
      const { name, value } = entries.next();
      return subject.save(name, value);
    }),
  );
}

async function timeWaves(subject: OpenSubject, bounds: Bounds, entries: EntrySource): Promise<Measurement> {
  const waves = await timeEach({ ...bounds, operations: bounds.operations / CALLERS }, () =>
    subject.saveTogether!(entries.take(CALLERS)),
  );
  return { ...waves, operations: waves.operations * CALLERS };
}
