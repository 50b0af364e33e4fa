/** What the benchmark asks its child processes to do, and what they answer. */

import type { Measurement } from "../cli/bench/measure.ts";
import type { ValueOptions } from "../cli/bench/values.ts";

interface TaskBase extends ValueOptions {
  subject: string;
  folder: string;
  /** Entries in the folder (to be, for `fill`). */
  filled: number;
}

export type Task =
  | (TaskBase & { kind: "fill" })
  /** Saves until it is killed. */
  | (TaskBase & { kind: "write" })
  | (TaskBase & { kind: "measure"; workload: string; seconds: number });

/** Bytes, after the measurement. */
export interface Memory {
  /** The most that the process had resident. Includes what LMDB has mapped of its file. */
  residentMax: number;
  /** In use after a garbage collection. */
  heap: number;
  /** Buffers, after a garbage collection. */
  external: number;
}

export type Answer =
  | { kind: "done"; measurement?: Measurement; memory: Memory }
  /** A writer has saved enough for being killed. */
  | { kind: "written" }
  | { kind: "failed"; message: string };
