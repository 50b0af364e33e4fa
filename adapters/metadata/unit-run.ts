import type { MetadataOperation, Remains, Target } from "../../engine/main.ts";
import { noSuchArtifact, standsForMany, VarveError } from "../../engine/main.ts";
import type { Documents } from "./documents.ts";
import type { VersionName } from "./keys.ts";
import { stateOf } from "./rows.ts";
import type { OperationRow, VersionRow } from "./schema.ts";
import type { State } from "./state.ts";

/** What all operations of a unit share: what it has done so far, and which versions its targets mean. */

export type Of<K extends MetadataOperation["kind"]> = Extract<MetadataOperation, { kind: K }>;

/** A unit under way. */
export class Run {
  readonly state: State;
  readonly documents: Documents;
  /** By the place of the save. */
  readonly saved: (VersionRow | undefined)[] = [];
  /** What the result tells of, in its order. */
  readonly touched: VersionRow[] = [];
  readonly deleted: string[] = [];
  readonly removedAliases: string[] = [];

  constructor(state: State, documents: Documents) {
    this.state = state;
    this.documents = documents;
  }
}

/** @throws NOT_FOUND where there is no such live version */
export async function liveVersion(run: Run, target: Target): Promise<VersionRow> {
  const row = await targetRow(run, target);
  if (row?.deleted === null) return row;
  throw missing(run, target, row);
}

export async function targetRow(run: Run, target: Target): Promise<VersionRow | undefined> {
  const { state } = run;
  switch (target.kind) {
    case "pending":
      return run.saved[target.operation];
    case "version":
      return state.version(target.name, target.version);
    case "latest": {
      const latest = await state.latest(target.name);
      return latest === undefined ? undefined : state.version(target.name, latest);
    }
    case "alias": {
      const alias = await state.alias(target.name, target.alias);
      return alias && state.version(target.name, alias.version);
    }
    case "all":
      throw standsForMany(target);
  }
}

/** @param row of the version, if it was deleted */
export function missing(run: Run, target: Target, row?: VersionRow): VarveError {
  if (target.kind !== "pending") return noSuchArtifact(target, row && remainsOf(row));
  const saved = run.saved[target.operation];
  if (saved) return noSuchArtifact({ kind: "version", ...nameOf(saved) }, remainsOf(saved));
  return new VarveError("INVALID_ARGUMENT", `operation ${target.operation} of the unit saves nothing`, {
    hint: "a pending target is the place of a save in front of it",
  });
}

function remainsOf(row: VersionRow): Remains {
  return row.forgotten ? "collected" : "whole";
}

function nameOf({ name, version }: VersionRow): VersionName {
  return { name, version };
}

export async function putAlias(state: State, name: string, alias: string, version: number): Promise<void> {
  await state.setAlias(name, alias, { name, alias, version, sequence: state.unitSequence });
  state.log({ kind: "alias", name, alias, version });
}

export async function removeAlias(state: State, name: string, alias: string): Promise<void> {
  await state.setAlias(name, alias, undefined);
  state.log({ kind: "alias", name, alias });
}

export function log(state: State, kind: OperationRow["kind"], row: VersionRow): void {
  const { name, version } = row;
  state.log({ kind: kind as "save", name, version }, stateOf(row));
}
