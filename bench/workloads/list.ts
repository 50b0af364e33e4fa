import { timeEach } from "../../cli/bench/measure.ts";
import { type Workload, withOpen } from "../workload.ts";

export const list: Workload = {
  name: "list",
  does: "go through all artifacts; counted in artifacts",
  shows: "rate",
  state: "full",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const listAll = async (): Promise<void> => {
        const count = await subject.list();
        if (count < situation.filled) throw new Error(`listed ${count} of ${situation.filled}`);
      };
      await listAll();
      const lists = await timeEach(situation.bounds, listAll);
      return { ...lists, operations: lists.operations * situation.filled };
    }),
};
