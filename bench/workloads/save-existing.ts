import { CALLERS, saveManyInFlight } from "../../cli/bench/hot-paths.ts";
import { type Workload, withOpen } from "../workload.ts";

export const saveExisting: Workload = {
  name: "save-existing",
  does: `as save, values that are stored already, under new names, ${CALLERS} callers at a time`,
  shows: "rate",
  state: "empty",
  run: (situation) =>
    withOpen(situation, (subject) =>
      // The warm-up saves each of them for the first time.
      saveManyInFlight(subject, situation.bounds, situation.entries({ repeating: true })),
    ),
};
