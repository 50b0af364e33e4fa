/** All subjects take turns in every round, so that what changes on the machine in the meantime meets each of them. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { HOT_NAMES } from "../cli/bench/hot-paths.ts";
import { type Measurement, rateOf } from "../cli/bench/measure.ts";
import type { Subject } from "../cli/bench/subject.ts";
import { runTask } from "./child-process.ts";
import type { Options } from "./options.ts";
import { measured } from "./references.ts";
import type { Answer, MeasureTask, Memory, Task } from "./task.ts";
import type { Workload } from "./workload.ts";
import { workloads } from "./workloads.ts";

export interface Round extends Measurement {
  perSecond: number;
  memory: Memory;
}

/** One subject under one workload. */
export interface Cell {
  subject: Subject;
  workload: Workload;
  /** In the stores that are read. */
  artifacts: number;
  /** By round; undefined where it failed. */
  rounds: (Round | undefined)[];
  failures: string[];
}

export interface RunnerSettings {
  /** The built `child.js`. */
  script: string;
  /** Where stores are made. */
  folder: string;
  signal: AbortSignal;
  onStep(text: string): void;
}

/** What a large store may take beside the limit of any process. */
const LARGE_ENTRIES = 20_000;
const ENTRIES_PER_SECOND_MIN = 2_000;
/** A store of no more is made anew for each measurement that adds to it; a larger one hardly grows by it. */
export const NEW_ARTIFACTS_MAX = 100_000;
/** Numbers of entries that one measurement may save. */
const NEW_ENTRIES = 10_000_000;

/** A folder that serves several measurements. */
interface Filled {
  folder: string;
  /** How many have added to it. */
  additions: number;
}

export class Runner {
  readonly #options: Options;
  readonly #settings: RunnerSettings;
  readonly #filled = new Map<string, Promise<Filled>>();

  constructor(options: Options, settings: RunnerSettings) {
    this.#options = options;
    this.#settings = settings;
  }

  /** Those that make a store larger which others read have rounds of their own, behind them. */
  async run(cells: readonly Cell[]): Promise<void> {
    const measuring = cells.filter(({ subject, workload }) => !(workload.name in subject.unsupported));
    const isAdding = ({ workload: { state } }: Cell) => state === "growing";
    await this.#runRounds(measuring.filter((cell) => !isAdding(cell)));
    await this.#runRounds(measuring.filter(isAdding));
  }

  async #runRounds(cells: readonly Cell[]): Promise<void> {
    for (let round = 0; round < this.#options.rounds; round++) {
      for (const cell of cells) await this.#measure(cell, round);
    }
  }

  async #measure(cell: Cell, round: number): Promise<void> {
    const { subject, workload } = cell;
    this.#settings.onStep(`round ${round + 1} of ${this.#options.rounds}: ${workload.name}, ${subject.name}`);
    const answer = await this.#answerFor(cell);
    if (answer.kind === "done" && answer.measurement) {
      const { measurement, memory } = answer;
      cell.rounds.push({ ...measurement, perSecond: rateOf(measurement), memory });
    } else {
      cell.rounds.push(undefined);
      cell.failures.push(answer.kind === "failed" ? answer.message : `answered ${answer.kind}`);
    }
  }

  async #answerFor(cell: Cell): Promise<Answer> {
    const { state } = cell.workload;
    let place: Filled;
    try {
      place = await this.#placeFor(cell);
    } catch (error) {
      this.#settings.signal.throwIfAborted();
      return { kind: "failed", message: (error as Error).message };
    }
    const task = this.#taskFor(cell, place);
    if (state === "growing" || state === "killed") place.additions++;
    try {
      return await this.#run({ ...task, kind: "measure" }, this.#options.profile);
    } finally {
      if (isForOne(cell)) await rm(place.folder, { recursive: true, force: true });
    }
  }

  async #placeFor(cell: Cell): Promise<Filled> {
    if (isForOne(cell)) return this.#fill(cell);
    const { subject, workload } = cell;
    // A store whose writers were killed is another one than the rest read.
    const kind = workload.filling?.name ?? (workload.state === "killed" ? "killed" : "entries");
    const key = `${subject.name} ${entriesFor(cell)} ${kind}`;
    if (!this.#filled.has(key)) this.#filled.set(key, this.#fill(cell));
    const place = await this.#filled.get(key)!;
    if (workload.state === "killed") await this.#writeAndKill(cell, place);
    return place;
  }

  async #fill(cell: Cell): Promise<Filled> {
    const { subject, workload } = cell;
    const place = { folder: await this.#newFolder(subject), additions: 0 };
    const count = entriesFor(cell);
    if (count === 0) return place;
    if (!isForOne(cell)) this.#settings.onStep(`filling ${subject.name} with ${count}`);
    const { workload: _, ...task } = this.#taskFor(cell, place);
    const own = workload.filling ? { workload: workload.name } : {};
    const answer = await this.#run({ ...task, ...own, kind: "fill" });
    if (answer.kind === "failed") throw new Error(`filling: ${answer.message}`);
    return place;
  }

  async #writeAndKill(cell: Cell, place: Filled): Promise<void> {
    const answer = await this.#run({ ...this.#taskFor(cell, place), kind: "write" });
    if (answer.kind === "failed") throw new Error(`writing before the kill: ${answer.message}`);
  }

  #taskFor(cell: Cell, { folder, additions }: Filled): Omit<MeasureTask, "kind"> {
    const { seed, bytes, seconds, secondsMax, largeBytes } = this.#options;
    const { artifacts, subject, workload } = cell;
    const filled = entriesFor(cell);
    const first = filled + additions * NEW_ENTRIES;
    return {
      ...{ subject: subject.name, workload: workload.name, folder, filled, artifacts, first },
      ...{ seed, bytes, seconds, secondsMax, largeBytes },
    };
  }

  async #newFolder(subject: Subject): Promise<string> {
    const name = subject.name.replaceAll("/", "-");
    await mkdir(this.#settings.folder, { recursive: true });
    return mkdtemp(join(this.#settings.folder, `${name}-`));
  }

  #run(task: Task, profileFolder?: string): Promise<Answer> {
    const { script, signal } = this.#settings;
    const secondsMax =
      this.#options.secondsMax + Math.max(0, task.filled - LARGE_ENTRIES) / ENTRIES_PER_SECOND_MIN;
    const profile = profileFolder === undefined ? {} : { profileFolder };
    return runTask(task, { script, secondsMax, signal, ...profile });
  }
}

function entriesFor({ workload: { state }, artifacts }: Cell): number {
  if (state === "empty") return 0;
  return state === "hot" ? HOT_NAMES : artifacts;
}

/** Whether its folder serves this measurement alone. */
function isForOne({ workload: { state }, artifacts }: Cell): boolean {
  return state === "empty" || (state === "growing" && artifacts <= NEW_ARTIFACTS_MAX);
}

export function cellOf(subject: Subject, workload: Workload, artifacts: number): Cell {
  return { subject, workload, artifacts, rounds: [], failures: [] };
}

/** In the order of the report, and of the measurements of a round. */
export function cellsOf({ subjects, only, artifacts }: Options): Cell[] {
  const chosen = measured.filter(({ name }) => subjects.includes(name));
  return workloads
    .filter(({ name }) => only.includes(name))
    .flatMap((workload) =>
      chosen
        .filter((subject) => isAbout(subject, workload))
        .map((subject) => cellOf(subject, workload, artifacts)),
    );
}

function isAbout(subject: Subject, workload: Workload): boolean {
  return (subject.only?.includes(workload.name) ?? true) && (workload.only?.includes(subject.name) ?? true);
}
