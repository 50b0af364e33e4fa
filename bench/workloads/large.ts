import { timeEach } from "../../cli/bench/measure.ts";
import { latencyOf } from "../../cli/bench/statistics.ts";
import { randomPieces } from "../large/steps.ts";
import { type Filling, type Situation, type Workload, withOpen } from "../workload.ts";

const VALUES = 3;
const nameOf = (index: number): string => `large/${index}`;

/** No two have a piece in common: a store that cuts values would not write it again. */
function largeValue({ largeBytes }: Situation): Buffer {
  return Buffer.concat([...randomPieces(largeBytes)]);
}

const filling: Filling = {
  name: "large",
  async run(subject, situation) {
    for (let index = 0; index < VALUES; index++) await subject.save(nameOf(index), largeValue(situation));
  },
};

export const putLarge: Workload = {
  name: "put-large",
  does: "save a new value of 64 MiB of random bytes (or `--large-bytes`) that are in memory, durably",
  shows: "time",
  state: "empty",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      await subject.save(nameOf(0), largeValue(situation));
      const durations: number[] = [];
      for (let sum = 0; sum < situation.bounds.seconds * 1_000; sum += durations.at(-1)!) {
        const value = largeValue(situation);
        const begin = performance.now();
        await subject.save(nameOf(durations.length + 1), value);
        durations.push(performance.now() - begin);
      }
      const sum = durations.reduce((all, each) => all + each, 0);
      return { operations: durations.length, seconds: sum / 1_000, latency: latencyOf(durations) };
    }),
};

export const getLarge: Workload = {
  name: "get-large",
  does: "load such a value as a whole",
  shows: "time",
  state: "own",
  filling,
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const load = async (index: number): Promise<void> => {
        const value = (await subject.load(nameOf(index % VALUES))) as Uint8Array;
        if (value.length !== situation.largeBytes) throw new Error(`loaded ${value.length} bytes`);
      };
      await load(0);
      return timeEach(situation.bounds, load);
    }),
};
