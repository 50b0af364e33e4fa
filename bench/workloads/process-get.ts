import { execFile } from "node:child_process";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { type Measurement, timeEach } from "../../cli/bench/measure.ts";
import { nameOf } from "../../cli/bench/values.ts";
import type { Situation, Workload } from "../workload.ts";

/** The command line lies beside what is running, made with it: see `build`. */
const COMMAND = join(dirname(process.argv[1]!), "../package/cli/main.js");

export const processGet: Workload = {
  name: "process-get",
  does: "`varve get` of a value, the whole process",
  shows: "time",
  state: "hot",
  only: ["varve"],
  async run(situation) {
    const words = [COMMAND, "get", nameOf(0), "--home", situation.folder];
    if (!(await runNode(words)).includes("penguins")) throw new Error("`varve get` gave no value");
    return timeProcesses(situation, words);
  },
};

export const processNode: Workload = {
  name: "process-node",
  does: "`node -e 0`: what a process of Node.js takes that does nothing",
  shows: "time",
  state: "empty",
  only: ["varve"],
  run: (situation) => timeProcesses(situation, ["-e", "0"]),
};

async function runNode(words: readonly string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, words)).stdout;
}

async function timeProcesses({ bounds }: Situation, words: readonly string[]): Promise<Measurement> {
  await runNode(words);
  return timeEach(bounds, () => runNode(words));
}
