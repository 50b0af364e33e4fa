import { rmSync } from "node:fs";
import { join } from "node:path";
import { fastFolder, newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import { FAILING } from "./io-errors-failing.ts";
import type { LogFiles } from "./io-errors-operations.ts";
import { makeBase, operations } from "./io-errors-operations.ts";
import type { Trial } from "./io-errors-trial.ts";
import { TrialRun } from "./io-errors-trial.ts";
import { openOver } from "./power-cut-store.ts";
import type { CallKind } from "./simulated-calls.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

export interface IoErrorsOptions {
  seed: number;
  /** When to end, as `Date.now()` gives it; default: when all has been tried. */
  until?: number;
  /** How many trials at most, drawn at random; default: all. */
  trials?: number;
  /** Which of them: by operation, error and call; default: each. */
  isWanted?(operation: string, code: string, kind: CallKind): boolean;
  /** Where to stop; default 20. */
  violationsMax?: number;
}

const VIOLATIONS_MAX = 20;
const NO_FAULT = { code: "EIO", nth: Number.POSITIVE_INFINITY, forGood: false, half: false };

/**
 * Every call to the disk failing: for each operation of the store the first call fails, then the second, and so on
 * until one comes to its end without a fault; once, for good, and half-way, with each error of the system. After each
 * the store must say what happened, and be what it said.
 */
export async function runIoErrors(options: IoErrorsOptions): Promise<HarnessResult> {
  const folder = newFolder(fastFolder());
  const counts: Record<string, number> = { operations: operations.length, trials: 0, "faults met": 0 };
  const violations: string[] = [];
  try {
    const base = await baseLog(folder);
    const trials = shuffled(
      await listTrials(folder, base, options, violations),
      new Random("errors", options.seed),
    );
    counts["trials there are"] = trials.length;
    for (const trial of trials.slice(0, options.trials)) {
      if (Date.now() >= (options.until ?? Number.POSITIVE_INFINITY) && counts.trials! > 0) break;
      if (violations.length >= (options.violationsMax ?? VIOLATIONS_MAX)) break;
      counts.trials!++;
      const run = new TrialRun(trial, folder, base);
      await run.run();
      if (run.happened) counts["faults met"]!++;
      violations.push(...run.problems);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return { counts, violations };
}

/** All faults that there are: those of the calls that each operation makes when none fails. */
async function listTrials(
  folder: string,
  base: LogFiles,
  { isWanted = () => true }: IoErrorsOptions,
  violations: string[],
): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const operation of operations) {
    const run = new TrialRun({ operation, ...NO_FAULT }, folder, base);
    await run.run();
    violations.push(...run.problems);
    const expected = run.result;
    for (const [code, kinds] of Object.entries(FAILING)) {
      const calls = run.calls.filter(({ kind }) => kinds.includes(kind));
      calls.forEach(({ kind }, i) => {
        if (!isWanted(operation.name, code, kind)) return;
        const trial = { operation, code, nth: i + 1, half: false, expected };
        trials.push({ ...trial, forGood: false }, { ...trial, forGood: true });
        if (kind !== "append" && kind !== "publish") return;
        trials.push({ ...trial, forGood: false, half: true }, { ...trial, forGood: true, half: true });
      });
    }
  }
  return trials;
}

/** The files of a log in which all operations have something to work on. */
async function baseLog(folder: string): Promise<LogFiles> {
  const disk = new SimulatedDisk(join(folder, "base"));
  const store = await openOver(disk);
  await makeBase(store);
  await store.close();
  return disk.contents();
}

function shuffled(trials: Trial[], random: Random): Trial[] {
  for (let i = trials.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [trials[i], trials[j]] = [trials[j]!, trials[i]!];
  }
  return trials;
}

export const ioErrors: Harness = {
  name: "io-errors",
  run: ({ seed, until }) => runIoErrors({ seed, until }),
};
