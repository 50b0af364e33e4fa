/** What the benchmark of large values measures, each in a process of its own. */

export type LargeStep =
  | "make"
  | "sha256"
  | "copy"
  | "read"
  | "read-stream"
  | "save"
  | "load"
  | "cacache"
  | "again"
  | "insert"
  | "insert-small"
  | "edit"
  | "make-files"
  | "files"
  | "files-cacache";

export interface LargeFigures {
  seconds: number;
  /** What the store's log grew by, where that is measured. */
  added?: number;
  /** The most that was resident above what was before. */
  memory?: number;
  /** Seconds of a second run with ten changed files. */
  secondSeconds?: number;
  /** Bytes added by chunks of 64 KiB at fixed places, for comparison. */
  fixedAdded?: number;
}
