import { CALLERS, saveManyInFlight } from "../../cli/bench/hot-paths.ts";
import { type Workload, withOpen } from "../workload.ts";

export const save: Workload = {
  name: "save",
  does: `save new values durably, ${CALLERS} callers at a time`,
  shows: "rate",
  state: "empty",
  run: (situation) =>
    withOpen(situation, (subject) => saveManyInFlight(subject, situation.bounds, situation.entries())),
};
