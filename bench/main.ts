/** `npm run bench`: what is asked for, built, measured and told. */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { measureLimits } from "../cli/bench/limits.ts";
import { fileSystemOf, machineOf, machineText } from "../cli/bench/machine.ts";
import { build, resultsFolder } from "./build.ts";
import { largeLines, measureFiles, measureValue } from "./large/large.ts";
import { helpText, type Options, parseOptions } from "./options.ts";
import { profileLines } from "./profile.ts";
import { measureRecovery, type RecoverySettings, recoveryLines } from "./recovery/recovery.ts";
import { reportLines } from "./report.ts";
import { type Result, rowsOf } from "./result.ts";
import { cellsOf, Runner } from "./runner.ts";
import { measureSpaceOf, spaceLines } from "./space/space.ts";

const LIMITS_SECONDS = 1;

/** Memory is no disk: there the repository's own folder is taken instead. */
async function parentFolder({ dir }: Options): Promise<string> {
  if (dir !== undefined) return dir;
  return (await fileSystemOf(tmpdir())) === "tmpfs" ? resultsFolder : tmpdir();
}

async function measure(options: Options, folder: string, signal: AbortSignal): Promise<Result> {
  const built = await mkdtemp(join(resultsFolder, "build-"));
  const onStep = (text: string): void => console.error(text);
  try {
    const script = await build(built);
    const bounds = {
      seconds: Math.min(LIMITS_SECONDS, options.seconds),
      operations: Number.POSITIVE_INFINITY,
    };
    const limits = await measureLimits(folder, { ...bounds, signal }, options);
    const cells = cellsOf(options);
    await new Runner(options, { script, folder, signal, onStep }).run(cells);
    const [date, machine] = [new Date().toISOString(), await machineOf(folder)];
    return { format: 1, date, machine, options, limits, rows: rowsOf(cells, options.base) };
  } finally {
    await rm(built, { recursive: true, force: true });
  }
}

/** What is measured by size, instead of the workloads. */
async function bySize<Row>(
  what: "recovery" | "space" | "large" | "files",
  options: Options,
  folder: string,
  signal: AbortSignal,
  measureOne: (size: number, options: Options, settings: RecoverySettings) => Promise<Row>,
  linesOf: (rows: readonly Row[]) => string[],
): Promise<void> {
  const built = await mkdtemp(join(resultsFolder, "build-"));
  try {
    const script = await build(built);
    const [date, machine] = [new Date().toISOString(), await machineOf(folder)];
    const rows: Row[] = [];
    const onStep = (text: string): void => console.error(text);
    for (const size of options[what] ?? [])
      rows.push(await measureOne(size, options, { script, folder, signal, onStep }));
    console.log([machineText(machine), ...linesOf(rows)].join("\n"));
    const result = { format: 1, date, machine, options, [what]: rows };
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(result, undefined, 1)}\n`);
  } finally {
    await rm(built, { recursive: true, force: true });
  }
}

async function run(options: Options): Promise<void> {
  const interruption = new AbortController();
  process.once("SIGINT", () => interruption.abort(new Error("interrupted")));
  const parent = await parentFolder(options);
  for (const each of [parent, resultsFolder]) await mkdir(each, { recursive: true });
  const folder = await mkdtemp(join(parent, "varve-bench-"));
  try {
    const { signal } = interruption;
    if (options.recovery) await bySize("recovery", options, folder, signal, measureRecovery, recoveryLines);
    if (options.space) await bySize("space", options, folder, signal, measureSpaceOf, spaceLines);
    if (options.large) await bySize("large", options, folder, signal, measureValue, largeLines);
    if (options.files) await bySize("files", options, folder, signal, measureFiles, largeLines);
    if (options.recovery || options.space || options.large || options.files) return;
    const result = await measure(options, folder, interruption.signal);
    console.log(reportLines(result).join("\n"));
    if (options.profile !== undefined) console.log((await profileLines(options.profile)).join("\n"));
    if (options.json !== undefined)
      await writeFile(options.json, `${JSON.stringify(result, undefined, 1)}\n`);
    if (result.rows.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options) await run(options);
  else console.log(helpText());
} catch (error) {
  console.error(`bench: ${(error as Error).message}`);
  process.exitCode = 2;
}
