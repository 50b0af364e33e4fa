/** The result as tables: one a workload, then all ratios, then what is not the same. */

import { machineText } from "../cli/bench/machine.ts";
import { digits, durationText, rateText, tableLines } from "../cli/bench/text.ts";
import type { Result, Row } from "./result.ts";
import { workloads } from "./workloads.ts";

export function reportLines(result: Result): string[] {
  const { machine, options, limits, rows } = result;
  const measured = workloads.filter(({ name }) => options.only.includes(name));
  return [
    machineText(machine),
    `${result.date.slice(0, 10)}, stores in ${machine.folder}, seed ${options.seed}, values of ${options.bytes} bytes, ${options.rounds} rounds of ${options.seconds} s, ${options.artifacts} artifacts`,
    `bare append and fdatasync: p50 ${durationText(limits.flush.p50)}, p99 ${durationText(limits.flush.p99)}; SHA-256 ${durationText(limits.sha256)}, CBOR encode ${durationText(limits.encode)}, decode ${durationText(limits.decode)}`,
    ...measured.flatMap(({ name, does }) => ["", `${name}: ${does}`, ...workloadLines(result, name)]),
    ...(options.subjects.length > 1 ? ["", ...ratioLines(result)] : []),
    "",
    ...wordLines(rows),
  ];
}

function workloadLines({ rows, options }: Result, workload: string): string[] {
  const own = rows.filter((row) => row.workload === workload);
  const shows = own[0]?.shows === "time" ? ["time", "min–max"] : ["per second", "min–max"];
  const head = ["", ...shows, "p50", "p90", "p99", "p99.9", "memory", `${options.base}/peer`, ""];
  const cells = own.filter(({ perSecond }) => perSecond).map(cellsOf);
  const missing = own.filter(({ perSecond }) => !perSecond);
  const failed = missing
    .filter(({ unsupported }) => unsupported === undefined)
    .map(({ subject, failures }) => `  ${subject}: FAILED: ${failures[0]?.split("\n")[0]}`);
  return [...tableLines([head, ...cells]), ...failed, ...unsupportedLines(missing)];
}

/** Those that are left out for the same reason together. */
function unsupportedLines(rows: readonly Row[]): string[] {
  const subjectsBy = new Map<string, string[]>();
  for (const { subject, unsupported } of rows)
    if (unsupported !== undefined)
      subjectsBy.set(unsupported, [...(subjectsBy.get(unsupported) ?? []), subject]);
  return [...subjectsBy].map(([why, names]) => `  ${names.join(", ")}: not measured: ${why}`);
}

function cellsOf({ subject, shows, perSecond, latency, memory, ratio }: Row): string[] {
  const { median, min, max } = perSecond!;
  const { p50, p90, p99, p999 } = latency!;
  const timeOf = (rate: number): string => durationText(1_000_000 / rate);
  return [
    `  ${subject}`,
    ...(shows === "rate"
      ? [rateText(median), `${rateText(min)}–${rateText(max)}`]
      : [timeOf(median), `${timeOf(max)}–${timeOf(min)}`]),
    ...[p50, p90, p99, p999].map(durationText),
    `${Math.round(memory!.residentMax / 2 ** 20)} MiB`,
    ratio ? `${digits(ratio.median)} (${digits(ratio.min)}–${digits(ratio.max)})` : "",
    ratio ? ratio.verdict : "",
  ];
}

/** The base's speed by the peer's, medians over the rounds. */
export function ratioLines({ rows, options }: Result): string[] {
  const peers = options.subjects.filter((name) => name !== options.base);
  const of = (workload: string, subject: string): string => {
    const ratio = rows.find((row) => row.workload === workload && row.subject === subject)?.ratio;
    return ratio ? `${digits(ratio.median)} ${ratio.verdict}` : "–";
  };
  return [
    `Speed of ${options.base} by that of the peer (above 1: ${options.base} is faster; won and lost: in every round)`,
    ...tableLines([
      ["", ...peers],
      ...options.only.map((workload) => [`  ${workload}`, ...peers.map((peer) => of(workload, peer))]),
    ]),
  ];
}

function wordLines(rows: readonly Row[]): string[] {
  const durabilities = new Map(rows.map(({ subject, durability }) => [subject, durability]));
  const differences = rows.filter(
    ({ differs, unsupported }) => differs !== undefined && unsupported === undefined,
  );
  return [
    "When a save is done:",
    ...[...durabilities].map(([subject, durability]) => `  ${subject}: ${durability}`),
    ...(differences.length > 0 ? ["Not the same as with varve:"] : []),
    ...differences.map(({ subject, workload, differs }) => `  ${workload}, ${subject}: ${differs}`),
  ];
}
