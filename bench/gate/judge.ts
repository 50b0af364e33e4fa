/** Whether this code is slower than the base, judged by how much the base differs from itself in the same rounds. */

import { median, type Spread, spreadOf } from "../../cli/bench/statistics.ts";

/** Speeds of one round: of the base, of the base once more, and of this code. */
export interface GateRound {
  base: number;
  again: number;
  own: number;
}

/** Beyond the spread of the base against itself, which may be small by chance. */
export const MARGIN = 0.05;

export interface Judgement {
  /** How far the base was from itself in the round where that was most: 0.1 is a tenth, either way. */
  spread: number;
  /** This code's speed by that of the base, which is the geometric mean of its two. */
  ratio: Spread;
  isSlower: boolean;
}

/** Slower: the median is below 1 by more than the base differs from itself, and the margin. */
export function judge(rounds: readonly GateRound[]): Judgement {
  const same = rounds.map(({ base, again }) => Math.abs(Math.log(base / again)));
  const own = rounds.map(({ base, again, own: speed }) => Math.log(speed / Math.sqrt(base * again)));
  const spread = Math.max(...same);
  return {
    spread: Math.expm1(spread),
    ratio: spreadOf(own.map(Math.exp)),
    isSlower: median(own) < -(spread + Math.log1p(MARGIN)),
  };
}
