/** `--growth`: what loads, saves, opening and the making of an index cost as a store grows. */

import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { type Measurement, rateOf } from "../../cli/bench/measure.ts";
import { median, spreadOf } from "../../cli/bench/statistics.ts";
import type { Subject, WorkloadName } from "../../cli/bench/subject.ts";
import { subjects } from "../../cli/bench/subjects.ts";
import { runTask } from "../child-process.ts";
import type { Options } from "../options.ts";
import { type Cell, cellOf, NEW_ARTIFACTS_MAX, Runner, type RunnerSettings } from "../runner.ts";
import type { Answer, Task } from "../task.ts";
import { workloads } from "../workloads.ts";
import type { Growth, Path, PathFigures, StoreGrowth } from "./figures.ts";
import { dropIndex, putIndex, takeIndex } from "./home.ts";

/** What a process may take for so many artifacts before it is given up. */
const ARTIFACTS_PER_SECOND_MIN = 2_000;
/** Numbers of entries that one measurement may save. */
const NEW_ENTRIES = 10_000_000;

export async function measureGrowth(
  artifacts: number,
  options: Options,
  settings: RunnerSettings,
): Promise<Growth> {
  const folder = await mkdtemp(join(settings.folder, "growth-"));
  const chosen = subjects.filter(({ name }) => options.subjects.includes(name));
  const growing = chosen.map((subject) => new GrowingStore(subject, artifacts, options, settings, folder));
  try {
    for (const store of growing) await store.fill();
    await inTurns(options, growing, async (store) => {
      await store.measure("load", "load-random");
      await store.measure("open", "open");
    });
    for (const store of growing) await store.measureIndex();
    // They make the store larger, so they come last.
    if (artifacts > NEW_ARTIFACTS_MAX)
      await inTurns(options, growing, (store) => store.measure("save", "save-full"));
    else await measureSavesAnew(growing, artifacts, options, settings);
    return { artifacts, stores: growing.map((store) => store.figures()) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function inTurns(
  { rounds }: Options,
  stores: readonly GrowingStore[],
  measure: (store: GrowingStore) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) for (const store of stores) await measure(store);
}

/** A small store would soon be another one: each save is measured in a new one. */
async function measureSavesAnew(
  stores: readonly GrowingStore[],
  artifacts: number,
  options: Options,
  settings: RunnerSettings,
): Promise<void> {
  const workload = workloads.find(({ name }) => name === "save-full")!;
  const cells = stores.map(({ subject }) => cellOf(subject, workload, artifacts));
  await new Runner(options, settings).run(cells);
  for (const [at, cell] of cells.entries()) stores[at]!.take(cell);
}

interface Sample {
  perSecond: number;
  /** Microseconds of an operation, where they were taken. */
  processor: number | undefined;
  resident: number;
}

class GrowingStore {
  readonly subject: Subject;
  readonly #artifacts: number;
  readonly #options: Options;
  readonly #settings: RunnerSettings;
  readonly #home: string;
  readonly #samples = new Map<Path, Sample[]>();
  #sizes: StoreGrowth["sizes"];
  #additions = 0;

  constructor(
    subject: Subject,
    artifacts: number,
    options: Options,
    settings: RunnerSettings,
    folder: string,
  ) {
    this.subject = subject;
    this.#artifacts = artifacts;
    this.#options = options;
    this.#settings = settings;
    this.#home = join(folder, subject.name.replaceAll("/", "-"));
  }

  /** The index of the store when it had one artifact is kept: from it on a whole log can be replayed. */
  async fill(): Promise<void> {
    await mkdir(this.#home);
    if (this.#hasLog) {
      await this.#do("fill", "load-random", 1);
      await takeIndex(this.#home, this.#earlyIndex);
    }
    await this.#do("fill", "load-random", this.#artifacts);
    const answer = await this.#do("sizes", "load-random", this.#artifacts);
    if (answer.kind === "done") this.#sizes = answer.sizes;
  }

  async measure(path: Path, workload: WorkloadName): Promise<void> {
    const answer = await this.#do("measure", workload, this.#artifacts);
    if (workload === "save-full") this.#additions++;
    this.#note(path, answer);
  }

  /** Made anew in both ways; afterwards the store has the index that saves made. */
  async measureIndex(): Promise<void> {
    if (!this.#hasLog) return;
    await takeIndex(this.#home, this.#savedIndex);
    await putIndex(this.#home, this.#earlyIndex);
    this.#note("replay", await this.#do("replay", "open", this.#artifacts));
    await dropIndex(this.#home);
    for (let round = 0; round < this.#options.rounds; round++) await this.measure("rebuild", "rebuild");
    await putIndex(this.#home, this.#savedIndex);
  }

  take({ rounds, failures }: Cell): void {
    if (failures.length > 0) throw new Error(failures[0]);
    const samples = rounds.map((round) => ({
      perSecond: round!.perSecond,
      processor: processorOf(round!),
      resident: round!.memory.residentMax,
    }));
    this.#samples.set("save", samples);
  }

  figures(): StoreGrowth {
    const paths: StoreGrowth["paths"] = {};
    for (const [path, samples] of this.#samples) paths[path] = figuresOf(samples);
    return { subject: this.subject.name, paths, ...(this.#sizes && { sizes: this.#sizes }) };
  }

  get #hasLog(): boolean {
    return this.subject.name === "varve";
  }

  get #earlyIndex(): string {
    return `${this.#home}-early-index`;
  }

  get #savedIndex(): string {
    return `${this.#home}-saved-index`;
  }

  #note(path: Path, answer: Answer): void {
    if (answer.kind !== "done" || !answer.measurement) throw new Error(`answered ${answer.kind}`);
    const samples = this.#samples.get(path) ?? [];
    const sample = {
      perSecond: rateOf(answer.measurement),
      processor: processorOf(answer.measurement),
      resident: answer.memory.residentMax,
    };
    this.#samples.set(path, [...samples, sample]);
  }

  async #do(
    kind: "fill" | "sizes" | "measure" | "replay",
    workload: WorkloadName,
    filled: number,
  ): Promise<Answer> {
    const { script, signal, onStep } = this.#settings;
    onStep(`${this.#artifacts} artifacts: ${kind === "measure" ? workload : kind}, ${this.subject.name}`);
    const { profile, secondsMax } = this.#options;
    const answer = await runTask(this.#task(kind, workload, filled), {
      ...{ script, signal, secondsMax: secondsMax + filled / ARTIFACTS_PER_SECOND_MIN },
      ...(profile === undefined || kind === "fill" ? {} : { profileFolder: profile }),
    });
    if (answer.kind === "failed") throw new Error(`${workload}, ${this.subject.name}: ${answer.message}`);
    return answer;
  }

  #task(kind: "fill" | "sizes" | "measure" | "replay", workload: WorkloadName, filled: number): Task {
    const { seed, bytes, seconds, secondsMax, largeBytes } = this.#options;
    const base = { subject: this.subject.name, folder: this.#home, filled, seed, bytes };
    if (kind === "replay") return { ...base, kind: "recover", step: "open", first: 0, count: filled };
    if (kind === "sizes") return { ...base, kind };
    const first = filled + this.#additions * NEW_ENTRIES;
    const task = { ...base, kind, artifacts: filled, largeBytes, first, seconds, secondsMax };
    return kind === "fill" ? task : { ...task, workload };
  }
}

function processorOf({ processorSeconds, operations }: Measurement): number | undefined {
  return processorSeconds === undefined ? undefined : (processorSeconds / operations) * 1_000_000;
}

function figuresOf(samples: readonly Sample[]): PathFigures {
  const processor = samples.flatMap((sample) => sample.processor ?? []);
  return {
    ...(processor.length > 0 && { processor: median(processor) }),
    perSecond: spreadOf(samples.map(({ perSecond }) => perSecond)),
    resident: median(samples.map(({ resident }) => resident)),
  };
}
