/** What the benchmark of space measures. */

import type { Latency } from "../../cli/bench/statistics.ts";

export interface Loads {
  /** Of one load, and the turn of the event loop that it waits for first: what blocks that is seen. Microseconds. */
  latency: Latency;
  loads: number;
  /** How long the compaction took, if there was one. */
  seconds: number;
}

/** What the versions were saved with. */
export const SPACE_VALUE_BYTES = 1_024;

/** How many artifacts, and bytes of values as CBOR, of the log, of its blobs, of the index. */
export interface Sizes {
  artifacts: number;
  valueBytes: number;
  blobBytes: number;
  logBytes: number;
  indexBytes: number;
}

/** The saves by which a store has grown, from one part of what it was to another. */
export interface Saves {
  from: number;
  to: number;
  /** Microseconds of a save, by the clock and of the processor. */
  time: number;
  processor: number;
  sizes: Sizes;
}

export interface SpaceFigures {
  /** Behind the filling. */
  saved: Sizes;
  /** Once nobody wrote for so long that the index was packed by itself; absent for one that is too small for that. */
  rested: Sizes | undefined;
  /** Saves in the end of the filling, and behind that, in parts of what is there. */
  saves: Saves[];
  /** Behind a compaction that has nothing to do but for the index. */
  compacted: Sizes;
  /** Seconds of each dry run. */
  plans: number[];
  planned: number;
  idle: Loads;
  /** While this process compacts, and while another one does. */
  same: Loads;
  other: Loads;
  freedBytes: number;
}
