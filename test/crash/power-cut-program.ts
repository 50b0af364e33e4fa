import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runWorkload } from "./power-cut-one.ts";

/** Runs workloads of `power-cut`, one after another, as its input says: a seed a line. */

/** The argument, as JSON. */
export interface PowerCutProgramOptions {
  /** A real folder for what is not simulated, removed by who started this. */
  folder: string;
}

/** The answer to a line. */
export interface PowerCutAnswer {
  counts: Record<string, number>;
  problems: string[];
}

const options: PowerCutProgramOptions = JSON.parse(process.argv[2]!);
const folder = mkdtempSync(join(options.folder, "process-"));

for await (const line of createInterface({ input: process.stdin })) {
  const counts: Record<string, number> = {};
  const problems = await runWorkload(Number(line), folder, counts);
  const answer: PowerCutAnswer = { counts, problems };
  console.log(JSON.stringify(answer));
}
