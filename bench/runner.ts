/** All subjects take turns in every round, so that what changes on the machine in the meantime meets each of them. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { HOT_NAMES } from "../cli/bench/hot-paths.ts";
import { type Measurement, rateOf } from "../cli/bench/measure.ts";
import type { Subject } from "../cli/bench/subject.ts";
import { subjects } from "../cli/bench/subjects.ts";
import { runTask } from "./child-process.ts";
import type { Options } from "./options.ts";
import type { Answer, Memory, Task } from "./task.ts";
import type { State, Workload } from "./workload.ts";
import { workloads } from "./workloads.ts";

export interface Round extends Measurement {
  perSecond: number;
  memory: Memory;
}

/** One subject under one workload. */
export interface Cell {
  subject: Subject;
  workload: Workload;
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

export class Runner {
  readonly #options: Options;
  readonly #settings: RunnerSettings;
  /** Folders that serve several measurements, by subject and number of entries; undefined: could not be filled. */
  readonly #filled = new Map<string, Promise<string>>();

  constructor(options: Options, settings: RunnerSettings) {
    this.#options = options;
    this.#settings = settings;
  }

  async run(): Promise<Cell[]> {
    const cells = cellsOf(this.#options);
    const measured = cells.filter(({ subject, workload }) => !(workload.name in subject.unsupported));
    for (let round = 0; round < this.#options.rounds; round++) {
      for (const cell of measured) await this.#measure(cell, round);
    }
    return cells;
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

  async #answerFor({ subject, workload }: Cell): Promise<Answer> {
    const filled = this.#entriesFor(workload.state);
    let folder: string;
    try {
      folder = await this.#folderFor(subject, workload.state, filled);
    } catch (error) {
      this.#settings.signal.throwIfAborted();
      return { kind: "failed", message: (error as Error).message };
    }
    const { seconds } = this.#options;
    const task = { ...this.#taskFor(subject, folder, filled), workload: workload.name, seconds };
    try {
      return await this.#run({ kind: "measure", ...task }, this.#options.profile);
    } finally {
      if (filled === 0) await rm(folder, { recursive: true, force: true });
    }
  }

  #entriesFor(state: State): number {
    if (state === "empty") return 0;
    return state === "hot" ? HOT_NAMES : this.#options.artifacts;
  }

  async #folderFor(subject: Subject, state: State, filled: number): Promise<string> {
    if (state === "empty") return this.#newFolder(subject);
    const key = `${subject.name} ${filled} ${state === "killed"}`;
    if (!this.#filled.has(key)) this.#filled.set(key, this.#fill(subject, filled));
    const folder = await this.#filled.get(key)!;
    if (state === "killed") await this.#writeAndKill(subject, folder, filled);
    return folder;
  }

  async #fill(subject: Subject, filled: number): Promise<string> {
    this.#settings.onStep(`filling ${subject.name} with ${filled}`);
    const folder = await this.#newFolder(subject);
    const answer = await this.#run({ kind: "fill", ...this.#taskFor(subject, folder, filled) });
    if (answer.kind === "failed") throw new Error(`filling: ${answer.message}`);
    return folder;
  }

  async #writeAndKill(subject: Subject, folder: string, filled: number): Promise<void> {
    const answer = await this.#run({ kind: "write", ...this.#taskFor(subject, folder, filled) });
    if (answer.kind === "failed") throw new Error(`writing before the kill: ${answer.message}`);
  }

  #taskFor(subject: Subject, folder: string, filled: number): Omit<Task, "kind"> {
    const { seed, bytes } = this.#options;
    return { subject: subject.name, folder, filled, seed, bytes };
  }

  async #newFolder(subject: Subject): Promise<string> {
    const name = subject.name.replaceAll("/", "-");
    await mkdir(this.#settings.folder, { recursive: true });
    return mkdtemp(join(this.#settings.folder, `${name}-`));
  }

  #run(task: Task, profileFolder?: string): Promise<Answer> {
    const { script, signal } = this.#settings;
    const { secondsMax } = this.#options;
    const profile = profileFolder === undefined ? {} : { profileFolder };
    return runTask(task, { script, secondsMax, signal, ...profile });
  }
}

/** In the order of the report, and of the measurements of a round. */
function cellsOf(options: Options): Cell[] {
  const chosen = subjects.filter(({ name }) => options.subjects.includes(name));
  return workloads
    .filter(({ name }) => options.only.includes(name))
    .flatMap((workload) => chosen.map((subject) => ({ subject, workload, rounds: [], failures: [] })));
}
