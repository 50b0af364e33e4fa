/** `npm run bench`: what is asked for, built, measured and told. */

import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { measureLimits } from "../cli/bench/limits.ts";
import { fileSystemOf, machineOf, machineText } from "../cli/bench/machine.ts";
import { build, resultsFolder } from "./build.ts";
import { gateLines, runGate } from "./gate/gate.ts";
import type { Growth } from "./growth/figures.ts";
import { measureGrowth } from "./growth/growth.ts";
import { growthCharts, growthLines } from "./growth/report.ts";
import { largeLines, measureFiles, measureValue } from "./large/large.ts";
import { measureMetadata } from "./metadata/metadata.ts";
import { metadataLines } from "./metadata/report.ts";
import { measureMlflow, mlflowLines } from "./mlflow/mlflow.ts";
import { helpText, type Options, parseOptions } from "./options.ts";
import { profileLines } from "./profile.ts";
import { measureRecovery, recoveryLines } from "./recovery/recovery.ts";
import { reportLines } from "./report.ts";
import { type Result, rowsOf } from "./result.ts";
import { cellsOf, Runner, type RunnerSettings } from "./runner.ts";
import { measureSpaceOf, spaceLines } from "./space/space.ts";
import { measureTargets, targetLines } from "./targets/run.ts";

const LIMITS_SECONDS = 1;

/** Memory is no disk: there the repository's own folder is taken instead. */
async function parentFolder({ dir }: Options): Promise<string> {
  if (dir !== undefined) return dir;
  return (await fileSystemOf(tmpdir())) === "tmpfs" ? resultsFolder : tmpdir();
}

type Settings = Omit<RunnerSettings, "folder">;

/** With everything built for as long as it runs. */
async function withBuilt<T>(signal: AbortSignal, run: (settings: Settings) => Promise<T>): Promise<T> {
  const built = await mkdtemp(join(resultsFolder, "build-"));
  try {
    return await run({ script: await build(built), signal, onStep: (text) => console.error(text) });
  } finally {
    await rm(built, { recursive: true, force: true });
  }
}

async function writeJson({ json }: Options, result: object): Promise<void> {
  if (json !== undefined) await writeFile(json, `${JSON.stringify(result, undefined, 1)}\n`);
}

async function measureWorkloads(options: Options, settings: RunnerSettings): Promise<void> {
  const { folder, signal } = settings;
  const seconds = Math.min(LIMITS_SECONDS, options.seconds);
  const bounds = { seconds, operations: Number.POSITIVE_INFINITY };
  const limits = await measureLimits(folder, { ...bounds, signal }, options);
  const cells = cellsOf(options);
  await new Runner(options, settings).run(cells);
  const [date, machine] = [new Date().toISOString(), await machineOf(folder)];
  const rows = rowsOf(cells, options.base);
  const result: Result = { format: 1, date, machine, options, limits, rows };
  console.log(reportLines(result).join("\n"));
  if (options.profile !== undefined) console.log((await profileLines(options.profile)).join("\n"));
  await writeJson(options, result);
  if (rows.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

async function measureAims(options: Options, settings: RunnerSettings): Promise<void> {
  const result = await measureTargets(options, settings, await machineOf(settings.folder));
  console.log(targetLines(result).join("\n"));
  await writeJson(options, { format: 1, ...result });
  if (result.targets.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
}

/** What is measured by size, instead of the workloads. */
async function bySize<Row>(
  what: "recovery" | "space" | "large" | "files",
  options: Options,
  settings: RunnerSettings,
  measureOne: (size: number, options: Options, settings: RunnerSettings) => Promise<Row>,
  linesOf: (rows: readonly Row[]) => string[],
): Promise<void> {
  const [date, machine] = [new Date().toISOString(), await machineOf(settings.folder)];
  const rows: Row[] = [];
  for (const size of options[what] ?? []) rows.push(await measureOne(size, options, settings));
  console.log([machineText(machine), ...linesOf(rows)].join("\n"));
  await writeJson(options, { format: 1, date, machine, options, [what]: rows });
}

/** Others were running: the figures of time say less. */
const BUSY = 0.5;
const busyText = (share: number): string => (share < BUSY ? "" : "; busy machine: times are noisy");

async function measureAsItGrows(options: Options, settings: RunnerSettings): Promise<void> {
  const { growth, seed, bytes, rounds, charts } = options;
  const [date, machine] = [new Date().toISOString(), await machineOf(settings.folder)];
  const busy = loadavg()[0]! / machine.threads;
  const rows: Growth[] = [];
  for (const size of growth!) rows.push(await measureGrowth(size, options, settings));
  console.log([machineText(machine), ...growthLines(rows)].join("\n"));
  await writeJson(options, { format: 1, date, machine, options, growth: rows });
  const subtitle = `${date.slice(0, 10)}, ${machine.processor}, ${machine.threads} threads, values of ${bytes} bytes, ${rounds} rounds, seed ${seed}${busyText(busy)}`;
  await mkdir(charts, { recursive: true });
  for (const [name, svg] of Object.entries(growthCharts(rows, subtitle)))
    await writeFile(join(charts, name), svg);
}

async function measureDatabases(options: Options, settings: RunnerSettings): Promise<void> {
  const [date, machine] = [new Date().toISOString(), await machineOf(settings.folder)];
  const metadata = await measureMetadata(options, settings);
  console.log([machineText(machine), ...metadataLines(metadata)].join("\n"));
  await writeJson(options, { format: 1, date, machine, options, metadata });
}

async function measureModels(options: Options, settings: RunnerSettings): Promise<void> {
  const [date, machine] = [new Date().toISOString(), await machineOf(settings.folder)];
  const mlflow = await measureMlflow(options, settings);
  console.log([machineText(machine), ...mlflowLines(mlflow)].join("\n"));
  await writeJson(options, { format: 1, date, machine, options, mlflow });
}

async function compareWithBase(options: Options, settings: RunnerSettings): Promise<void> {
  const result = await runGate(options, settings);
  console.log(gateLines(result).join("\n"));
  await writeJson(options, { format: 1, date: new Date().toISOString(), options, ...result });
  if (result.slower.length > 0) process.exitCode = 1;
}

async function measureWhatIsAsked(options: Options, settings: RunnerSettings): Promise<void> {
  const { recovery, space, large, files, gate, growth, targets, metadata, mlflow } = options;
  if (recovery) await bySize("recovery", options, settings, measureRecovery, recoveryLines);
  if (space) await bySize("space", options, settings, measureSpaceOf, spaceLines);
  if (large) await bySize("large", options, settings, measureValue, largeLines);
  if (files) await bySize("files", options, settings, measureFiles, largeLines);
  if (gate) await compareWithBase(options, settings);
  if (growth) await measureAsItGrows(options, settings);
  if (targets) await measureAims(options, settings);
  if (metadata) await measureDatabases(options, settings);
  if (mlflow) await measureModels(options, settings);
  if (recovery || space || large || files || gate || growth || targets || metadata || mlflow) return;
  await measureWorkloads(options, settings);
}

async function run(options: Options): Promise<void> {
  const interruption = new AbortController();
  process.once("SIGINT", () => interruption.abort(new Error("interrupted")));
  const parent = await parentFolder(options);
  for (const each of [parent, resultsFolder]) await mkdir(each, { recursive: true });
  const folder = await mkdtemp(join(parent, "varve-bench-"));
  try {
    await withBuilt(interruption.signal, (settings) => measureWhatIsAsked(options, { ...settings, folder }));
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
