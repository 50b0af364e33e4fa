import { closeSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { filesUnder, newFolder } from "../helpers/folders.ts";
import { Random } from "../helpers/random.ts";
import type { AloneProgramOptions } from "./alone-program.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import type { CheckAnswer } from "./kill-checker-program.ts";
import { PlainProcess } from "./plain-programs.ts";

const PROCESSES = 3;
/** How long all work side by side. */
const ROUND_MILLISECONDS = 300;
const HANG_MILLISECONDS = 60_000;
/** What says that a lock was waited for in vain tells nobody of a loss. */
const NO_REPORT = /^UNAVAILABLE/;

export class AloneTally implements HarnessResult {
  readonly counts = { rounds: 0, "locks removed": 0, saves: 0, reports: 0, "losses with a report": 0 };
  readonly violations: string[] = [];
}

/** Writers whose lock environment is taken away, so that those who come next believe to be alone. */
export async function aloneRound(seed: number, tally: AloneTally): Promise<void> {
  const random = new Random("alone", seed);
  const folder = newFolder();
  const [home, told, failed] = ["home", "told", "failed"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  for (const path of [told, failed]) closeSync(openSync(path, "a"));
  tally.counts.rounds++;
  const writers: PlainProcess[] = [];
  const start = async () => {
    const options: AloneProgramOptions = {
      home,
      told,
      failed,
      who: `${seed}.${writers.length}`,
      seed: random.below(2 ** 31),
      durability: random.below(2) === 0 ? "buffered" : "durable",
      names: 2,
    };
    const writer = new PlainProcess("alone-program", options);
    writers.push(writer);
    await writer.next();
  };
  await start();
  for (let i = 1; i < PROCESSES; i++) {
    await sleep(random.below(200));
    const first = random.below(2) === 0;
    // Into the arms of the one that opens, or before it: then it makes a lock of its own.
    const starting = first ? start() : undefined;
    if (first) await sleep(random.below(300));
    removeLock(home, folder, random);
    tally.counts["locks removed"]++;
    await (starting ?? start());
  }
  await sleep(ROUND_MILLISECONDS);
  for (const writer of writers) writer.process.stdin!.end();
  for (const writer of writers) await expectGoodEnd(writer, seed, tally);
  await check({ home, told, failed }, seed, tally);
  rmSync(folder, { recursive: true, force: true });
}

function removeLock(home: string, aside: string, random: Random): void {
  const lock = join(home, "lock");
  const how = random.below(4);
  if (how === 0) renameSync(lock, join(aside, `lock-${random.below(2 ** 31)}`));
  // `rm -rf` of the whole can be stopped half-way by one that makes something in it, so it goes by its pieces.
  for (const name of how === 0 ? [] : readdirSync(lock)) {
    const environment = join(lock, name);
    if (how === 1) rmSync(environment, { recursive: true, force: true });
    else
      for (const path of filesUnder(environment))
        if (how === 2 || path.endsWith("lock.mdb")) rmSync(path, { force: true });
  }
}

async function expectGoodEnd(writer: PlainProcess, seed: number, tally: AloneTally): Promise<void> {
  const { code, signal } = await writer.endWithin(HANG_MILLISECONDS, () =>
    tally.violations.push(`a writer hangs (round ${seed})`),
  );
  if (code !== 0)
    tally.violations.push(`a writer ended with ${signal ?? code} (round ${seed}): ${writer.errors}`);
}

async function check(
  paths: { home: string; told: string; failed: string },
  seed: number,
  tally: AloneTally,
): Promise<void> {
  const lines = (path: string) =>
    readFileSync(path, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  const reports = lines(paths.failed).filter((line) => !NO_REPORT.test(line));
  tally.counts.saves += lines(paths.told).length;
  tally.counts.reports += reports.length;
  const checker = new PlainProcess("kill-checker-program", {});
  const violations: string[] = [];
  for (const rebuild of [false, true]) {
    checker.tell(JSON.stringify({ home: paths.home, told: paths.told, rebuild }));
    violations.push(...(await checker.expect<CheckAnswer>()).violations);
  }
  checker.process.stdin!.end();
  await checker.ended;
  const verified = violations.some((violation) => violation.startsWith("verify: "));
  for (const violation of violations) {
    if (violation.startsWith("verify: ") || violation.startsWith("warned: ")) continue;
    if (reports.length > 0 || verified) tally.counts["losses with a report"]++;
    else tally.violations.push(`without a report: ${violation} (round ${seed})`);
  }
}

async function run({ seed, until }: { seed: number; until: number }): Promise<HarnessResult> {
  const tally = new AloneTally();
  for (let i = 0; i === 0 || Date.now() < until; i++) await aloneRound(seed + i, tally);
  return tally;
}

export const alone: Harness = { name: "alone", run };
