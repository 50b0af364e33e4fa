import { timeEach } from "../../cli/bench/measure.ts";
import { randomFrom } from "../../cli/bench/values.ts";
import { benchmarkHotPath } from "../hot-path.ts";
import { type Filling, type Workload, withOpen } from "../workload.ts";

const VERSIONS_MAX = 10_000;
const NAME = "model/versions";
const REFS = 100_000;

const countOf = (artifacts: number): number => Math.min(VERSIONS_MAX, artifacts);

const filling: Filling = {
  name: "versions",
  async run(subject, { filled, entries }) {
    for (const some of entries().takeInParts(countOf(filled)))
      await subject.saveBatch!(some.map(({ value }) => ({ name: NAME, value })));
  },
};

export const versions: Workload = {
  name: "versions",
  does: `go through the versions of one name that has ${VERSIONS_MAX}; counted in versions`,
  shows: "rate",
  state: "own",
  filling,
  needs: "listVersions",
  run: (situation) =>
    withOpen(situation, async (subject) => {
      const expected = countOf(situation.filled);
      const listAll = async (): Promise<void> => {
        const count = await subject.listVersions!(NAME);
        if (count !== expected) throw new Error(`listed ${count} of ${expected}`);
      };
      await listAll();
      const lists = await timeEach(situation.bounds, listAll);
      return { ...lists, operations: lists.operations * expected };
    }),
};

export const loadVersion: Workload = {
  name: "load-version",
  does: `load any version of one name that has ${VERSIONS_MAX}, decoded`,
  shows: "rate",
  state: "own",
  filling,
  needs: "listVersions",
  run: (situation) =>
    withOpen(situation, (subject) => {
      const random = randomFrom(situation.seed);
      const count = countOf(situation.filled);
      const refs = Array.from({ length: REFS }, () => `${NAME}:${Math.floor(random() * count)}`);
      return benchmarkHotPath(situation.bounds, (index) => subject.load(refs[index % REFS]!));
    }),
};
