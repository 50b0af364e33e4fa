import { spawnSync } from "node:child_process";
import { readFileSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../helpers/folders.ts";
import type { Harness, HarnessResult } from "./harness.ts";
import type { OrderProgramOptions } from "./order-program.ts";
import { PlainProcess } from "./plain-programs.ts";

const CALLS = "write,pwrite64,writev,pwritev,fdatasync,fsync,openat,link,linkat";
const HANG_MILLISECONDS = 60_000;

/** A system call of a trace. */
export interface SystemCall {
  call: string;
  /** The paths of its files, as the kernel knows them. */
  paths: string[];
  text: string;
  /** Places in the trace: where it was called, and where it had returned. */
  from: number;
  to: number;
}

/** The calls of a trace by `strace -f -y`, in the order in which they returned; those that failed are left out. */
export function readTrace(trace: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const begun = new Map<string, { text: string; from: number }>();
  for (const [i, line] of trace.split("\n").entries()) {
    const [, thread, rest] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    if (thread === undefined || rest === undefined) continue;
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(rest);
    if (unfinished) {
      begun.set(thread, { text: unfinished[1]!, from: i });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
    const first = resumed && begun.get(thread);
    const text = first ? first.text + resumed[1] : rest;
    const result = /= (-?\d+)/.exec(text.slice(text.lastIndexOf(")")));
    if (!result || Number(result[1]) < 0) continue;
    const paths: string[] = [...text.matchAll(/<(\/[^>]*)>|"(\/[^"]*)"/g)].map(([, a, b]) => (a ?? b)!);
    calls.push({ call: /^\w+/.exec(text)![0], paths, text, from: first?.from ?? i, to: i });
  }
  return calls;
}

const isWrite = ({ call }: SystemCall) => /^p?writev?(64)?$/.test(call);
const isSync = ({ call }: SystemCall) => call === "fdatasync" || call === "fsync";
const fileOf = ({ paths }: SystemCall) => paths[0] ?? "";
const isSegment = (path: string) => /\/log\/\d{10}\.varve$/.test(path);
const said = (word: string) => (call: SystemCall) => isWrite(call) && call.text.includes(`"${word}\\n"`);

/** What a trace shows to be done in the wrong order. */
export function checkTrace(calls: SystemCall[], durability: "durable" | "buffered"): string[] {
  const wrong: string[] = [];
  const when = (word: string) => {
    const found = calls.find(said(word));
    if (!found) wrong.push(`${word} was not said`);
    return found?.from ?? 0;
  };
  const [begin, saved, full, rolled, closed] = ["BEGIN", "SAVED", "FULL", "ROLLED", "CLOSED"].map(when) as [
    number,
    number,
    number,
    number,
    number,
  ];
  if (durability === "durable") {
    checkSynced(calls, begin, saved, "a save was acknowledged", wrong);
    checkSynced(calls, saved, full, "a large save was acknowledged", wrong);
    checkSynced(calls, full, rolled, "a save behind a roll was acknowledged", wrong);
  }
  checkSynced(calls, begin, closed, "the store was closed", wrong);
  checkRoll(
    calls.filter(({ from, to }) => from > full && to < rolled),
    wrong,
  );
  return wrong;
}

/** Each segment that was written to from `begin` on is on the disk when it is said at `end` that all is done. */
function checkSynced(calls: SystemCall[], begin: number, end: number, what: string, wrong: string[]): void {
  const within = calls.filter(({ from }) => from > begin && from < end);
  const written = within.filter((call) => isWrite(call) && call.paths.some(isSegment));
  if (written.length === 0) wrong.push(`nothing was written before ${what}`);
  for (const write of written) {
    const path = write.paths.find(isSegment)!;
    const synced = calls.some(
      (call) => isSync(call) && fileOf(call) === path && call.from > write.to && call.to < end,
    );
    if (!synced) wrong.push(`${what} before ${path} was on the disk`);
  }
}

/** Old segment synced, new one made and synced, named, its folder synced; then the first batch. */
function checkRoll(calls: SystemCall[], wrong: string[]): void {
  const steps: [string, (call: SystemCall) => boolean][] = [
    ["the full segment is synced", (call) => isSync(call) && isSegment(fileOf(call))],
    ["the new one is written", (call) => isWrite(call) && fileOf(call).endsWith(".tmp")],
    ["the new one is synced", (call) => isSync(call) && fileOf(call).endsWith(".tmp")],
    ["it gets its name", ({ call, paths }) => call.startsWith("link") && paths.some(isSegment)],
    ["its folder is synced", (call) => isSync(call) && fileOf(call).endsWith("/log")],
    ["the first batch is written", (call) => isWrite(call) && isSegment(fileOf(call))],
  ];
  let before = -1;
  for (const [step, isIt] of steps) {
    const found = calls.filter(isIt);
    const first = found[0];
    if (!first) wrong.push(`at a roll it never comes that ${step}`);
    else if (first.from <= before) wrong.push(`at a roll it comes too early that ${step}`);
    before = first?.to ?? before;
  }
}

export function hasStrace(): boolean {
  return spawnSync("strace", ["-o", "/dev/null", "-e", "trace=write", "true"]).status === 0;
}

export class OrderTally implements HarnessResult {
  readonly counts = { traces: 0, calls: 0 };
  readonly violations: string[] = [];
}

export async function orderRound(durability: "durable" | "buffered", tally: OrderTally): Promise<void> {
  const folder = realpathSync(newFolder());
  const trace = join(folder, "trace");
  const options: OrderProgramOptions = { home: join(folder, "home"), durability };
  const under = ["strace", "-f", "-y", "-s", "16", "-e", `trace=${CALLS}`, "-o", trace];
  const program = new PlainProcess("order-program", options, under);
  const { code, signal } = await program.endWithin(HANG_MILLISECONDS);
  if (code !== 0) tally.violations.push(`the program ended with ${signal ?? code}: ${program.errors}`);
  else {
    const calls = readTrace(readFileSync(trace, "utf8"));
    tally.counts.calls += calls.length;
    tally.violations.push(...checkTrace(calls, durability).map((text) => `${durability}: ${text}`));
  }
  tally.counts.traces++;
  rmSync(folder, { recursive: true, force: true });
}

async function run({ until }: { until: number }): Promise<HarnessResult> {
  if (!hasStrace()) return { counts: { "skipped: strace is missing or refused": 1 }, violations: [] };
  const tally = new OrderTally();
  for (let i = 0; i < 2 || Date.now() < until; i++) {
    if (i >= 20) break; // The order of a single thread is the same each time; the sync of another one may vary.
    await orderRound(i % 2 === 0 ? "durable" : "buffered", tally);
  }
  return tally;
}

export const order: Harness = { name: "order", run };
