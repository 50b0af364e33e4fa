import { timeEach } from "../../cli/bench/measure.ts";
import { randomFrom } from "../../cli/bench/values.ts";
import { type Filling, type Workload, withOpen } from "../workload.ts";

const TAGS = 100;

const filling: Filling = {
  name: "tagged",
  async run(subject, { filled, entries }) {
    for (const some of entries().takeInParts(filled))
      await subject.fillTagged!(some, ({ value }) => String(value.run % TAGS));
  },
};

export const listTag: Workload = {
  name: "list-tag",
  does: `go through the artifacts with one of ${TAGS} tags, among all; counted in those it gives`,
  shows: "rate",
  state: "own",
  filling,
  needs: "listTag",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const random = randomFrom(situation.seed);
      let given = 0;
      const listSome = async (): Promise<void> => {
        const count = await subject.listTag!(String(Math.floor(random() * TAGS)));
        if (count === 0) throw new Error("listed nothing");
        given += count;
      };
      await listSome();
      given = 0;
      const lists = await timeEach(situation.bounds, listSome);
      return { ...lists, operations: given };
    }),
};
