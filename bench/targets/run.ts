/** `--targets`: what they need, measured in turns, and the table of what was reached. */

import { type Machine, machineText } from "../../cli/bench/machine.ts";
import { digits, durationText, rateText, tableLines } from "../../cli/bench/text.ts";
import type { Options } from "../options.ts";
import { measured } from "../references.ts";
import { type Cell, cellOf, Runner, type RunnerSettings } from "../runner.ts";
import { workloads } from "../workloads.ts";
import { cellFor, type Reached, reachedOf, type Sizes } from "./compare.ts";
import { type Side, TARGET_SIZES, type Target, targets } from "./targets.ts";

export interface TargetsResult {
  date: string;
  machine: Machine;
  options: Options;
  sizes: Sizes;
  targets: Reached[];
  rows: (Pick<Cell, "artifacts" | "rounds" | "failures"> & { subject: string; workload: string })[];
}

export async function measureTargets(
  options: Options,
  settings: RunnerSettings,
  machine: Machine,
): Promise<TargetsResult> {
  const [small, middle, large] = options.sizes;
  const sizes = { small, middle, large, usual: options.artifacts, none: options.artifacts };
  const { only } = options;
  const chosen = targets.filter(
    ({ own, peer }) => only.includes(own.workload) && only.includes(peer.workload),
  );
  const cells = cellsOf(chosen, sizes);
  await new Runner(options, settings).run(cells);
  return {
    ...{ date: new Date().toISOString(), machine, options, sizes },
    targets: chosen.map((target) => reachedOf(target, cells, sizes)),
    rows: cells.map(({ subject, workload, artifacts, rounds, failures }) => ({
      ...{ subject: subject.name, workload: workload.name, artifacts, rounds, failures },
    })),
  };
}

/** Each side once, in the order of the workloads, so that those that are compared follow each other in a round. */
function cellsOf(chosen: readonly Target[], sizes: Sizes): Cell[] {
  const cells: Cell[] = [];
  for (const side of chosen.flatMap(({ own, peer }) => [own, peer])) {
    if (cellFor(cells, side, sizes)) continue;
    const subject = measured.find(({ name }) => name === side.subject)!;
    const workload = workloads.find(({ name }) => name === side.workload)!;
    cells.push(cellOf(subject, workload, sizes[side.size]));
  }
  const orderOf = ({ workload }: Cell) => workloads.indexOf(workload);
  return cells.sort((one, other) => orderOf(one) - orderOf(other));
}

export function targetLines({ date, machine, options, sizes, targets: rows }: TargetsResult): string[] {
  const count = (name: "met" | "missed" | "failed") => rows.filter(({ verdict }) => verdict === name).length;
  const others = (["small", "middle", "large"] as const).filter((size) => sizes[size] !== TARGET_SIZES[size]);
  const head = ["path", "against", "aim", "measured (min–max)", "", "varve", "other side"];
  return [
    machineText(machine),
    `${date.slice(0, 10)}, stores in ${machine.folder}, seed ${options.seed}, values of ${options.bytes} bytes, ${options.rounds} rounds of ${options.seconds} s`,
    "Medians of ratios in rounds that took turns; how many rounds meet the aim on their own:",
    "",
    ...tableLines([head, ...rows.map(cellsOfRow)], "left"),
    "",
    ...rows.flatMap(({ path, against, failures }) =>
      failures.slice(0, 1).map((failure) => `FAILED: ${path}, ${against}: ${failure.split("\n")[0]}`),
    ),
    ...(others.length > 0
      ? [`The aims are about other sizes: ${others.map((size) => TARGET_SIZES[size]).join(", ")} artifacts.`]
      : []),
    `${count("met")} met, ${count("missed")} missed, ${count("failed")} failed`,
  ];
}

function cellsOfRow(row: Reached): string[] {
  const { path, against, aim, isTime, ratio, verdict, roundsMet, own, peer, perSecond } = row;
  const text = (rate: number | undefined) =>
    rate === undefined ? "–" : isTime ? durationText(1_000_000 / rate) : `${rateText(rate)}/s`;
  return [
    `${path}${sizeText(own)}`,
    `${against}${sizeText(peer)}`,
    `${isTime ? "≤" : "≥"} ${digits(aim)}`,
    ratio ? `${digits(ratio.median)} (${digits(ratio.min)}–${digits(ratio.max)})` : "–",
    ratio ? `${verdict}, ${roundsMet} of ${ratio.rounds.length}` : verdict,
    text(perSecond.own?.median),
    text(perSecond.peer?.median),
  ];
}

function sizeText({ size, artifacts }: Side & { artifacts: number }): string {
  return size === "none" ? "" : `, ${artifacts.toLocaleString("en")} artifacts`;
}
