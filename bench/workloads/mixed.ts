import { CALLERS } from "../../cli/bench/hot-paths.ts";
import { type Bounds, type Measurement, timeCallers, timeEach } from "../../cli/bench/measure.ts";
import type { OpenSubject } from "../../cli/bench/subject.ts";
import type { EntrySource } from "../../cli/bench/values.ts";
import { randomNames } from "../random-names.ts";
import { type Workload, withOpen } from "../workload.ts";

/** Every so manieth operation is a save. */
const SAVE_EACH = 10;
const WARM_UP = 0.3;

export const mixed: Workload = {
  name: "mixed",
  does: `of any ${SAVE_EACH} operations ${SAVE_EACH - 1} load any artifact and one saves a new one, ${CALLERS} callers at a time`,
  shows: "rate",
  state: "growing",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const names = randomNames(situation.filled, situation.seed);
      const entries = situation.entries();
      const measure = subject.saveTogether ? measureWaves : measureCallers;
      const { bounds } = situation;
      await measure(subject, { ...bounds, seconds: bounds.seconds * WARM_UP }, names, entries);
      return measure(subject, bounds, names, entries);
    }),
};

function measureCallers(
  subject: OpenSubject,
  bounds: Bounds,
  names: readonly string[],
  entries: EntrySource,
): Promise<Measurement> {
  return timeCallers(CALLERS, bounds, (index) => {
    if (index % SAVE_EACH !== 0) return subject.load(names[index % names.length]!);
    const { name, value } = entries.next();
    return subject.save(name, value);
  });
}

/** For a store that is better off with the saves of all callers together. */
async function measureWaves(
  subject: OpenSubject,
  bounds: Bounds,
  names: readonly string[],
  entries: EntrySource,
): Promise<Measurement> {
  let at = 0;
  const waves = await timeEach(bounds, async () => {
    const saved = subject.saveTogether!(entries.take(CALLERS / SAVE_EACH));
    for (const end = at + CALLERS - CALLERS / SAVE_EACH; at < end; at++) {
      const loaded = subject.load(names[at % names.length]!);
      if (loaded instanceof Promise) await loaded;
    }
    await saved;
  });
  return { ...waves, operations: waves.operations * CALLERS };
}
