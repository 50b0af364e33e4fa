import { benchmarkHotPath } from "../hot-path.ts";
import { randomNames } from "../random-names.ts";
import { type Workload, withOpen } from "../workload.ts";

export const loadRandom: Workload = {
  name: "load-random",
  does: "load any of all artifacts, each as likely, decoded",
  shows: "rate",
  state: "full",
  run: (situation) =>
    withOpen(situation, (subject) => {
      const names = randomNames(situation.filled, situation.seed);
      return benchmarkHotPath(situation.bounds, (index) => subject.load(names[index % names.length]!));
    }),
};
