/** The report of `varve bench` as lines for people. */

import { machineText } from "./machine.ts";
import { type BenchReport, type HotPathReport, hotPaths } from "./run.ts";
import { digits, durationText, rateText, tableLines } from "./text.ts";

export function reportLines(report: BenchReport): string[] {
  return [
    machineText(report.machine),
    `${report.options.artifacts} artifacts, values of ${report.options.bytes} bytes, seed ${report.options.seed}`,
    ...hotPaths.flatMap(({ name, does }) => ["", ...pathLines(report, name, does)]),
    "",
    ...limitLines(report).map(({ text }) => text),
    ...report.missing.map(({ subject, reason }) => `not compared: ${subject}, since ${reason}`),
    ...(report.options.compare ? differenceLines(report) : []),
  ];
}

function pathLines({ results }: BenchReport, workload: string, does: string): string[] {
  const rows = results.filter((result) => result.workload === workload);
  const own = rows[0];
  const head = [does, "per second", "p50", "p90", "p99", "p99.9", ...(rows.length > 1 ? ["varve/peer"] : [])];
  return tableLines([head, ...rows.map((row) => cellsOf(row, own!))]);
}

function cellsOf(row: HotPathReport, own: HotPathReport): string[] {
  const { p50, p90, p99, p999 } = row.latency;
  const ratio = own.perSecond / row.perSecond;
  const verdict = row === own ? "" : `${digits(ratio)} ${ratio >= 1 ? "won" : "lost"}`;
  return [`  ${row.subject}`, rateText(row.perSecond), ...[p50, p90, p99, p999].map(durationText), verdict];
}

export interface LimitLine {
  workload: string;
  /** Microseconds of one operation as varve does it, of which so many are bound by what `by` says. */
  total: number;
  bound: number;
  by: "disk" | "processor";
  text: string;
}

/** What keeps varve from being faster here. */
export function limitLines({ limits, results }: BenchReport): LimitLine[] {
  const of = (workload: string): HotPathReport =>
    results.find((each) => each.subject === "varve" && each.workload === workload)!;
  const one = of("save-one").latency.p50;
  const many = 1_000_000 / of("save").perSecond;
  const load = 1_000_000 / of("load").perSecond;
  const { flush, sha256, encode, decode, read } = limits;
  const [saving, loading] = [sha256 + encode, decode + read];
  const parts = (names: Record<string, number>): string =>
    Object.entries(names)
      .map(([name, each]) => `${name} ${durationText(each)}`)
      .join(", ");
  return [
    {
      workload: "save-one",
      total: one,
      bound: flush.p50,
      by: "disk",
      text: `One save at a time is bound by the disk's flush: ${durationText(flush.p50)} of ${durationText(one)} (a bare append and fdatasync; p99 ${durationText(flush.p99)}).`,
    },
    {
      workload: "save",
      total: many,
      bound: saving,
      by: "processor",
      text: `Saves in flight share a flush and are bound by the processor: ${durationText(saving)} of ${durationText(many)} is ${parts({ "SHA-256": sha256, "CBOR encode": encode })}; the rest is what a store does beside.`,
    },
    {
      workload: "load",
      total: load,
      bound: loading,
      by: "processor",
      text: `A load is bound by the processor: ${durationText(loading)} of ${durationText(load)} is ${parts({ "CBOR decode": decode, "reading from the file": read })}; the rest is what a store does beside.`,
    },
  ];
}

function differenceLines({ results }: BenchReport): string[] {
  return results.flatMap(({ subject, workload, differs }) =>
    differs === undefined ? [] : [`${subject}, ${workload}: ${differs}`],
  );
}
