/** `varve bench`: the hot paths on the user's own disk, in half a minute. The full comparison is `bench/` of the sources. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { CALLERS, HOT_NAMES, loadAtRandom, loadInTurn, saveManyInFlight, saveOneByOne } from "./hot-paths.ts";
import { type Limits, measureLimits } from "./limits.ts";
import { type Machine, machineOf } from "./machine.ts";
import { type Bounds, type Measurement, rateOf } from "./measure.ts";
import { MissingPackage, packageLoader } from "./packages.ts";
import type { Latency } from "./statistics.ts";
import type { OpenSubject, Subject } from "./subject.ts";
import { subjects } from "./subjects.ts";
import { EntrySource, type ValueOptions } from "./values.ts";

export interface HotPathReport {
  subject: string;
  workload: string;
  perSecond: number;
  latency: Latency;
  /** What is not the same as with varve, in words. */
  differs?: string;
}

export interface BenchReport {
  machine: Machine;
  options: ValueOptions & { seconds: number; artifacts: number; compare: boolean };
  limits: Limits;
  results: HotPathReport[];
  /** Peers that could not be compared, and why. */
  missing: { subject: string; reason: string }[];
}

export interface BenchRun extends ValueOptions {
  /** A new folder in it is used, and removed. */
  folder: string;
  /** Where packages of peers are looked for. */
  cwd: string;
  /** Of everything together, about. */
  seconds: number;
  compare: boolean;
  /** In a store that is read. */
  artifacts: number;
  signal: AbortSignal;
  onStep(subject: string, workload: string): void;
}

interface HotPath {
  name: "load" | "load-random" | "save-one" | "save";
  does: string;
  /** How much of the time that a subject has. */
  share: number;
  run(subject: OpenSubject, bounds: Bounds, entries: EntrySource, run: BenchRun): Promise<Measurement>;
}

/** A measurement takes about so much longer than its bounds say: warm-up, the pass for latencies. */
const OVERHEAD = 1.6;
/** What the bare costs of the disk and the processor take of a subject's time. */
const LIMITS_SHARE = 0.25;
const SECONDS_MIN = 0.05;

export const hotPaths: readonly HotPath[] = [
  {
    name: "load",
    does: `load ${HOT_NAMES.toLocaleString("en")} names in turn`,
    share: 0.2,
    run: (subject, bounds) => loadInTurn(subject, bounds),
  },
  {
    name: "load-random",
    does: "load any of all artifacts",
    share: 0.2,
    run: (subject, bounds, _, { artifacts, seed }) => loadAtRandom(subject, bounds, artifacts, seed),
  },
  { name: "save-one", does: "save, one at a time", share: 0.3, run: saveOneByOne },
  {
    name: "save",
    does: `save, ${CALLERS.toLocaleString("en")} in flight`,
    share: 0.3,
    run: saveManyInFlight,
  },
];

export async function runBench(run: BenchRun): Promise<BenchReport> {
  await mkdir(run.folder, { recursive: true });
  const folder = await mkdtemp(join(run.folder, ".varve-bench-"));
  try {
    return await measureAll({ ...run, folder });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function measureAll(run: BenchRun): Promise<BenchReport> {
  const { seed, bytes, artifacts, compare, signal } = run;
  const end = performance.now() + run.seconds * 1_000;
  const chosen = compare ? subjects : subjects.slice(0, 1);
  run.onStep("disk", "flush");
  const seconds = (LIMITS_SHARE * run.seconds) / chosen.length;
  const bounds = { seconds: seconds / 2, operations: Number.POSITIVE_INFINITY, signal };
  const report: BenchReport = {
    machine: await machineOf(run.folder),
    options: { seed, bytes, seconds: run.seconds, artifacts, compare },
    limits: await measureLimits(run.folder, bounds, run),
    results: [],
    missing: [],
  };
  for (const [at, subject] of chosen.entries()) {
    // What one took too long is taken from all that follow.
    const left = (end - performance.now()) / (chosen.length - at);
    await measureSubject(subject, run, performance.now() + left, report);
  }
  return report;
}

async function measureSubject(
  subject: Subject,
  run: BenchRun,
  end: number,
  report: BenchReport,
): Promise<void> {
  const folder = await mkdtemp(join(run.folder, "subject-"));
  const opened = await openOrSay(subject, folder, run, report);
  if (!opened) return;
  try {
    const entries = new EntrySource(run);
    for (let done = 0; done < run.artifacts; done += HOT_NAMES) {
      run.signal.throwIfAborted();
      await opened.fill(entries.take(HOT_NAMES));
    }
    const left = Math.max((end - performance.now()) / 1_000 / OVERHEAD, SECONDS_MIN);
    for (const path of hotPaths) {
      run.onStep(subject.name, path.name);
      const { signal } = run;
      const bounds = { seconds: left * path.share, operations: Number.POSITIVE_INFINITY, signal };
      const measurement = await path.run(opened, bounds, entries, run);
      report.results.push(resultOf(subject, path, measurement));
    }
  } finally {
    await opened.close();
  }
}

async function openOrSay(
  subject: Subject,
  folder: string,
  { cwd }: BenchRun,
  { missing }: BenchReport,
): Promise<OpenSubject | undefined> {
  try {
    return await subject.open(folder, packageLoader(cwd));
  } catch (error) {
    if (!(error instanceof MissingPackage)) throw error;
    missing.push({ subject: subject.name, reason: error.message });
    return undefined;
  }
}

function resultOf(subject: Subject, { name: workload }: HotPath, measurement: Measurement): HotPathReport {
  const differs = subject.differs[workload];
  return {
    subject: subject.name,
    workload,
    perSecond: rateOf(measurement),
    latency: measurement.latency!,
    ...(differs === undefined ? {} : { differs }),
  };
}
