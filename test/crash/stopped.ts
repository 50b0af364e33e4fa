import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import type { CheckAnswer } from "./kill-checker-program.ts";
import type { KillProgramOptions } from "./kill-program.ts";
import { PlainProcess } from "./plain-programs.ts";
import type { Point } from "./points-list.ts";
import { leadsTo } from "./points-list.ts";
import type { Fared, StoppedProgramOptions } from "./stopped-program.ts";

/** Points at which a process has the lock of the store. */
export const POINTS_WITH_LOCK: Point[] = [
  "lock, waited for: had",
  "index transaction: begun",
  "append group: half-way",
  "append group: after",
  "index transaction: before its commit",
  "shared state: after",
  "lock, waited for: before its commit",
  "sync full segment: before",
  "publish segment: both names",
  "mark: half written",
  "remove index: half-way",
  "unregister: after",
];

const LOCK_WAIT_MILLISECONDS_MAX = 700;
/** A call that hangs takes for ever; a busy machine does not. */
const SLACK_MILLISECONDS = 20_000;

export class StoppedTally implements HarnessResult {
  readonly counts = { stops: 0, "continued holders": 0, "killed holders": 0, "waits in vain": 0 };
  readonly violations: string[] = [];
}

/** One holder that is stopped at a point, another process beside it, and one that comes meanwhile. */
export class StoppedRound {
  readonly #tally: StoppedTally;
  readonly #seed: number;
  readonly #point: Point;
  readonly #folder = newFolder();
  readonly #home = join(this.#folder, "home");
  readonly #told = join(this.#folder, "told");

  constructor(seed: number, point: Point, tally: StoppedTally) {
    this.#seed = seed;
    this.#point = point;
    this.#tally = tally;
    closeSync(openSync(this.#told, "a"));
  }

  async run(kill: boolean): Promise<void> {
    const other = await this.#other("open");
    await this.#expect(other, "save");
    const late = this.#program();
    const holder = await this.#stoppedHolder();
    if (!holder) return this.#end([other, late]);
    this.#tally.counts.stops++;
    const value = await this.#expectRead(other, "load");
    this.#expectUnavailable(await this.#call(other, "save"), holder.pid);
    if ((await this.#expectRead(other, "load")) !== value) this.#violate("a save without the lock was done");
    await this.#expectRead(other, "list");
    this.#expectUnavailable(await this.#call(late, "open"), holder.pid);
    const reader = await this.#other("openReadOnly");
    await this.#expectRead(reader, "list");
    await this.#expect(other, "close");
    await this.#goOn(holder, kill);
    await this.#expect(late, "open");
    await this.#expectRead(reader, "list");
    const next = await this.#other("open");
    await this.#expect(next, "save");
    await this.#end([other, late, reader, next]);
    await this.#check();
  }

  async #goOn(holder: PlainProcess, kill: boolean): Promise<void> {
    this.#tally.counts[kill ? "killed holders" : "continued holders"]++;
    holder.signal(kill ? "SIGKILL" : "SIGCONT");
    const { code, signal } = await holder.ended;
    if (code !== 0 && signal !== "SIGKILL")
      this.#violate(`the holder ended with ${signal ?? code}: ${holder.errors}`);
  }

  /** Undefined when it did not come by the point. */
  async #stoppedHolder(): Promise<PlainProcess | undefined> {
    const options: KillProgramOptions = {
      home: this.#home,
      told: this.#told,
      who: `holder-${this.#seed}`,
      seed: this.#seed,
      durability: "durable",
      doing: leadsTo(this.#point),
      milliseconds: 1_500,
      names: 2,
      // Whoever finds that one was made anew waits for the lock, once.
      keepsIndex: true,
      aim: { point: this.#point, count: this.#count(), signal: "SIGSTOP" },
    };
    const holder = new PlainProcess("kill-program", options);
    for (let line = await holder.next(); line !== undefined; line = await holder.next())
      if (line.startsWith("at ")) return holder;
    return undefined;
  }

  /** Who only begins to open is not known to others yet: they take the lock without expecting to wait. */
  #count(): number {
    return this.#point.startsWith("lock, waited for") ? 3 : 1;
  }

  #program(): PlainProcess {
    const options: StoppedProgramOptions = { home: this.#home, lockWaitMax: LOCK_WAIT_MILLISECONDS_MAX };
    return new PlainProcess("stopped-program", options);
  }

  async #other(word: "open" | "openReadOnly"): Promise<PlainProcess> {
    const other = this.#program();
    await this.#expect(other, word);
    return other;
  }

  /** A call must end in time, whatever comes of it. */
  async #call(program: PlainProcess, word: string): Promise<Fared> {
    program.tell(word);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<Fared>((resolve) => {
      const milliseconds = LOCK_WAIT_MILLISECONDS_MAX + SLACK_MILLISECONDS;
      timer = setTimeout(() => resolve({ code: "HANGS", message: word, milliseconds }), milliseconds);
    });
    const fared = await Promise.race([program.expect<Fared>(), late]);
    clearTimeout(timer);
    if (fared.code === "HANGS") this.#violate(`${word} hangs`);
    return fared;
  }

  async #expect(program: PlainProcess, word: string): Promise<unknown> {
    const fared = await this.#call(program, word);
    if (fared.code) this.#violate(`${word} failed: ${fared.code} ${fared.message}`);
    return fared.value;
  }

  /** Reading needs no lock. */
  #expectRead(program: PlainProcess, word: string): Promise<unknown> {
    return this.#expect(program, word);
  }

  #expectUnavailable({ code, message, value }: Fared, pid: number): void {
    this.#tally.counts["waits in vain"]++;
    if (code !== "UNAVAILABLE") this.#violate(`instead of UNAVAILABLE: ${code ?? value} ${message ?? ""}`);
    else if (!message!.includes(String(pid))) this.#violate(`the holder ${pid} is not named: ${message}`);
  }

  async #check(): Promise<void> {
    const checker = new PlainProcess("kill-checker-program", {});
    checker.tell(JSON.stringify({ home: this.#home, told: this.#told, rebuild: true }));
    const { violations } = await checker.expect<CheckAnswer>();
    violations.map((violation) => this.#violate(violation));
    await this.#end([checker]);
  }

  async #end(programs: PlainProcess[]): Promise<void> {
    for (const program of programs) {
      program.process.stdin!.end();
      await program.endWithin(SLACK_MILLISECONDS, () => this.#violate("a process does not end"));
    }
  }

  #violate(text: string): void {
    this.#tally.violations.push(`${text} (stopped at “${this.#point}”, seed ${this.#seed})`);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

export async function stoppedRound(
  seed: number,
  point: Point,
  kill: boolean,
  tally: StoppedTally,
): Promise<void> {
  const round = new StoppedRound(seed, point, tally);
  await round.run(kill);
  round.remove();
}

async function run({ seed, until }: { seed: number; until: number }): Promise<HarnessResult> {
  const tally = new StoppedTally();
  const random = new Random("stopped", seed);
  for (let i = 0; i === 0 || Date.now() < until; i++) {
    const point = POINTS_WITH_LOCK[i % POINTS_WITH_LOCK.length]!;
    await stoppedRound(seed + i, point, random.below(2) === 0, tally);
  }
  return tally;
}

export const stopped: Harness = { name: "stopped", run };
