import type { Fault } from "./fault.ts";

const COMPARE = "bench/targets/compare.ts";
const RUNNER = "bench/runner.ts";
const targets = ["bench/targets.test.ts"];
const runner = ["bench/runner.test.ts"];

/** Of the benchmark: what would make it say something that was not measured. */
export const benchFaults: Fault[] = [
  {
    name: "a time that takes too long meets its target",
    file: COMPARE,
    text: "(isTime ? ratio <= aim : ratio >= aim)",
    replacement: "(ratio >= aim)",
    tests: targets,
  },
  {
    name: "a ratio is taken of rounds that did not take turns",
    file: COMPARE,
    text: "const other = peer.rounds[at];",
    replacement: "const other = peer.rounds[0];",
    tests: targets,
  },
  {
    name: "the best round decides about a target",
    file: COMPARE,
    text: "isMet(ratio.median)",
    replacement: "isMet(ratio.max)",
    tests: targets,
  },
  {
    name: "what is saved into a store that stays is there already from the round before",
    file: RUNNER,
    text: "filled + additions * NEW_ENTRIES",
    replacement: "filled",
    tests: runner,
  },
  {
    name: "a store that is read grows between the rounds",
    file: RUNNER,
    text: "await this.#runRounds(measuring.filter((cell) => !isAdding(cell)));\n    await this.#runRounds(measuring.filter(isAdding));",
    replacement: "await this.#runRounds(measuring);",
    tests: runner,
  },
];
