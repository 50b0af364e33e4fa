import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import type { Contents } from "./many-checker-program.ts";
import type { HistoryEvent, Stop } from "./many-history.ts";
import { checkHistory } from "./many-history.ts";
import type { ManyProgramOptions } from "./many-program.ts";
import { PlainProcess } from "./plain-programs.ts";

/** What is done to the processes of a round while they work. */
export type Treatment =
  | "none"
  | "opened all the time"
  | "short stops"
  | "long stops"
  | "kills"
  | "stops and kills";

export interface RoundOptions {
  seed: number;
  treatment: Treatment;
  processes: number;
  milliseconds: number;
}

const DAY = 86_400_000;
/** Backwards, far back, ahead, far ahead. */
const CLOCK_SHIFTS = [0, -1_000, -DAY, -9_000 * DAY, 1_000, DAY, 20_000 * DAY];
const LOCK_WAIT_MILLISECONDS_MAX = 5_000;
/** With long stops, so that the lock is waited for in vain. */
const SHORT_LOCK_WAIT_MILLISECONDS_MAX = 1_000;
/** Beside `lockWaitMax`: generous, since a busy machine is no broken promise and a call that hangs takes for ever. */
const SLACK_MILLISECONDS = 20_000;
const NAMES = 3;

export class ManyTally implements HarnessResult {
  readonly counts = { rounds: 0, processes: 0, stops: 0, kills: 0, saves: 0, loads: 0, "waits in vain": 0 };
  readonly violations: string[] = [];
}

const microseconds = () => Number(process.hrtime.bigint() / 1000n);
/** Processes at work in one home for a while, and their histories checked when all is over. */
export class ManyRound {
  readonly #options: RoundOptions;
  readonly #random: Random;
  readonly #tally: ManyTally;
  readonly #folder = newFolder();
  readonly #lockWaitMax: number;
  #until = 0;
  readonly #stops: Stop[] = [];
  #started = 0;

  constructor(options: RoundOptions, tally: ManyTally) {
    this.#options = options;
    this.#tally = tally;
    this.#random = new Random("many", options.seed);
    const long = options.treatment === "long stops";
    this.#lockWaitMax = long ? SHORT_LOCK_WAIT_MILLISECONDS_MAX : LOCK_WAIT_MILLISECONDS_MAX;
  }

  async run(): Promise<void> {
    this.#tally.counts.rounds++;
    this.#until = Date.now() + this.#options.milliseconds + (await this.#startingTime());
    await Promise.all(Array.from({ length: this.#options.processes }, (_, i) => this.#lane(i)));
    await this.#check();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** How long it takes until all of them are at work on a machine as busy as this one. */
  async #startingTime(): Promise<number> {
    const from = Date.now();
    await new PlainProcess("many-program", this.#memberOptions("nobody", 0)).ended;
    return (Date.now() - from) * this.#options.processes;
  }

  /** One process after another, each treated until it ends. */
  async #lane(lane: number): Promise<void> {
    do {
      const who = `p${this.#started++}`;
      this.#tally.counts.processes++;
      const member = new PlainProcess("many-program", this.#memberOptions(who, lane));
      let over = false;
      const milliseconds = this.#until - Date.now() + this.#lockWaitMax + 2 * SLACK_MILLISECONDS;
      const onHang = () => this.#violate(`${who} hangs; its last note is ${this.#events(who).at(-1)}`);
      const ended = member.endWithin(milliseconds, onHang).finally(() => {
        over = true;
      });
      while (!over && Date.now() < this.#until) await this.#treat(member, who);
      const { code, signal } = await ended;
      if (code !== 0 && signal !== "SIGKILL")
        this.#violate(`${who} ended with ${signal ?? code}: ${member.errors}`);
    } while (Date.now() < this.#until);
  }

  #memberOptions(who: string, lane: number): ManyProgramOptions {
    const random = this.#random;
    return {
      home: join(this.#folder, "home"),
      history: join(this.#folder, `history-${who}`),
      who,
      seed: random.below(2 ** 31),
      // The first lane writes, so that there is a store; every fourth only reads.
      saves: lane % 4 !== 3,
      readOnly: lane % 4 === 3 && this.#started > 8 && random.below(2) === 0,
      durability: random.below(2) === 0 ? "buffered" : "durable",
      names: NAMES,
      lockWaitMax: this.#lockWaitMax,
      until: this.#until,
      clockShifts: CLOCK_SHIFTS,
      callsPerOpen: this.#options.treatment === "opened all the time" ? 1 : 60,
    };
  }

  async #treat(member: PlainProcess, who: string): Promise<void> {
    const random = this.#random;
    const { treatment } = this.#options;
    await sleep(Math.min(random.below(600), Math.max(1, this.#until - Date.now())));
    if (treatment === "none" || treatment === "opened all the time" || member.hasEnded) return;
    const kills = treatment === "kills" || (treatment === "stops and kills" && random.below(3) === 0);
    if (kills) {
      if (random.below(3) > 0) return;
      this.#tally.counts.kills++;
      await member.kill();
      return;
    }
    const long = treatment === "long stops" && random.below(8) === 0;
    const from = microseconds();
    member.signal("SIGSTOP");
    await sleep(long ? this.#lockWaitMax + random.below(1_500) : random.below(200));
    member.signal("SIGCONT");
    this.#stops.push({ who, from, to: microseconds() });
    this.#tally.counts.stops++;
  }

  async #check(): Promise<void> {
    const checker = new PlainProcess("many-checker-program", { home: join(this.#folder, "home") });
    const contents = await checker.expect<Contents>().catch((error: Error) => error);
    await checker.ended;
    if (contents instanceof Error) return this.#violate(`the checker failed: ${contents.message}`);
    const events = readdirSync(this.#folder)
      .filter((name) => name.startsWith("history-"))
      .flatMap((name) => this.#events(name.slice("history-".length)));
    const history = {
      events,
      found: contents.found,
      stops: this.#stops,
      callMicrosecondsMax: (this.#lockWaitMax + SLACK_MILLISECONDS) * 1000,
    };
    for (const violation of [...contents.violations, ...checkHistory(history)]) this.#violate(violation);
    const count = (what: string) => events.filter((event) => event.what === what).length;
    this.#tally.counts.saves += count("saved");
    this.#tally.counts.loads += count("loaded");
    this.#tally.counts["waits in vain"] += count("failed");
  }

  #events(who: string): HistoryEvent[] {
    const lines = readFileSync(join(this.#folder, `history-${who}`), "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as HistoryEvent);
  }

  #violate(text: string): void {
    const { seed, treatment } = this.#options;
    this.#tally.violations.push(`${text} (round ${seed}, ${treatment})`);
  }
}

const PROCESSES = 8;
const ROUND_MILLISECONDS = 20_000;
const TREATMENTS: Treatment[] = [
  "none",
  "opened all the time",
  "short stops",
  "kills",
  "long stops",
  "stops and kills",
];

async function run({ seed, until }: { seed: number; until: number }): Promise<HarnessResult> {
  const tally = new ManyTally();
  for (let i = 0; i === 0 || Date.now() < until; i++) {
    const milliseconds = Math.max(3_000, Math.min(ROUND_MILLISECONDS, until - Date.now()));
    const treatment = TREATMENTS[i % TREATMENTS.length]!;
    await new ManyRound({ seed: seed + i, treatment, processes: PROCESSES, milliseconds }, tally).run();
  }
  return tally;
}

export const many: Harness = { name: "many", run };
