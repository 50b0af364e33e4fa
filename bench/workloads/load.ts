import { HOT_NAMES } from "../../cli/bench/hot-paths.ts";
import { nameOf } from "../../cli/bench/values.ts";
import { benchmarkHotPath } from "../hot-path.ts";
import { type Workload, withOpen } from "../workload.ts";

export const load: Workload = {
  name: "load",
  does: `load ${HOT_NAMES} names in turn, decoded`,
  shows: "rate",
  state: "hot",
  run: (situation) =>
    withOpen(situation, (subject) => {
      const names = Array.from({ length: situation.filled }, (_, run) => nameOf(run));
      return benchmarkHotPath(situation.bounds, (index) => subject.load(names[index % names.length]!));
    }),
};
