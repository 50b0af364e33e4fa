/** What is measured. One file a workload in `workloads/` has one of these. */

import type { Bounds, Measurement } from "../cli/bench/measure.ts";
import type { OpenSubject, WorkloadName } from "../cli/bench/subject.ts";
import type { EntrySource, ValueOptions } from "../cli/bench/values.ts";
import type { Role } from "./task.ts";

/**
 * What a folder has before the measurement: nothing; the names of the hot loads; `artifacts` entries; those, with
 * more that a process was saving when it was killed; those, and what measurements before saved; or what the workload's own
 * filling put there. A folder with entries serves all rounds.
 */
export type State = "empty" | "hot" | "full" | "killed" | "growing" | "own";

export interface Situation extends ValueOptions {
  /** Entries that are there. */
  filled: number;
  /** Bytes of a large value. */
  largeBytes: number;
  /** In the stores that are read. */
  artifacts: number;
  bounds: Bounds;
  subject: string;
  folder: string;
  /** Opens the subject in the folder. The workload closes what it opens. */
  open(): Promise<OpenSubject>;
  /** Opens it in another folder, which is empty. */
  openScratch(): Promise<OpenSubject>;
  /** Entries under names that are not there. */
  entries(options?: { repeating?: boolean }): EntrySource;
  /** A process for each role, all at once. */
  inProcesses(roles: readonly Role[]): Promise<Part[]>;
}

/** What one of several processes did. */
export interface Part {
  role: Role;
  measurement: Measurement;
  residentMax: number;
}

/** Puts there what is measured, in a process of its own, where that is more than entries under a name each. */
export interface Filling {
  /** Workloads with a filling of the same name share folders. */
  readonly name: string;
  run(subject: OpenSubject, situation: Situation): Promise<void>;
}

export interface Workload {
  readonly name: WorkloadName;
  readonly does: string;
  /** Whether the table shows how many there are in a second, or how long one takes. */
  readonly shows: "rate" | "time";
  readonly state: State;
  /** Of state `own`. */
  readonly filling?: Filling;
  /** What a subject has to have for it: without, it says why under `unsupported`. */
  readonly needs?: keyof OpenSubject;
  /** Where it is about these subjects alone. */
  readonly only?: readonly string[];
  run(situation: Situation): Promise<Measured>;
}

export interface Measured extends Measurement {
  /** The most that any of several processes had resident; absent: it was this one alone. */
  residentMax?: number;
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
