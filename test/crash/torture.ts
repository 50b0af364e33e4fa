/**
 * Runs the harnesses one after another, each with its share of the time:
 * `npm run torture -- --minutes N [--seed S] [--only NAME]…`. It ends with 1 when a promise was found broken.
 */
import { parseArgs } from "node:util";
import type { Harness, HarnessResult } from "./harness.ts";
import { harnesses } from "./harnesses.ts";

const SHOWN_VIOLATIONS_MAX = 10;

interface Run extends HarnessResult {
  name: string;
  seconds: number;
}

function readArguments(): { minutes: number; seed: number; chosen: Harness[] } {
  const { values } = parseArgs({
    options: {
      minutes: { type: "string", default: "5" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
      only: { type: "string", multiple: true, default: [] },
    },
  });
  const only = values.only.flatMap((names) => names.split(","));
  const unknown = only.filter((name) => !harnesses.some((harness) => harness.name === name));
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (unknown.length > 0 || !(minutes > 0) || !Number.isSafeInteger(seed)) {
    const names = harnesses.map(({ name }) => name).join(", ");
    console.error(`usage: npm run torture -- --minutes N [--seed S] [--only NAME]…; the names are ${names}`);
    process.exit(2);
  }
  const chosen = harnesses.filter(({ name }) => only.length === 0 || only.includes(name));
  return { minutes, seed, chosen };
}

async function runOne(harness: Harness, seed: number, until: number): Promise<Run> {
  const started = performance.now();
  const result = await harness.run({ seed, until }).catch((error: Error) => ({
    counts: {},
    violations: [`the harness itself failed: ${error.stack ?? error}`],
  }));
  const seconds = Math.round((performance.now() - started) / 1000);
  return { ...result, name: harness.name, seconds };
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

const { minutes, seed, chosen } = readArguments();
const end = Date.now() + minutes * 60_000;
console.log(`torture: ${minutes} minutes, seed ${seed}, ${chosen.map(({ name }) => name).join(", ")}`);
const runs: Run[] = [];
for (const [i, harness] of chosen.entries()) {
  // What one leaves of its time is shared by those behind it.
  const until = Date.now() + (end - Date.now()) / (chosen.length - i);
  const run = await runOne(harness, seed, until);
  runs.push(run);
  report(run, seed);
}
console.log(`\n${table(runs, seed)}`);
process.exit(runs.some(({ violations }) => violations.length > 0) ? 1 : 0);
