import { closeSync, cpSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fastFolder, newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { Harness, HarnessOptions, HarnessResult } from "./harness.ts";
import { PlainProcess } from "./plain-programs.ts";
import type { Point } from "./points-list.ts";
import type { SpaceCheckRequest } from "./space-checker-program.ts";
import type { Findings, Operation } from "./space-events.ts";
import { operationsOf } from "./space-events.ts";
import { checkSpaceHistory } from "./space-history.ts";
import type { SpaceTask } from "./space-program.ts";
import type { Treatment } from "./space-tasks.ts";
import { drawTasks, SPACE_POINTS } from "./space-tasks.ts";

const TREATMENTS: Treatment[] = ["none", "kills", "kills", "kills at points", "kills at points", "stops"];
/** One in so many has stops so long that the stopped one is taken for gone. */
const LONG_STOPS_ONE_IN = 40;
const HANG_MILLISECONDS = 120_000;
const SHOWN_MAX = 6;
const VIOLATIONS_MAX = 30;
const KILL_MILLISECONDS_MAX = 120;
/** Histories side by side: most of one is waiting for the processes of another. */
const LANES = 3;

const LONG_STOP_MILLISECONDS = 500;

export class SpaceTally implements HarnessResult {
  readonly counts = {
    histories: 0,
    processes: 0,
    kills: 0,
    "kills at points": 0,
    stops: 0,
    calls: 0,
    compactions: 0,
    prunes: 0,
    undeletes: 0,
    backups: 0,
    loads: 0,
  };
  readonly violations: string[] = [];
  readonly reached = new Set<Point>();

  count(operations: readonly Operation[]): void {
    const done = (what: string) =>
      operations.filter(({ call, result }) => call.call === what && result && !result.error).length;
    this.counts.calls += operations.length;
    this.counts.compactions += done("compact");
    this.counts.prunes += done("prune");
    this.counts.undeletes += done("undelete");
    this.counts.backups += done("backup");
    this.counts.loads += operations.reduce((sum, { result }) => sum + (result?.given?.length ?? 0), 0);
  }
}

/** Processes that serve one history after another, so that only what was killed has to be started again. */
export class SpaceLane {
  readonly #tally: SpaceTally;
  readonly #folder = newFolder(fastFolder());
  readonly #members: PlainProcess[] = [];
  readonly #killed = new WeakSet<PlainProcess>();
  #checker: PlainProcess | undefined;
  #random!: Random;

  constructor(tally: SpaceTally) {
    this.#tally = tally;
  }

  async end(): Promise<void> {
    const all = [...this.#members, this.#checker];
    for (const each of all) if (each) each.process.stdin!.end();
    await Promise.all(all.map((each) => each?.ended));
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** One home, used by some processes at once, and checked when they are done or dead. */
  async history(seed: number, points: readonly Point[] = SPACE_POINTS): Promise<void> {
    const random = new Random("space", seed);
    this.#random = random;
    const folder = join(this.#folder, `history-${seed}`);
    mkdirSync(folder);
    const long = random.below(LONG_STOPS_ONE_IN) === 0;
    const treatment = long ? "long stops" : TREATMENTS[random.below(TREATMENTS.length)]!;
    const tasks = drawTasks(random, folder, treatment, points);
    await new Promise<void>((resolve, reject) => {
      const first = this.#serve(0, tasks[0]!, treatment, () => {
        const others = tasks.slice(1).map((task, i) => this.#serve(i + 1, task, treatment, () => {}));
        Promise.all([first, ...others]).then(() => resolve(), reject);
      });
      first.catch(reject);
    });
    await this.#check(seed, treatment, tasks, folder);
    this.#tally.counts.histories++;
    rmSync(folder, { recursive: true, force: true });
  }

  /** One process through one history. `onReady` is called when others may come, also where it died before. */
  async #serve(i: number, task: SpaceTask, treatment: Treatment, onReady: () => void): Promise<void> {
    closeSync(openSync(task.history, "a"));
    const member = this.#member(i);
    member.tell(JSON.stringify(task));
    const hangs = setTimeout(() => {
      this.#told(`${task.who} hangs: ${JSON.stringify(task)}`);
      member.signal("SIGKILL");
    }, HANG_MILLISECONDS);
    let treated = Promise.resolve();
    let isOver = false;
    let isReady = false;
    let line = await member.next();
    for (; line !== undefined && line !== "done"; line = await member.next()) {
      if (line.startsWith("at ")) this.#tally.reached.add(line.slice(3) as Point);
      if (line !== "ready") continue;
      isReady = true;
      onReady();
      treated = this.#treat(member, treatment, () => isOver);
    }
    isOver = true;
    clearTimeout(hangs);
    await treated;
    // It can have been killed just behind its end.
    if (line === undefined || this.#killed.has(member)) await this.#noteEnd(i, member, task);
    if (!isReady) onReady();
  }

  /** Kills or stops a process while it works. */
  async #treat(member: PlainProcess, treatment: Treatment, isOver: () => boolean): Promise<void> {
    const random = this.#random;
    if (treatment === "kills" && random.below(3) > 0) {
      await sleep(random.below(KILL_MILLISECONDS_MAX));
      if (isOver()) return;
      this.#killed.add(member);
      member.signal("SIGKILL");
    }
    const long = treatment === "long stops";
    for (let stops = 0; (long || treatment === "stops") && stops < 3; stops++) {
      await sleep(random.below(40));
      if (isOver()) return;
      member.signal("SIGSTOP");
      this.#tally.counts.stops++;
      await sleep(long ? LONG_STOP_MILLISECONDS : random.below(60));
      member.signal("SIGCONT");
    }
  }

  async #noteEnd(i: number, member: PlainProcess, task: SpaceTask): Promise<void> {
    const { code, signal } = await member.ended;
    delete this.#members[i];
    if (signal !== "SIGKILL") {
      this.#told(`${task.who} ended with ${signal ?? code}: ${member.errors}; ${JSON.stringify(task)}`);
      return;
    }
    this.#tally.counts.kills++;
    if (member.lines.some((line) => line.startsWith("at "))) this.#tally.counts["kills at points"]++;
  }

  #member(i: number): PlainProcess {
    this.#members[i] ??= this.#started("space-program");
    return this.#members[i];
  }

  #started(program: string): PlainProcess {
    this.#tally.counts.processes++;
    return new PlainProcess(program, {});
  }

  async #check(seed: number, treatment: Treatment, tasks: SpaceTask[], folder: string): Promise<void> {
    const { home, backups, segmentBytesMax } = tasks[0]!;
    const request: SpaceCheckRequest = {
      home,
      backups: tasks.map(({ who }) => join(backups, who)),
      seed,
      segmentBytesMax,
    };
    this.#checker ??= this.#started("space-checker-program");
    this.#checker.tell(JSON.stringify(request));
    const findings = await this.#checker.expect<Findings | { failed: string }>();
    const operations = tasks.flatMap(({ who, history }) => operationsOf(who, readFileSync(history, "utf8")));
    this.#tally.count(operations);
    const violations =
      "failed" in findings
        ? [`the last one failed: ${findings.failed}`]
        : checkSpaceHistory({
            operations,
            findings,
            callMicrosecondsMax: HANG_MILLISECONDS * 1000,
            longStops: treatment === "long stops",
            isCapped: tasks[0]!.maxSize !== undefined,
          });
    for (const violation of violations.slice(0, SHOWN_MAX))
      this.#told(`${violation} (history ${seed}, ${treatment})`);
    if (violations.length > 0) keep(folder, { seed, treatment, tasks, findings, violations, operations });
  }

  #told(violation: string): void {
    this.#tally.violations.push(violation);
  }
}

/** For who looks into a violation: the calls in their order, and what was found, where `VARVE_SPACE_KEEP` says. */
function keep(
  folder: string,
  document: { seed: number; operations: Operation[]; [more: string]: unknown },
): void {
  const target = process.env.VARVE_SPACE_KEEP;
  if (target === undefined) return;
  cpSync(folder, join(target, `history-${document.seed}`), { recursive: true });
  const { operations, ...rest } = document;
  const sorted = [...operations]
    .sort((a, b) => a.from - b.from)
    .map((operation) => JSON.stringify(operation));
  writeFileSync(join(target, `history-${document.seed}.json`), `${JSON.stringify(rest, undefined, 1)}\n`);
  writeFileSync(join(target, `history-${document.seed}.txt`), `${sorted.join("\n")}\n`);
}

export interface SpaceRun {
  seed: number;
  /** When to end, as `Date.now()` gives it. */
  until?: number;
  /** How many histories, at most. */
  histories?: number;
}

/** Histories one after another, in several lanes. */
export async function runSpace({ seed, until, histories }: SpaceRun): Promise<SpaceTally> {
  const tally = new SpaceTally();
  let next = 0;
  const goOn = () =>
    tally.violations.length < VIOLATIONS_MAX &&
    next < (histories ?? Number.POSITIVE_INFINITY) &&
    (next < LANES || Date.now() < (until ?? Number.POSITIVE_INFINITY));
  const lane = async () => {
    const own = new SpaceLane(tally);
    while (goOn()) await own.history(seed + next++);
    await own.end();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return tally;
}

async function run({ seed, until, enough }: HarnessOptions): Promise<HarnessResult> {
  const wanted = enough === undefined ? {} : { histories: enough };
  const { counts, violations, reached } = await runSpace({ seed, until, ...wanted });
  const own = SPACE_POINTS.filter((point) => reached.has(point)).length;
  return { counts: { ...counts, "points reached": own, points: SPACE_POINTS.length }, violations };
}

export const space: Harness = { name: "space", counted: "histories", run };
