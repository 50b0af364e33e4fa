/** From measured rounds to the figures of the report: medians, spreads, and ratios of rounds that took turns. */

import type { Limits } from "../cli/bench/limits.ts";
import type { Machine } from "../cli/bench/machine.ts";
import { type Latency, median, type Spread, spreadOf } from "../cli/bench/statistics.ts";
import type { Options } from "./options.ts";
import type { Cell, Round } from "./runner.ts";
import type { Memory } from "./task.ts";

/** Lost and won only where every round says so. */
export type Verdict = "won" | "even" | "lost";

export interface Ratio extends Spread {
  /** The base's rate by the subject's, round by round. */
  rounds: number[];
  verdict: Verdict;
}

export interface Row {
  subject: string;
  workload: string;
  shows: "rate" | "time";
  durability: string;
  /** What is not the same as with varve, in words. */
  differs?: string;
  /** Why there are no figures, in words. */
  unsupported?: string;
  failures: string[];
  perSecond?: Spread;
  /** Medians over the rounds; microseconds. */
  latency?: Latency;
  /** Medians over the rounds; bytes. */
  memory?: Memory;
  /** The base's speed by that of this row: above 1 the base is faster. */
  ratio?: Ratio;
  rounds: (Round | undefined)[];
}

export interface Result {
  format: 1;
  date: string;
  machine: Machine;
  options: Options;
  limits: Limits;
  rows: Row[];
}

export function rowsOf(cells: readonly Cell[], base: string): Row[] {
  return cells.map((cell) => {
    const own = cells.find((each) => each.subject.name === base && each.workload === cell.workload);
    return rowOf(cell, own);
  });
}

function rowOf(cell: Cell, own: Cell | undefined): Row {
  const { subject, workload, rounds, failures } = cell;
  const { name } = workload;
  const row: Row = {
    subject: subject.name,
    workload: name,
    shows: workload.shows,
    durability: subject.durability,
    failures,
    rounds,
  };
  if (subject.differs[name] !== undefined) row.differs = subject.differs[name];
  if (subject.unsupported[name] !== undefined) row.unsupported = subject.unsupported[name];
  const good = rounds.filter((round) => round !== undefined);
  if (good.length === 0) return row;
  row.perSecond = spreadOf(good.map(({ perSecond }) => perSecond));
  row.memory = medianOf(good.map(({ memory }) => memory));
  row.latency = medianOf(good.map(({ latency }) => latency!));
  const ratio = own && own !== cell ? ratioOf(own.rounds, rounds) : undefined;
  if (ratio) row.ratio = ratio;
  return row;
}

export function ratioOf(
  own: readonly (Pick<Round, "perSecond"> | undefined)[],
  peer: readonly (Pick<Round, "perSecond"> | undefined)[],
): Ratio | undefined {
  const rounds = peer.flatMap((round, at) => {
    const mine = own[at];
    return round && mine ? [mine.perSecond / round.perSecond] : [];
  });
  if (rounds.length === 0) return undefined;
  const spread = spreadOf(rounds);
  const verdict = spread.min > 1 ? "won" : spread.max < 1 ? "lost" : "even";
  return { ...spread, rounds, verdict };
}

/** Field by field. */
function medianOf<T extends { [Name in keyof T]: number }>(samples: readonly T[]): T {
  const names = Object.keys(samples[0]!) as (keyof T)[];
  return Object.fromEntries(names.map((name) => [name, median(samples.map((each) => each[name]))])) as T;
}
