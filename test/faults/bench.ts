import type { Fault } from "./fault.ts";

const COMPARE = "bench/targets/compare.ts";
const RUNNER = "bench/runner.ts";
const JUDGE = "bench/gate/judge.ts";
const gate = ["bench/gate.test.ts"];
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
    name: "a rebuild is said to read what was saved behind it",
    file: "bench/recovery/recovery.ts",
    text: "{ artifacts: artifacts - behind, ...",
    replacement: "{ artifacts, ...",
    tests: ["bench/recovery.test.ts"],
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
    name: "the gate takes what is slower for faster",
    file: JUDGE,
    text: "median(own) < -(",
    replacement: "median(own) > (",
    tests: gate,
  },
  {
    name: "the gate does not ask how far the base is off from itself",
    file: JUDGE,
    text: "-(spread + Math.log1p(MARGIN))",
    replacement: "-Math.log1p(MARGIN)",
    tests: gate,
  },
  {
    name: "one bad round fails the gate",
    file: JUDGE,
    text: "isSlower: median(own)",
    replacement: "isSlower: Math.min(...own)",
    tests: gate,
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
