/**
 * Runs the harnesses, each with its share of the time, several side by side:
 * `npm run torture -- --minutes N [--seed S] [--only NAME]… [--count NAME=N]… [--jobs N]`.
 * It ends with 1 when a promise was found broken.
 */
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { endWithParent } from "../helpers/end-with-parent.ts";
import type { HarnessResult } from "./harness.ts";
import { harnesses } from "./harnesses.ts";
import type { TortureProgramOptions } from "./torture-program.ts";

const SHOWN_VIOLATIONS_MAX = 10;
const USAGE =
  "npm run torture -- --minutes N [--seed S] [--only NAME]… [--count NAME=N]… [--jobs N]; a count is of kills, states, or histories";

interface Run extends HarnessResult {
  name: string;
  seconds: number;
}

interface Arguments {
  minutes: number;
  seed: number;
  jobs: number;
  chosen: string[];
  counts: Map<string, number>;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "5" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: "string", multiple: true, default: [] },
      count: { type: "string", multiple: true, default: [] },
      jobs: { type: "string", default: String(availableParallelism()) },
    },
  });
  const only = values.only.flatMap((names) => names.split(","));
  const counts = new Map(
    values.count.map((each): [string, number] => {
      const [name, count] = each.split("=");
      return [name!, Number(count)];
    }),
  );
  const [minutes, seed, jobs] = [values.minutes, values.seed, values.jobs].map(Number) as [
    number,
    number,
    number,
  ];
  const known = [...only, ...counts.keys()].every((name) => harnesses.some((each) => each.name === name));
  const countable = [...counts].every(
    ([name, count]) => count > 0 && harnesses.some((each) => each.name === name && each.counted),
  );
  if (!known || !countable || !(minutes > 0) || !(jobs >= 1) || !Number.isSafeInteger(seed)) {
    console.error(`usage: ${USAGE}; the names are ${harnesses.map(({ name }) => name).join(", ")}`);
    process.exit(2);
  }
  const names = harnesses.map(({ name }) => name);
  const chosen = names.filter((name) => only.length === 0 || only.includes(name));
  return { minutes, seed, jobs, chosen, counts };
}

/** One harness in a process of its own. */
async function runOne(options: TortureProgramOptions): Promise<Run> {
  const started = performance.now();
  const program = join(import.meta.dirname, "torture-program.ts");
  const command = [process.execPath, ...process.execArgv, program, JSON.stringify(options)];
  const [first, ...words] = endWithParent(command);
  const child = spawn(first, words, { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  let result: HarnessResult | undefined;
  child.on("message", (message) => {
    result = message as HarnessResult;
  });
  const ending = await new Promise<string>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(`${signal ?? code}`));
  });
  const seconds = Math.round((performance.now() - started) / 1000);
  result ??= { counts: {}, violations: [`the harness itself ended with ${ending}`] };
  return { ...result, name: options.name, seconds };
}

function inWords(counts: Record<string, number>): string {
  const words = Object.entries(counts).map(([what, count]) => `${count.toLocaleString("en")} ${what}`);
  return words.join(", ");
}

function report(run: Run, seed: number): void {
  const { name, seconds, counts, violations } = run;
  console.log(`${name}: ${inWords(counts)}; seed ${seed}, ${seconds} s, ${violations.length} violations`);
  for (const violation of violations.slice(0, SHOWN_VIOLATIONS_MAX)) console.log(`  ${violation}`);
  if (violations.length > SHOWN_VIOLATIONS_MAX)
    console.log(`  and ${violations.length - SHOWN_VIOLATIONS_MAX} more`);
}

function table(runs: Run[], seed: number): string {
  const rows = runs.map(
    ({ name, counts, seconds, violations }) =>
      `| ${name} | ${inWords(counts)} | ${seed} | ${seconds} | ${violations.length} |`,
  );
  return ["| harness | what was done | seed | seconds | violations |", "|---|---|---|---|---|", ...rows].join(
    "\n",
  );
}

async function main(): Promise<void> {
  const { minutes, seed, jobs, chosen, counts } = readArguments();
  const end = Date.now() + minutes * 60_000;
  console.log(`torture: ${minutes} minutes, seed ${seed}, ${jobs} at a time: ${chosen.join(", ")}`);
  // Those with a count first: they take the time that it takes, and the others share what is left.
  const left = [...chosen.filter((name) => counts.has(name)), ...chosen.filter((name) => !counts.has(name))];
  const runs: Run[] = [];
  const job = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      const enough = counts.get(name);
      // What one leaves of its time is shared by those behind it.
      const share = ((end - Date.now()) * jobs) / (left.length + 1);
      const until = enough === undefined ? Math.min(end, Date.now() + share) : end;
      const run = await runOne({ name, seed, until, ...(enough !== undefined && { enough }) });
      runs.push(run);
      report(run, seed);
    }
  };
  await Promise.all(Array.from({ length: Math.min(jobs, chosen.length) }, job));
  runs.sort((a, b) => chosen.indexOf(a.name) - chosen.indexOf(b.name));
  console.log(`\n${table(runs, seed)}`);
  process.exit(runs.some(({ violations }) => violations.length > 0) ? 1 : 0);
}

await main();
