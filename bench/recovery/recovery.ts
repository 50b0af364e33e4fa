/** How long a store takes to come back, by its size: after a kill, after a reboot without closing, and from its log alone. */

import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { spreadOf } from "../../cli/bench/statistics.ts";
import { digits, durationText, rateText, tableLines } from "../../cli/bench/text.ts";
import { answerOf } from "../child-process.ts";
import type { Options } from "../options.ts";
import type { Answer, RecoveryStep } from "../task.ts";

/** Saved behind the checkpoint, before the kill. */
const PART_BEHIND = 0.01;
const OPENS = 3;
/** What a process may take for so many artifacts before it is given up. */
const ARTIFACTS_PER_SECOND_MIN = 2_000;

export interface Recovery {
  artifacts: number;
  logBytes: number;
  /** Of those that were saved until then: seconds, and bytes resident at most. */
  rebuild: { artifacts: number; seconds: number; residentMax: number };
  /** Seconds of each. */
  openKilled: number[];
  reboot: { seconds: number; residentMax: number };
  /** Artifacts in the log behind the checkpoint that the reboot went on from. */
  behind: number;
}

export interface RecoverySettings {
  /** The built `child.js`. */
  script: string;
  /** Where stores are made. */
  folder: string;
  signal: AbortSignal;
  onStep(text: string): void;
}

export async function measureRecovery(
  artifacts: number,
  options: Options,
  settings: RecoverySettings,
): Promise<Recovery> {
  const home = await mkdtemp(join(settings.folder, "recovery-"));
  const behind = Math.ceil(artifacts * PART_BEHIND);
  const run = (step: RecoveryStep, first = 0, count = artifacts) => {
    settings.onStep(`${artifacts} artifacts: ${step}`);
    return runStep(home, step, first, count, options, settings);
  };
  try {
    await run("fill", 0, artifacts - behind);
    const rebuild = { artifacts: artifacts - behind, ...figuresOf(await run("rebuild")) };
    await run("checkpoint");
    await run("write", artifacts - behind, behind);
    const openKilled: number[] = [];
    for (let i = 0; i < OPENS; i++) openKilled.push(figuresOf(await run("open")).seconds);
    const hasCheckpoint = await reboot(home);
    const opened = figuresOf(await run("open"));
    const logBytes = await bytesIn(join(home, "log"));
    return {
      artifacts,
      logBytes,
      rebuild,
      openKilled,
      reboot: opened,
      behind: hasCheckpoint ? behind : artifacts,
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function runStep(
  home: string,
  step: RecoveryStep,
  first: number,
  count: number,
  { seed, bytes, secondsMax, profile }: Options,
  { script, signal }: RecoverySettings,
): Promise<Answer> {
  const task = { kind: "recover", subject: "varve", folder: home, filled: 0, seed, bytes } as const;
  const limit = secondsMax + count / ARTIFACTS_PER_SECOND_MIN;
  return answerOf({ ...task, step, first, count }, { script, signal, secondsMax: limit, profile });
}

function figuresOf(answer: Answer): { seconds: number; residentMax: number } {
  if (answer.kind !== "done" || !answer.measurement) throw new Error(`answered ${answer.kind}`);
  return { seconds: answer.measurement.seconds, residentMax: answer.memory.residentMax };
}

/**
 * What a power cut leaves, as far as a program can make it: nothing that was said within the boot, and no index that
 * only this boot's system knows. The log stays in memory, where a real reboot has to read it from the disk.
 * @returns whether there is an index that was put on the disk
 */
async function reboot(home: string): Promise<boolean> {
  await rm(join(home, "lock"), { recursive: true });
  let hasCheckpoint = false;
  for (const name of await readdir(home)) {
    if (!name.startsWith("index-")) continue;
    const path = join(home, name, "trust.json");
    const mark = JSON.parse(await readFile(path, "utf8")) as { clean?: unknown };
    if (mark.clean) hasCheckpoint = true;
    await writeFile(path, JSON.stringify({ ...mark, bootId: "another" }));
  }
  return hasCheckpoint;
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}

export function recoveryLines(rows: readonly Recovery[]): string[] {
  const head = [
    "artifacts",
    "log",
    "open after a kill",
    "rebuild",
    "artifacts/s",
    "memory",
    "unclean reboot",
    "behind the checkpoint",
    "artifacts/s",
    "memory",
  ];
  return ["Coming back:", ...tableLines([head, ...rows.map(cellsOf)])];
}

function cellsOf({ artifacts, logBytes, rebuild, openKilled, reboot, behind }: Recovery): string[] {
  const time = (seconds: number) => durationText(seconds * 1_000_000);
  const memory = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const { median, min, max } = spreadOf(openKilled);
  return [
    String(artifacts),
    `${digits(logBytes / 2 ** 30)} GiB`,
    `${time(median)} (${time(min)}–${time(max)})`,
    time(rebuild.seconds),
    rateText(rebuild.artifacts / rebuild.seconds),
    memory(rebuild.residentMax),
    time(reboot.seconds),
    String(behind),
    rateText(behind / reboot.seconds),
    memory(reboot.residentMax),
  ];
}
