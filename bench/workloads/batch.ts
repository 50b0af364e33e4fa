import { timeEach } from "../../cli/bench/measure.ts";
import { type Workload, withOpen } from "../workload.ts";

const BATCH = 1_000;
const WARM_UP = 0.3;

export const batch: Workload = {
  name: "batch",
  does: `save ${BATCH} new values, all or none; counted in values`,
  shows: "rate",
  state: "empty",
  needs: "saveBatch",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const { bounds } = situation;
      const entries = situation.entries();
      const one = (): unknown => subject.saveBatch!(entries.take(BATCH));
      await timeEach({ ...bounds, seconds: bounds.seconds * WARM_UP }, one);
      const batches = await timeEach(bounds, one);
      return { ...batches, operations: batches.operations * BATCH };
    }),
};
