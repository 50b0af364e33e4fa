import { CALLERS, saveManyInFlight } from "../../cli/bench/hot-paths.ts";
import { type Workload, withOpen } from "../workload.ts";

/** A store should not grow much by what measures it. */
const SHARE = 4;
const OPERATIONS_MIN = 5_000;

export const saveFull: Workload = {
  name: "save-full",
  does: `as save, into a store that has all artifacts, ${CALLERS} callers at a time`,
  shows: "rate",
  state: "growing",
  run: (situation) =>
    withOpen(situation, (subject) => {
      const operations = Math.max(OPERATIONS_MIN, Math.ceil(situation.filled / SHARE));
      return saveManyInFlight(subject, { ...situation.bounds, operations }, situation.entries());
    }),
};
