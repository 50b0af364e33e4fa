/** What is measured. One file a workload in `workloads/` has one of these. */

import type { Bounds, Measurement } from "../cli/bench/measure.ts";
import type { OpenSubject, WorkloadName } from "../cli/bench/subject.ts";
import type { EntrySource, ValueOptions } from "../cli/bench/values.ts";

/**
 * What a folder has before the measurement: nothing; the names of the hot loads; `artifacts` entries; or those, with
 * more that a process was saving when it was killed. A folder with entries serves all rounds.
 */
export type State = "empty" | "hot" | "full" | "killed";

export interface Situation extends ValueOptions {
  /** Entries that are there. */
  filled: number;
  bounds: Bounds;
  /** Opens the subject in the folder. The workload closes what it opens. */
  open(): Promise<OpenSubject>;
  /** Opens it in another folder, which is empty. */
  openScratch(): Promise<OpenSubject>;
  /** Entries under names that are not there. */
  entries(options?: { repeating?: boolean }): EntrySource;
}

export interface Workload {
  readonly name: WorkloadName;
  readonly does: string;
  /** Whether the table shows how many there are in a second, or how long one takes. */
  readonly shows: "rate" | "time";
  readonly state: State;
  run(situation: Situation): Promise<Measurement>;
}

/** Runs with an open subject and closes it. */
export async function withOpen(
  situation: Situation,
  run: (subject: OpenSubject) => Promise<Measurement>,
): Promise<Measurement> {
  const subject = await situation.open();
  try {
    return await run(subject);
  } finally {
    await subject.close();
  }
}
