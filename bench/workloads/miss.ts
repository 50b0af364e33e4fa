import { benchmarkHotPath } from "../hot-path.ts";
import { randomNames } from "../random-names.ts";
import { type Workload, withOpen } from "../workload.ts";

export const miss: Workload = {
  name: "miss",
  does: "ask whether there is a name that is not there, between names that are",
  shows: "rate",
  state: "full",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const names = randomNames(situation.filled, situation.seed).map((name) => `${name}/none`);
      if ((await subject.has(names[0]!)) !== false) throw new Error(`${names[0]} is there`);
      return benchmarkHotPath(situation.bounds, (index) => subject.has(names[index % names.length]!));
    }),
};
