import { saveOneByOne } from "../../cli/bench/hot-paths.ts";
import { type Workload, withOpen } from "../workload.ts";

export const saveOne: Workload = {
  name: "save-one",
  does: "save new values durably, the next when the last is done",
  shows: "rate",
  state: "empty",
  run: (situation) =>
    withOpen(situation, (subject) => saveOneByOne(subject, situation.bounds, situation.entries())),
};
