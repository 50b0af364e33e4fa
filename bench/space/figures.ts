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

/** Bytes of values as CBOR, of the log, of its blobs, of the index. */
export interface Sizes {
  valueBytes: number;
  blobBytes: number;
  logBytes: number;
  indexBytes: number;
}

export interface SpaceFigures {
  /** Behind the filling, and behind a compaction that has nothing to do but for the index. */
  saved: Sizes;
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
