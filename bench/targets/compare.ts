/** From measured rounds to what was reached of the targets. */

import { type Spread, spreadOf } from "../../cli/bench/statistics.ts";
import type { Cell } from "../runner.ts";
import type { Side, Size, Target } from "./targets.ts";

/** Artifacts of each size. */
export type Sizes = Record<Size, number>;

export interface Reached {
  path: string;
  against: string;
  own: Side & { artifacts: number };
  peer: Side & { artifacts: number };
  aim: number;
  /** The aim is the most, of times; else the least, of rates. */
  isTime: boolean;
  /** Rates of each side. */
  perSecond: { own?: Spread; peer?: Spread };
  ratio?: Spread & { rounds: number[] };
  verdict: "met" | "missed" | "failed";
  /** Rounds that alone would meet it. */
  roundsMet: number;
  failures: string[];
}

export function cellFor(cells: readonly Cell[], { subject, workload, size }: Side, sizes: Sizes): Cell {
  return cells.find(
    (cell) =>
      cell.subject.name === subject && cell.workload.name === workload && cell.artifacts === sizes[size],
  )!;
}

export function reachedOf(target: Target, cells: readonly Cell[], sizes: Sizes): Reached {
  const { path, against, aim, isTime = false } = target;
  const [own, peer] = [cellFor(cells, target.own, sizes), cellFor(cells, target.peer, sizes)];
  const rounds = own.rounds.flatMap((round, at) => {
    const other = peer.rounds[at];
    if (!round || !other) return [];
    return [isTime ? other.perSecond / round.perSecond : round.perSecond / other.perSecond];
  });
  const isMet = (ratio: number) => (isTime ? ratio <= aim : ratio >= aim);
  const ratio = rounds.length > 0 ? { ...spreadOf(rounds), rounds } : undefined;
  return {
    ...{ path, against, aim, isTime },
    own: { ...target.own, artifacts: own.artifacts },
    peer: { ...target.peer, artifacts: peer.artifacts },
    perSecond: ratesOf(own, peer),
    ...(ratio && { ratio }),
    verdict: !ratio ? "failed" : isMet(ratio.median) ? "met" : "missed",
    roundsMet: rounds.filter(isMet).length,
    failures: [...own.failures, ...peer.failures],
  };
}

function ratesOf(own: Cell, peer: Cell): Reached["perSecond"] {
  const rateOf = ({ rounds }: Cell): Spread | undefined => {
    const rates = rounds.flatMap((round) => (round ? [round.perSecond] : []));
    return rates.length > 0 ? spreadOf(rates) : undefined;
  };
  const [mine, others] = [rateOf(own), rateOf(peer)];
  return { ...(mine && { own: mine }), ...(others && { peer: others }) };
}
