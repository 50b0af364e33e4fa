import type { HarnessResult } from "./harness.ts";
import { harnesses } from "./harnesses.ts";

/** Runs one harness for `torture.ts`, in a process of its own: so that several can, and none grows by what others did. */

/** The argument, as JSON. */
export interface TortureProgramOptions {
  name: string;
  seed: number;
  until: number;
  enough?: number;
}

const { name, ...options }: TortureProgramOptions = JSON.parse(process.argv[2]!);
const harness = harnesses.find((each) => each.name === name)!;
const result: HarnessResult = await harness.run(options).catch((error: Error) => ({
  counts: {},
  violations: [`the harness itself failed: ${error.stack ?? error}`],
}));
process.send!(result, () => process.exit(0));
