import { rmSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../helpers/folders.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import { PlainProcess } from "./plain-programs.ts";
import type { WorkerAnswer } from "./worker-program.ts";

const HANG_MILLISECONDS = 120_000;

export class WorkerTally implements HarnessResult {
  readonly counts = { processes: 0, threads: 0, saves: 0 };
  readonly violations: string[] = [];
}

/** A process with `threads` threads beside the main one, all in one home. */
export async function workerRound(threads: number, saves: number, tally: WorkerTally): Promise<void> {
  const folder = newFolder();
  tally.counts.processes++;
  tally.counts.threads += threads + 1;
  const program = new PlainProcess("worker-program", { home: join(folder, "home"), threads, saves });
  const ending = program.endWithin(HANG_MILLISECONDS);
  const answer = await program.expect<WorkerAnswer>().catch((error: Error) => error);
  const { code, signal } = await ending;
  const ended = `a process with ${threads} threads ended with ${signal ?? code}: ${program.errors}`;
  if (answer instanceof Error || code !== 0) tally.violations.push(ended);
  else {
    tally.violations.push(...answer.violations);
    tally.counts.saves += answer.saved.reduce((sum, { saved }) => sum + saved.length, 0);
  }
  rmSync(folder, { recursive: true, force: true });
}

async function run({ until }: { until: number }): Promise<HarnessResult> {
  const tally = new WorkerTally();
  for (let i = 0; i === 0 || Date.now() < until; i++) await workerRound([2, 4][i % 2]!, 200, tally);
  return tally;
}

export const worker: Harness = { name: "worker", run };
