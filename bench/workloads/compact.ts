import { latencyOf } from "../../cli/bench/statistics.ts";
import { type Workload, withOpen } from "../workload.ts";

const ARTIFACTS_MAX = 20_000;

export const compact: Workload = {
  name: "compact",
  does: "give the space of every second artifact back, which was deleted; counted in artifacts there were",
  shows: "rate",
  state: "empty",
  needs: "compact",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const count = Math.min(situation.artifacts, ARTIFACTS_MAX);
      for (const some of situation.entries().takeInParts(count)) {
        await subject.fill(some);
        const names = some.filter((_, at) => at % 2 === 0).map(({ name }) => name);
        await (subject.removeTogether?.(names) ?? Promise.all(names.map((name) => subject.remove!(name))));
      }
      const begin = performance.now();
      await subject.compact!();
      const taken = performance.now() - begin;
      return { operations: count, seconds: taken / 1_000, latency: latencyOf([taken]) };
    }),
};
