import { measureOpens } from "../open-time.ts";
import type { Workload } from "../workload.ts";

export const openKilled: Workload = {
  name: "open-killed",
  does: "open a store whose process was killed while it saved, and load one artifact",
  shows: "time",
  state: "killed",
  run: (situation) => measureOpens(situation, 1),
};
