/** What the benchmark of MLflow measures. Ours are in a process each, and so are Python's. */

export type MlflowStep = "make" | "upload" | "download" | "save" | "load";

export interface MlflowFigures {
  seconds: number;
  /** The most that was resident above what was before. */
  memory: number;
}
