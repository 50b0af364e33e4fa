import type { PaceProgress } from "../pace.ts";

export interface CoreProblem {
  kind: "record" | "batch" | "segment" | "blob" | "index" | "missing";
  message: string;
  segment?: number;
  offset?: number;
  /** The row that can't be read because of it. */
  key?: Buffer;
  /** The blob that can't. */
  digest?: Buffer;
}

export interface CoreReport {
  segments: number;
  batches: number;
  records: number;
  blobs: number;
  bytes: number;
  /** Damaged copies of blobs that have a sound one elsewhere in the log. */
  healed: number;
  problems: CoreProblem[];
  complete: boolean;
  /** Where to go on, unless complete. */
  next?: string;
  /** How far the whole is. */
  progress: PaceProgress;
}
