/** What is measured of stores as they grow. */

import type { Spread } from "../../cli/bench/statistics.ts";
import type { StoreSizes } from "../../cli/bench/subject.ts";

/** `replay`: the index is made in the order of the log, as after a reboot without a checkpoint; `rebuild`: from sorted rows. */
export type Path = "load" | "save" | "open" | "rebuild" | "replay";

export interface PathFigures {
  /** Operations, or artifacts of an index. */
  perSecond: Spread;
  /** Processor time of an operation, of all threads: what says something on a busy machine too. Microseconds. */
  processor?: number;
  /** The most that a process had resident, its maps of files included: the median over the rounds. Bytes. */
  resident: number;
}

export interface StoreGrowth {
  subject: string;
  paths: Partial<Record<Path, PathFigures>>;
  /** As saved, before anything was packed. */
  sizes?: StoreSizes;
}

export interface Growth {
  artifacts: number;
  stores: StoreGrowth[];
}
