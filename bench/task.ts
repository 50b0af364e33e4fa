/** What the benchmark asks its child processes to do, and what they answer. */

import type { Measurement } from "../cli/bench/measure.ts";
import type { StoreSizes } from "../cli/bench/subject.ts";
import type { ValueOptions } from "../cli/bench/values.ts";
import type { LargeFigures, LargeStep } from "./large/figures.ts";
import type { MetadataFigures, MetadataStep } from "./metadata/figures.ts";
import type { MlflowFigures, MlflowStep } from "./mlflow/figures.ts";
import type { SpaceFigures } from "./space/figures.ts";

interface TaskBase extends ValueOptions {
  subject: string;
  folder: string;
  /** Entries in the folder (to be, for `fill`). */
  filled: number;
}

/** `write` saves and is killed; `open` ends without closing the store, as a killed process does. */
export type RecoveryStep = "fill" | "rebuild" | "checkpoint" | "write" | "open";

export interface RecoveryTask extends TaskBase {
  kind: "recover";
  step: RecoveryStep;
  /** Number of the first artifact to save. */
  first: number;
  /** Artifacts to save, or that the step is about. */
  count: number;
}

export interface SpaceTask extends TaskBase {
  kind: "space";
  /** `compact` only compacts what another one measures. */
  step: "measure" | "compact";
  /** Artifacts to save. */
  count: number;
  secondsMax: number;
}

export interface LargeTask extends TaskBase {
  kind: "large";
  step: LargeStep;
  /** Bytes of the value, or files. */
  size: number;
}

export interface MetadataTask extends TaskBase {
  kind: "metadata";
  step: MetadataStep;
  /** Of the database; `folder` is the home beside it. */
  url: string;
  /** Of the database whose rows are copied. */
  from: string | undefined;
  /** Versions in front of those that count. */
  warm: number;
  /** Versions to save, or that are there. */
  count: number;
  /** Of a measurement of reads. */
  seconds: number;
}

export interface MlflowTask extends TaskBase {
  kind: "mlflow";
  step: MlflowStep;
  /** Of the server. */
  url: string;
  /** Of a folder of artifacts there. */
  uri: string;
  /** Bytes of the model. */
  size: number;
  /** The model, and where it is downloaded to. */
  file: string;
  target: string;
}

/** A reader loads any of all entries, one after another; a writer saves for a thousand callers. */
export type Role = "reader" | "writer";

/** One of several processes that are measured at the same time: answers that it is ready, and begins when told. */
export interface RoleTask extends TaskBase {
  kind: "role";
  role: Role;
  /** Number of the first entry that a writer saves. */
  first: number;
  seconds: number;
}

/** Measures a little of a workload whenever it is asked for one by name, until it is killed. */
export interface SlicesTask extends TaskBase {
  kind: "slices";
}

export interface MeasureTask extends TaskBase {
  kind: "measure" | "fill";
  /** Of `fill`: whose filling it is, where not plain entries are meant. */
  workload?: string;
  /** In the stores that are read. */
  artifacts: number;
  largeBytes: number;
  /** Number of the first entry that is not there. */
  first: number;
  seconds: number;
  /** After which a process is killed. */
  secondsMax: number;
}

export type Task =
  | LargeTask
  | MetadataTask
  | MlflowTask
  | MeasureTask
  | RoleTask
  | SlicesTask
  | RecoveryTask
  | SpaceTask
  | (TaskBase & { kind: "sizes" })
  /** Saves until it is killed. */
  | (TaskBase & { kind: "write"; first: number });

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
  | {
      kind: "done";
      measurement?: Measurement;
      space?: SpaceFigures;
      large?: LargeFigures;
      metadata?: MetadataFigures;
      mlflow?: MlflowFigures;
      sizes?: StoreSizes;
      memory: Memory;
    }
  /** A writer has saved enough for being killed. */
  | { kind: "written" }
  /** One of several processes has the store open. */
  | { kind: "ready" }
  | { kind: "failed"; message: string };
