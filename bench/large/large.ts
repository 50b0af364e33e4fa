/** Large values and directories: as fast as the disk and the hash allow, in little memory, and what an edit adds. */

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { digits, durationText, tableLines } from "../../cli/bench/text.ts";
import { answerOf } from "../child-process.ts";
import type { Options } from "../options.ts";
import type { RecoverySettings } from "../recovery/recovery.ts";
import type { LargeFigures, LargeStep } from "./figures.ts";

const MIB = 1024 * 1024;
/** What a process may take for so many bytes before it is given up. */
const BYTES_PER_SECOND_MIN = 5 * MIB;
const FILES_PER_SECOND_MIN = 200;

export interface Large {
  /** Bytes of the value, or files. */
  size: number;
  steps: Partial<Record<LargeStep, LargeFigures>>;
}

const VALUE_STEPS: readonly LargeStep[] = [
  ...(["make", "sha256", "copy", "cacache", "save", "read", "read-stream", "load", "again"] as const),
  ...(["insert", "insert-small", "edit"] as const),
];
const FILE_STEPS: readonly LargeStep[] = ["make-files", "files-cacache", "files"];

/** @param size of the value, in MiB */
export function measureValue(size: number, options: Options, settings: RecoverySettings): Promise<Large> {
  const bytes = size * MIB;
  return measureSteps(
    bytes,
    VALUE_STEPS,
    options.secondsMax + bytes / BYTES_PER_SECOND_MIN,
    options,
    settings,
  );
}

/** @param size of the directory, in files */
export function measureFiles(size: number, options: Options, settings: RecoverySettings): Promise<Large> {
  return measureSteps(size, FILE_STEPS, options.secondsMax + size / FILES_PER_SECOND_MIN, options, settings);
}

async function measureSteps(
  size: number,
  steps: readonly LargeStep[],
  limit: number,
  { seed, bytes, profile }: Options,
  { script, folder, signal, onStep }: RecoverySettings,
): Promise<Large> {
  const home = await mkdtemp(join(folder, "large-"));
  const measured: Large["steps"] = {};
  try {
    for (const step of steps) {
      onStep(`${size}: ${step}`);
      const base = { kind: "large", subject: "varve", folder: home, filled: 0, seed, bytes } as const;
      const answer = await answerOf({ ...base, step, size }, { script, signal, secondsMax: limit, profile });
      if (answer.kind !== "done" || !answer.large) throw new Error(`answered ${answer.kind}`);
      measured[step] = answer.large;
    }
    return { size, steps: measured };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export function largeLines(rows: readonly Large[]): string[] {
  return rows.flatMap((row) => [...(row.steps.files ? fileLines(row) : valueLines(row)), ""]);
}

function valueLines({ size, steps }: Large): string[] {
  const rate = (step: LargeStep) => size / MIB / steps[step]!.seconds;
  const line = (what: string, step: LargeStep, against: number | undefined) => [
    what,
    `${digits(rate(step))} MiB/s`,
    against === undefined ? "" : digits(rate(step) / against),
    `${Math.round(steps[step]!.memory! / MIB)} MiB`,
  ];
  const written = Math.min(rate("sha256"), rate("copy"));
  const share = (bytes: number) => `${digits((100 * bytes) / size)} %`;
  return [
    `a value of ${size / MIB} MiB of random bytes:`,
    ...tableLines([
      ["", "", "of the limit", "memory"],
      line("SHA-256 of the file", "sha256", undefined),
      line("copy of the file, synced", "copy", undefined),
      line("varve saveFile", "save", written),
      line("cacache put, never synced", "cacache", written),
      line("read of the file, into one buffer", "read", undefined),
      line("the same by createReadStream", "read-stream", undefined),
      line("varve stream, checked", "load", rate("read-stream")),
      line("varve saveFile of the same again", "again", written),
    ]),
    ...tableLines([
      ["adds to the log", "", ""],
      ["the same again", `${steps.again!.added} bytes`, ""],
      ["1 MiB in the middle", "", share(steps.insert!.added!)],
      ["1 kB in the middle", "", share(steps["insert-small"]!.added!)],
      ["1 % of the rows of a CSV of this size edited", "", share(steps.edit!.added!)],
      ["  the same by chunks of 64 KiB at fixed places", "", share(steps.edit!.fixedAdded!)],
      ["  the same by whole files, as cacache has them", "", "100 %"],
    ]),
  ];
}

function fileLines({ size, steps }: Large): string[] {
  const { files, "files-cacache": other } = steps;
  const time = (seconds: number) => durationText(seconds * 1_000_000);
  return [
    `a directory of ${size} files of 1 KiB:`,
    ...tableLines([
      ["cacache, a put each, never synced", time(other!.seconds), ""],
      [
        "varve saveDirectory",
        time(files!.seconds),
        `${digits(other!.seconds / files!.seconds)} times faster`,
      ],
      [
        "  again, 10 files changed",
        time(files!.secondSeconds!),
        `${digits(files!.seconds / files!.secondSeconds!)} times faster than the first`,
      ],
    ]),
  ];
}
