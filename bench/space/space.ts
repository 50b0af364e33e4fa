/** What a log takes beside values, how long it takes to say what could go, and what a compaction does to who loads meanwhile. */

import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { spreadOf } from "../../cli/bench/statistics.ts";
import { digits, durationText, tableLines } from "../../cli/bench/text.ts";
import { answerOf } from "../child-process.ts";
import type { Options } from "../options.ts";
import type { RecoverySettings } from "../recovery/recovery.ts";
import type { Sizes, SpaceFigures } from "./figures.ts";

/** What a process may take for so many artifacts before it is given up. */
const ARTIFACTS_PER_SECOND_MIN = 1_000;

export interface Space extends SpaceFigures {
  artifacts: number;
}

export async function measureSpaceOf(
  artifacts: number,
  { seed, bytes, secondsMax, profile }: Options,
  { script, folder, signal, onStep }: RecoverySettings,
): Promise<Space> {
  const home = await mkdtemp(join(folder, "space-"));
  onStep(`${artifacts} artifacts: space`);
  const limit = secondsMax + artifacts / ARTIFACTS_PER_SECOND_MIN;
  const base = { kind: "space", subject: "varve", folder: home, filled: 0, seed, bytes } as const;
  try {
    const answer = await answerOf(
      { ...base, step: "measure", count: artifacts, secondsMax: limit },
      { script, signal, secondsMax: limit, profile },
    );
    if (answer.kind !== "done" || !answer.space) throw new Error(`answered ${answer.kind}`);
    return { artifacts, ...answer.space };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

export function spaceLines(rows: readonly Space[]): string[] {
  return rows.flatMap((row) => [...overheadLines(row), "", ...loadLines(row), ""]);
}

function overheadLines(row: Space): string[] {
  const { artifacts, saved, rested, compacted, plans, planned, freedBytes } = row;
  const cells = (what: string, bytesOf: (sizes: Sizes) => number) => [
    what,
    ...[saved, rested, compacted].flatMap((sizes) => (sizes ? amount(bytesOf(sizes), sizes) : ["", ""])),
  ];
  const { median, min, max } = spreadOf(plans);
  const time = (seconds: number) => durationText(seconds * 1_000_000);
  return [
    `${artifacts} artifacts:`,
    ...tableLines([
      ["", "bytes as saved", "of values", "packed by itself", "of values", "compacted", "of values"],
      cells("values", ({ valueBytes }) => valueBytes),
      cells("log beside blobs", ({ logBytes, blobBytes }) => logBytes - blobBytes),
      cells("index", ({ indexBytes }) => indexBytes),
      cells("together", overhead),
    ]),
    "",
    ...saveLines(row),
    "",
    `A plan that lets ${planned} go: ${time(median)} (${time(min)}–${time(max)}); the last compaction freed ${freedBytes} bytes.`,
  ];
}

function amount(bytes: number, { artifacts, valueBytes }: Sizes): [string, string] {
  return [`${Math.round(bytes / artifacts)}`, `${digits((100 * bytes) / valueBytes)} %`];
}

function overhead({ logBytes, blobBytes, indexBytes }: Sizes): number {
  return logBytes - blobBytes + indexBytes;
}

/** What is saved behind the packing of the index, beside what was saved before. */
function saveLines({ saves, rested }: Space): string[] {
  const percent = (part: number) => Math.round(100 * part);
  return tableLines([
    [
      rested ? "saves before and behind it" : "saves; the index was not packed",
      ...["by the clock", "of the processor", "index", "of values", "together"],
    ],
    ...saves.map(({ from, to, time, processor, sizes }) => [
      `from ${percent(from)} to ${percent(to)} %`,
      ...[durationText(time), durationText(processor)],
      ...amount(sizes.indexBytes, sizes),
      amount(overhead(sizes), sizes)[1],
    ]),
  ]);
}

function loadLines({ idle, same, other }: Space): string[] {
  const cells = (what: string, { latency, loads, seconds }: SpaceFigures["idle"]) => [
    what,
    String(loads),
    `${digits(seconds)} s`,
    durationText(latency.p50),
    digits(latency.p50 / idle.latency.p50),
    durationText(latency.p99),
    durationText(latency.p999),
    durationText(latency.max),
  ];
  return tableLines([
    ["loads", "", "", "p50", "by idle", "p99", "p99.9", "max"],
    cells("idle", idle),
    cells("this process compacts", same),
    cells("another process compacts", other),
  ]);
}
