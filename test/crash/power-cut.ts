import { rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fastFolder, newFolder } from "../helpers/folders.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import { PlainProcess } from "./plain-programs.ts";
import { PROBLEMS_MAX } from "./power-cut-one.ts";
import type { PowerCutAnswer, PowerCutProgramOptions } from "./power-cut-program.ts";

export interface PowerCutOptions {
  seed: number;
  /** When to end, as `Date.now()` gives it: the workloads under way are checked first. */
  until?: number;
  /** How many states to check, at least; default: as many as the time allows. */
  states?: number;
  /** How many workloads run side by side, each in a process of its own. */
  lanes?: number;
}

/** A process grows by some 6 kB with each state, outside of the heap: hundreds of megabytes in a long run. */
const WORKLOADS_PER_PROCESS = 40;

/**
 * Power cuts. A random workload runs over a simulated disk, and around each of its calls to the disk the states are
 * taken that a power cut could leave there. Each distinct one is then opened as a store, with no index or an older one,
 * and must be a state that everything which was acknowledged durable, or given to a reader, allows.
 */
export async function runPowerCuts(options: PowerCutOptions): Promise<HarnessResult> {
  const run = new PowerCutRun(options);
  const lanes = options.lanes ?? Math.min(2, availableParallelism());
  try {
    await Promise.all(Array.from({ length: lanes }, () => run.lane()));
  } finally {
    rmSync(run.folder, { recursive: true, force: true });
  }
  return { counts: run.counts, violations: run.violations };
}

class PowerCutRun implements HarnessResult {
  readonly counts: Record<string, number> = { workloads: 0, "states taken": 0, states: 0 };
  readonly violations: string[] = [];
  readonly folder = newFolder(fastFolder());
  readonly #options: PowerCutOptions;
  #begun = 0;

  constructor(options: PowerCutOptions) {
    this.#options = options;
  }

  /** Workloads one after another, the first one always. */
  async lane(): Promise<void> {
    let isFirst = true;
    while (isFirst || this.#goesOn()) {
      const settings: PowerCutProgramOptions = { folder: this.folder };
      const program = new PlainProcess("power-cut-program", settings);
      for (let i = 0; i < WORKLOADS_PER_PROCESS && (isFirst || this.#goesOn()); i++) {
        isFirst = false;
        if (!(await this.#workload(program))) break;
      }
      program.process.stdin!.end();
      await program.ended;
    }
  }

  #goesOn(): boolean {
    const { states = Number.POSITIVE_INFINITY, until = Number.POSITIVE_INFINITY } = this.#options;
    const checked = this.counts.states! + (this.counts["states of a recovery"] ?? 0);
    return checked < states && Date.now() < until && this.violations.length < PROBLEMS_MAX;
  }

  /** False when the process did not live through it. */
  async #workload(program: PlainProcess): Promise<boolean> {
    const seed = this.#options.seed + this.#begun++;
    program.tell(String(seed));
    try {
      const { counts, problems } = await program.expect<PowerCutAnswer>();
      for (const [what, by] of Object.entries(counts)) this.counts[what] = (this.counts[what] ?? 0) + by;
      for (const problem of problems) this.violations.push(`seed ${seed}: ${problem}`);
      return true;
    } catch (error) {
      this.violations.push(`seed ${seed}: ${(error as Error).message}`);
      return false;
    }
  }
}

export const powerCuts: Harness = {
  name: "power-cut",
  counted: "states",
  run: ({ seed, until, enough }) =>
    runPowerCuts({ seed, until, ...(enough !== undefined && { states: enough }) }),
};
