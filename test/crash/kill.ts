import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { Harness, HarnessOptions, HarnessResult } from "./harness.ts";
import type { CheckAnswer, CheckRequest } from "./kill-checker-program.ts";
import type { KillProgramOptions } from "./kill-program.ts";
import { PlainProcess } from "./plain-programs.ts";
import type { Doing, Point } from "./points-list.ts";
import { leadsTo, needsNobodyElse, POINTS } from "./points-list.ts";

const NAMES = 4;
/** A writer that did not come by its point ends by itself after this long. */
const LIFE_MILLISECONDS = 4_000;
/** One that is still there after this long hangs. */
const HANG_MILLISECONDS = 60_000;
/** A random kill comes at most so long after the program is loaded. */
const RANDOM_MILLISECONDS_MAX = 250;
const COMPANY = 3;

/** How one writer is to end: at a point, or at a random moment. */
export interface KillPlan {
  point?: Point;
}

/** What the rounds of a run add to. */
export class KillTally implements HarnessResult {
  readonly counts = { kills: 0, "kills at points": 0, checks: 0, versions: 0, homes: 0 };
  readonly violations: string[] = [];
  readonly reached = new Set<Point>();
}

/** One home, in which writers die one after another or side by side, and which is checked now and then. */
export class KillRound {
  readonly #random: Random;
  readonly #tally: KillTally;
  readonly #folder = newFolder();
  readonly #home = join(this.#folder, "home");
  readonly #told = join(this.#folder, "told");
  readonly #checker: PlainProcess;
  #writers = 0;
  #versions = 0;

  constructor(seed: number, tally: KillTally, checker: PlainProcess) {
    this.#random = new Random("kill", seed);
    this.#tally = tally;
    this.#checker = checker;
    tally.counts.homes++;
    closeSync(openSync(this.#told, "a"));
  }

  /** Writers that have the store to themselves, one after another. */
  async alone(plans: KillPlan[]): Promise<void> {
    for (const plan of plans) await this.#live(plan);
    await this.#check(this.#random.below(4) === 0);
  }

  /** Writers side by side; a check runs while others go on. */
  async inCompany(plans: KillPlan[]): Promise<void> {
    const left = [...plans];
    const next = async () => {
      for (let plan = left.shift(); plan; plan = left.shift()) await this.#live(plan);
    };
    const all = Promise.all(Array.from({ length: COMPANY }, next));
    const checking = this.#check(this.#random.below(6) === 0);
    await all;
    await checking;
    await this.#check(this.#random.below(3) === 0);
  }

  /** As after a reboot with everything on the disk: no lock environment is there. */
  async afterReboot(plans: KillPlan[]): Promise<void> {
    for (const plan of plans) {
      mkdirSync(join(this.#home, "log"), { recursive: true });
      rmSync(join(this.#home, "lock"), { recursive: true, force: true });
      // What one left that died while it made a segment.
      writeFileSync(join(this.#home, "log/new-0123456789ab.tmp"), "left over");
      await this.#live(plan, "reboot");
    }
    await this.#check(false);
  }

  async end(): Promise<void> {
    await this.#check(false);
    await this.#check(true, true);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #live({ point }: KillPlan, doing?: Doing): Promise<void> {
    const random = this.#random;
    const any: Doing[] = [
      "open",
      "save",
      "save",
      "save",
      "parts",
      "rebuild",
      "close",
      "compact",
      "pack",
      "backup",
    ];
    const options: KillProgramOptions = {
      home: this.#home,
      told: this.#told,
      who: `${random.seed.toString(36)}.${this.#writers++}`,
      seed: random.below(2 ** 31),
      durability: random.below(2) === 0 ? "buffered" : "durable",
      doing: doing ?? (point ? leadsTo(point) : any[random.below(any.length)]!),
      milliseconds: LIFE_MILLISECONDS,
      names: NAMES,
      ...(point && { aim: { point, count: this.#count(point), signal: "SIGKILL" } }),
    };
    const writer = new PlainProcess("kill-program", options);
    let timer: NodeJS.Timeout | undefined;
    const ended = writer.endWithin(HANG_MILLISECONDS, () =>
      this.#tally.violations.push(`a writer hangs: ${JSON.stringify(options)}; it printed ${writer.lines}`),
    );
    if (!point && (await writer.next()) === "ready")
      timer = setTimeout(() => writer.signal("SIGKILL"), random.next() * RANDOM_MILLISECONDS_MAX);
    const { code, signal } = await ended;
    clearTimeout(timer);
    if (signal === "SIGKILL") {
      this.#tally.counts.kills++;
      const reached = writer.lines.find((line) => line.startsWith("at "))?.slice(3) as Point | undefined;
      if (reached) {
        this.#tally.counts["kills at points"]++;
        this.#tally.reached.add(reached);
      }
    } else if (code !== 0) {
      const ending = `a writer ended with ${signal ?? code}: ${writer.errors}`;
      this.#tally.violations.push(`${ending}; ${JSON.stringify(options)}`);
    }
  }

  /** The first time is reached soonest; a later one has seen more. */
  #count(point: Point): number {
    // A large value has some twenty parts.
    if (/^(part of a value|pins):/.test(point)) return 1 + this.#random.below(20);
    const isFrequent = ["save", "parts"].includes(leadsTo(point)) && !needsNobodyElse(point);
    return isFrequent ? 1 + this.#random.below(3) : 1;
  }

  async #check(rebuild: boolean, isLast = false): Promise<void> {
    const request: CheckRequest = { home: this.#home, told: this.#told, rebuild, isLast };
    this.#checker.tell(JSON.stringify(request));
    const { violations, versions } = await this.#checker.expect<CheckAnswer>();
    this.#tally.counts.checks++;
    this.#tally.counts.versions += versions - this.#versions;
    this.#versions = versions;
    for (const violation of violations)
      this.#tally.violations.push(
        `${violation} (round ${this.#random.seed}, kill ${this.#tally.counts.kills})`,
      );
  }
}

/** One home with writers killed at each of the points, and at random moments. */
export async function killRound(
  seed: number,
  tally: KillTally,
  checker: PlainProcess,
  points: readonly Point[],
  randomKills: number,
): Promise<void> {
  const round = new KillRound(seed, tally, checker);
  const reboot = points.filter((point) => leadsTo(point) === "reboot");
  const alone = points.filter((point) => needsNobodyElse(point) && !reboot.includes(point));
  const rest = points.filter((point) => !reboot.includes(point) && !alone.includes(point));
  const plans: KillPlan[] = rest.map((point) => ({ point }));
  const random = new Random("plans", seed);
  for (let i = 0; i < randomKills; i++) plans.splice(random.below(plans.length + 1), 0, {});
  await round.alone(alone.map((point) => ({ point })));
  // Some of what can be reached in company is reached by one alone too.
  await round.alone(plans.splice(0, Math.floor(plans.length / 3)));
  await round.afterReboot(reboot.map((point) => ({ point })));
  await round.inCompany(plans);
  await round.end();
}

function drawPoints(random: Random, count: number): Point[] {
  return Array.from({ length: count }, () => POINTS[random.below(POINTS.length)]!);
}

/** Homes side by side keep two cores busy. */
const LANES = 2;

async function run(options: HarnessOptions): Promise<HarnessResult> {
  const { seed, until, enough = Number.POSITIVE_INFINITY } = options;
  const tally = new KillTally();
  let rounds = 0;
  const lane = async () => {
    const checker = new PlainProcess("kill-checker-program", {});
    while (rounds < LANES || (Date.now() < until && tally.counts.kills < enough)) {
      const round = seed + rounds++;
      const random = new Random("points", round);
      // Each point in turn, so that a long run has them all; and as many at random.
      const points = [...drawPoints(random, 12), ...POINTS.filter((_, i) => i % 8 === rounds % 8)];
      await killRound(round, tally, checker, points, 20);
    }
    checker.process.stdin!.end();
    await checker.ended;
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return {
    counts: { ...tally.counts, "points reached": tally.reached.size, points: POINTS.length },
    violations: tally.violations,
  };
}

export const kill: Harness = { name: "kill", counted: "kills", run };
