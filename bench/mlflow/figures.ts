/** What the benchmark of MLflow measures. Ours are in a process each, and so are Python's. */

export type MlflowStep = "make" | "upload" | "download" | "save" | "load";

export interface MlflowFigures {
  seconds: number;
  /** Seconds of the processor, of the client alone: on a busy machine they say more. */
  processor: number;
  /** The most that was resident above what was before. */
  memory: number;
}
