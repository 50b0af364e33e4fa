import { setImmediate } from "node:timers/promises";
import { CALLERS } from "../../cli/bench/hot-paths.ts";
import type { Measurement } from "../../cli/bench/measure.ts";
import { latencyOf } from "../../cli/bench/statistics.ts";
import type { OpenSubject } from "../../cli/bench/subject.ts";
import { type Situation, type Workload, withOpen } from "../workload.ts";

export const remove: Workload = {
  name: "delete",
  does: `delete what was saved before, durably, ${CALLERS} callers at a time`,
  shows: "rate",
  state: "empty",
  needs: "remove",
  run: (situation) => withOpen(situation, (subject) => measureWaves(subject, situation)),
};

/** What is deleted in a wave is saved before it, unmeasured. */
async function measureWaves(subject: OpenSubject, situation: Situation): Promise<Measurement> {
  const entries = situation.entries();
  const durations: number[] = [];
  let sum = 0;
  for (let wave = 0; sum < situation.bounds.seconds * 1_000; wave++) {
    const some = entries.take(CALLERS);
    await subject.fill(some);
    await setImmediate();
    const names = some.map(({ name }) => name);
    const begin = performance.now();
    await (subject.removeTogether?.(names) ?? Promise.all(names.map((name) => subject.remove!(name))));
    const taken = performance.now() - begin;
    // The first warms up.
    if (wave === 0) continue;
    durations.push(taken);
    sum += taken;
  }
  return { operations: durations.length * CALLERS, seconds: sum / 1_000, latency: latencyOf(durations) };
}
