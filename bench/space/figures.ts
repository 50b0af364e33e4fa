/** What the benchmark of space measures. */

import type { Latency } from "../../cli/bench/statistics.ts";

export interface Loads {
  /** Of one load, and the turn of the event loop that it waits for first: what blocks that is seen. Microseconds. */
  latency: Latency;
  loads: number;
  /** How long the compaction took, if there was one. */
  seconds: number;
}

export interface SpaceFigures {
  /** Bytes behind the filling: of values as CBOR, of the log, of its blobs, of the index. */
  valueBytes: number;
  blobBytes: number;
  logBytes: number;
  indexBytes: number;
  /** Seconds of each dry run. */
  plans: number[];
  planned: number;
  idle: Loads;
  /** While this process compacts, and while another one does. */
  same: Loads;
  other: Loads;
  freedBytes: number;
}
