import { timeEach } from "../../cli/bench/measure.ts";
import { type Workload, withOpen } from "../workload.ts";

export const rebuild: Workload = {
  name: "rebuild",
  does: "make the index again from the log; counted in artifacts",
  shows: "rate",
  state: "full",
  needs: "rebuild",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const rebuilds = await timeEach(situation.bounds, () => subject.rebuild!());
      return { ...rebuilds, operations: rebuilds.operations * situation.filled };
    }),
};
