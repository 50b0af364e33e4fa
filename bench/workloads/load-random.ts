import { nameOf, randomFrom } from "../../cli/bench/values.ts";
import { benchmarkHotPath } from "../hot-path.ts";
import { type Workload, withOpen } from "../workload.ts";

export const loadRandom: Workload = {
  name: "load-random",
  does: "load any of all artifacts, each as likely, decoded",
  shows: "rate",
  state: "full",
  run: (situation) =>
    withOpen(situation, (subject) => {
      const names = Array.from({ length: situation.filled }, (_, run) => nameOf(run));
      const random = randomFrom(situation.seed);
      return benchmarkHotPath(situation.bounds, () =>
        subject.load(names[Math.floor(random() * names.length)]!),
      );
    }),
};
