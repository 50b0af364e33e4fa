/** `--gate`: fails when this code is slower than a base, measured in turns with it, the base twice. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { Measurement } from "../../cli/bench/measure.ts";
import { median } from "../../cli/bench/statistics.ts";
import { digits, tableLines } from "../../cli/bench/text.ts";
import { build, resultsFolder } from "../build.ts";
import { AskedChild, runTask } from "../child-process.ts";
import type { Options } from "../options.ts";
import type { RunnerSettings } from "../runner.ts";
import type { Answer, MeasureTask, SlicesTask } from "../task.ts";
import { findBase, unpack } from "./base.ts";
import { type GateRound, type Judgement, judge } from "./judge.ts";
import { type Sliced, sliced } from "./slices.ts";

const SIDES = ["base", "again", "own"] as const;
/** The processor's time says more on a busy machine; time on the clock also has what is waited for. */
const CLOCKS = ["processor", "clock"] as const;

/** Of each side in a round: as many as fit, the first of which warm up. On a quiet machine all do. */
const TURNS = 25;
const TURNS_MIN = 6;
const TURNS_MILLISECONDS = 4_000;

type Side = (typeof SIDES)[number];
type Clock = (typeof CLOCKS)[number];
type Measurements = Record<Side, Measurement>;

export interface GateRow extends Judgement {
  workload: Sliced;
  by: Clock;
  rounds: GateRound[];
}

export interface GateResult {
  /** What this code was compared with, or why there was nothing to compare it with. */
  base: string;
  isCompared: boolean;
  rows: GateRow[];
  /** Slower, and slower again when it was measured once more. */
  slower: Sliced[];
}

export async function runGate(options: Options, settings: RunnerSettings): Promise<GateResult> {
  const base = await findBase(options.against);
  if ("missing" in base) return { base: base.missing, isCompared: false, rows: [], slower: [] };
  // What runs finds packages from below the repository alone.
  const built = await mkdtemp(join(resultsFolder, "gate-"));
  const sources = join(settings.folder, "base");
  try {
    settings.onStep(`building ${base.what}, ${base.commit.slice(0, 9)}`);
    await unpack(base, sources);
    const script = await build(built, sources);
    const scripts = { base: script, again: script, own: settings.script };
    const measure = (names: readonly Sliced[]) => measureSides(names, scripts, options, settings);
    const rows = await measure(sliced);
    const suspects = slowerIn(rows);
    const once = suspects.length > 0 ? await measure(suspects) : [];
    const slower = slowerIn(once).filter((name) => isSlowerBy(rows, once, name));
    return {
      base: `${base.what}, ${base.commit.slice(0, 9)}`,
      isCompared: true,
      rows: [...rows, ...once],
      slower,
    };
  } finally {
    for (const each of [built, sources]) await rm(each, { recursive: true, force: true });
  }
}

function slowerIn(rows: readonly GateRow[]): Sliced[] {
  return [...new Set(rows.filter(({ isSlower }) => isSlower).map(({ workload }) => workload))];
}

/** Both times, and by the same clock. */
function isSlowerBy(first: readonly GateRow[], second: readonly GateRow[], name: string): boolean {
  const isSlower = (rows: readonly GateRow[], clock: string) =>
    rows.some(({ workload, by, isSlower: slower }) => slower && workload === name && by === clock);
  return CLOCKS.some((clock) => isSlower(first, clock) && isSlower(second, clock));
}

/** Each side has a store of its own, filled by its own code; the base has two. */
async function measureSides(
  names: readonly Sliced[],
  scripts: Record<Side, string>,
  options: Options,
  settings: RunnerSettings,
): Promise<GateRow[]> {
  const folder = await mkdtemp(join(settings.folder, "gate-"));
  const samples = new Map<string, GateRound[]>();
  try {
    for (const side of SIDES) await fill(scripts[side], join(folder, side), options, settings);
    for (let round = 0; round < options.rounds; round++) {
      settings.onStep(`round ${round + 1} of ${options.rounds}: ${names.join(", ")}`);
      const order = SIDES.map((_, at) => SIDES[(at + round) % SIDES.length]!);
      await measureRound(order, names, samples, (side) =>
        AskedChild.start(taskFor("slices", join(folder, side), options), {
          ...{ script: scripts[side], secondsMax: options.secondsMax, signal: settings.signal },
        }),
      );
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return names.flatMap((workload) =>
    CLOCKS.map((by) => {
      const rounds = samples.get(`${workload} ${by}`)!;
      return { workload, by, rounds, ...judge(rounds) };
    }),
  );
}

function taskFor(kind: "fill", folder: string, options: Options): MeasureTask;
function taskFor(kind: "slices", folder: string, options: Options): SlicesTask;
function taskFor(kind: "fill" | "slices", folder: string, options: Options): MeasureTask | SlicesTask {
  const { seed, bytes, artifacts, largeBytes, seconds, secondsMax } = options;
  const base = { subject: "varve", folder, filled: artifacts, seed, bytes };
  if (kind === "slices") return { ...base, kind };
  return { ...base, kind, artifacts, largeBytes, first: 0, seconds, secondsMax };
}

async function fill(
  script: string,
  folder: string,
  options: Options,
  { signal }: RunnerSettings,
): Promise<void> {
  await mkdir(folder);
  const { secondsMax } = options;
  const answer = await runTask(taskFor("fill", folder, options), { script, secondsMax, signal });
  if (answer.kind === "failed") throw new Error(`filling: ${answer.message}`);
}

/** New processes, since two of the same code may settle differently; then many small turns, which meet the same machine. */
async function measureRound(
  order: readonly Side[],
  names: readonly Sliced[],
  samples: Map<string, GateRound[]>,
  startSide: (side: Side) => Promise<AskedChild>,
): Promise<void> {
  const children: { side: Side; child: AskedChild }[] = [];
  try {
    for (const side of order) children.push({ side, child: await startSide(side) });
    for (const name of names) {
      const turns: Measurements[] = [];
      const end = performance.now() + TURNS_MILLISECONDS;
      while (turns.length < TURNS_MIN || (turns.length < TURNS && performance.now() < end)) {
        const measured: Partial<Measurements> = {};
        for (const { side, child } of children) measured[side] = measurementOf(await child.ask(name));
        turns.push(measured as Measurements);
      }
      for (const by of CLOCKS) {
        const key = `${name} ${by}`;
        samples.set(key, [...(samples.get(key) ?? []), roundOf(turns, by)]);
      }
    }
  } finally {
    for (const { child } of children) await child.end();
  }
}

function measurementOf(answer: Answer): Measurement {
  if (answer.kind === "done" && answer.measurement) return answer.measurement;
  throw new Error(answer.kind === "failed" ? answer.message : `answered ${answer.kind}`);
}

/** Speeds by that of the base in the same turn, each the median over the turns; the first, which warm up, do not count. */
function roundOf(turns: readonly Measurements[], by: Clock): GateRound {
  const counted = turns.slice(1);
  const speedBy = (side: Side): number =>
    median(counted.map((turn) => speedOf(turn[side], by) / speedOf(turn.base, by)));
  return { base: 1, again: speedBy("again"), own: speedBy("own") };
}

function speedOf({ operations, seconds, processorSeconds }: Measurement, by: Clock): number {
  return operations / (by === "clock" ? seconds : processorSeconds!);
}

export function gateLines({ base, isCompared, rows, slower }: GateResult): string[] {
  if (!isCompared) return [`gate: passed, since there is nothing to compare with: ${base}`];
  const percent = (share: number) => `${digits(share * 100)} %`;
  const cells = rows.map(({ workload, by, spread, ratio, isSlower }) => [
    ...[workload, by, `± ${percent(spread)}`],
    `${digits(ratio.median)} (${digits(ratio.min)}–${digits(ratio.max)})`,
    isSlower ? "slower" : "",
  ]);
  return [
    `This code against ${base}, its speed by that of the base, beside what the base is off from itself:`,
    ...tableLines([["", "by", "base/base", "this/base (min–max)", ""], ...cells], "left"),
    slower.length > 0
      ? `gate: FAILED: slower, twice, beyond what the base is off from itself: ${slower.join(", ")}`
      : "gate: passed",
  ];
}
