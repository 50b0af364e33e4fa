import { timeEach } from "../../cli/bench/measure.ts";
import { nameOf, randomFrom } from "../../cli/bench/values.ts";
import { type Workload, withOpen } from "../workload.ts";

/** Names that differ in their last digits alone. */
const DIGITS = 2;
const NAMES = 10 ** DIGITS;

export const listPrefix: Workload = {
  name: "list-prefix",
  does: `go through the ${NAMES} artifacts whose names begin so; counted in artifacts`,
  shows: "rate",
  state: "full",
  needs: "listPrefix",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const random = randomFrom(situation.seed);
      const groups = Math.max(1, Math.floor(situation.filled / NAMES));
      const expected = Math.min(NAMES, situation.filled);
      const listSome = async (): Promise<void> => {
        const prefix = nameOf(Math.floor(random() * groups) * NAMES).slice(0, -DIGITS);
        const count = await subject.listPrefix!(prefix);
        if (count !== expected) throw new Error(`listed ${count} of ${expected}`);
      };
      await listSome();
      const lists = await timeEach(situation.bounds, listSome);
      return { ...lists, operations: lists.operations * expected };
    }),
};
