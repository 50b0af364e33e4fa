import { measureOpens } from "../open-time.ts";
import type { Workload } from "../workload.ts";

export const open: Workload = {
  name: "open",
  does: "open a store that was closed, and load one artifact",
  shows: "time",
  state: "full",
  run: (situation) => measureOpens(situation, Number.POSITIVE_INFINITY),
};
