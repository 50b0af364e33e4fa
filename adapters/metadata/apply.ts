import type {
  MetadataOperation,
  SaveOperation,
  Target,
  Unit,
  UnitResult,
  VersionRecord,
} from "../../engine/main.ts";
import { checkNewVersion, noSuchArtifact, otherLatest, refOf, VarveError } from "../../engine/main.ts";
import { deleteVersions, undelete } from "./delete.ts";
import type { Documents } from "./documents.ts";
import type { NameState } from "./known-rows.ts";
import { jsonOrNull, metadataOf, newRow, recordOf, tagsOf } from "./rows.ts";
import type { Db, VersionRow } from "./schema.ts";
import type { State } from "./state.ts";
import { liveVersion, log, type Of, putAlias, Run, removeAlias } from "./unit-run.ts";

/** What the operations of a unit do, in memory: under the lock, on what was read there. */

/** What it did, still to be told: what records lack is read behind all units, together. */
export interface AppliedUnit {
  sequence: number;
  touched: (VersionRecord | Unread)[];
  deleted: string[];
  removedAliases: string[];
}

/** Its code or environment is not in memory. */
interface Unread {
  row: VersionRow;
  aliases: string[];
}

/** @throws what the unit failed with; then it has changed nothing. Errors of the database are thrown too. */
export async function applyUnit(state: State, documents: Documents, unit: Unit): Promise<AppliedUnit> {
  const run = new Run(state, documents);
  state.beginUnit(unit.time);
  try {
    let place = 0;
    for (const operation of unit.operations) {
      const reading = apply(run, operation, place++);
      if (reading) await reading;
    }
    const touched: AppliedUnit["touched"] = [];
    for (const row of run.touched)
      touched.push(touchedOf(documents, row, state.aliasesOfNew(row) ?? (await state.aliasesOf(row))));
    state.endUnit();
    return { sequence: state.sequence, touched, deleted: run.deleted, removedAliases: run.removedAliases };
  } catch (error) {
    state.undoUnit();
    throw error;
  }
}

/**
 * A unit that is one save for which nothing is to be read, as most are: at once, without what others need.
 * @returns undefined where it is another
 */
export function applyPlainSave(state: State, documents: Documents, unit: Unit): AppliedUnit | undefined {
  const [save] = unit.operations;
  if (unit.operations.length !== 1 || save?.kind !== "save") return undefined;
  const known = state.known(save.name);
  if (!known || save.ifVersion !== undefined || save.inputs.length > 0) return undefined;
  state.beginUnit(unit.time);
  try {
    const row = addVersion({ state, documents }, save, known, []);
    const touched = [touchedOf(documents, row, [], save)];
    state.endUnit();
    return { sequence: state.sequence, touched, deleted: [], removedAliases: [] };
  } catch (error) {
    state.undoUnit();
    throw error;
  }
}

/** As it is now: the next unit may change the row. */
function touchedOf(
  documents: Documents,
  row: VersionRow,
  aliases: string[],
  made?: SaveOperation,
): VersionRecord | Unread {
  const besides = documents.besideNow(row);
  return besides ? recordOf(row, besides, aliases, made) : { row: { ...row }, aliases };
}

/** With code and environment as they are kept. */
export async function resultsOf(
  db: Db,
  documents: Documents,
  applied: readonly (AppliedUnit | Error)[],
): Promise<(UnitResult | Error)[]> {
  const unread = applied.flatMap((unit) => (unit instanceof Error ? [] : unit.touched.filter(isUnread)));
  const besides = await documents.besides(
    unread.map(({ row }) => row),
    db,
  );
  return applied.map((unit) => {
    if (unit instanceof Error) return unit;
    const { sequence, touched, deleted, removedAliases } = unit;
    const versions = touched.map((each) =>
      isUnread(each) ? recordOf(each.row, besides(each.row), each.aliases) : each,
    );
    return { sequence, versions, deleted, removedAliases };
  });
}

function isUnread(touched: VersionRecord | Unread): touched is Unread {
  return "row" in touched;
}

/** Gives a promise where something has to be read: most saves need nothing that was not read before. */
function apply(run: Run, operation: MetadataOperation, place: number): Promise<void> | undefined {
  switch (operation.kind) {
    case "save":
      return save(run, operation, place);
    case "alias":
      return setAlias(run, operation);
    case "deleteAlias":
      return deleteAlias(run, operation);
    case "annotate":
      return annotate(run, operation);
    case "delete":
      return deleteVersions(run, operation);
    case "undelete":
      return undelete(run, operation);
    case "move":
      return move(run, operation);
  }
}

function save(run: Run, operation: SaveOperation, place: number): Promise<void> | undefined {
  const known = run.state.known(operation.name);
  if (!known || operation.ifVersion !== undefined || operation.inputs.length > 0)
    return saveAfterReading(run, operation, place);
  keep(run, addVersion(run, operation, known, []), place);
  return undefined;
}

async function saveAfterReading(run: Run, operation: SaveOperation, place: number): Promise<void> {
  const { state } = run;
  const { name } = operation;
  const known = await state.named(name);
  checkNewVersion(name, known.newest + 1);
  if (operation.ifVersion !== undefined) await checkLatest(state, name, operation.ifVersion);
  const inputs: string[] = [];
  for (const input of operation.inputs) inputs.push(refOf(await liveVersion(run, input)));
  keep(run, addVersion(run, operation, known, inputs), place);
}

function keep(run: Run, row: VersionRow, place: number): void {
  run.saved[place] = row;
  run.touched.push(row);
}

function addVersion(
  { state, documents }: Pick<Run, "state" | "documents">,
  operation: SaveOperation,
  known: NameState,
  inputs: string[],
): VersionRow {
  const version = known.newest + 1;
  checkNewVersion(operation.name, version);
  const row = newRow(operation, {
    version,
    sequence: state.unitSequence,
    time: state.time,
    code: operation.code && documents.digestOf(operation.code),
    environment: documents.digestOf(operation.environment),
    inputs,
  });
  state.addVersion(known, row);
  log(state, "save", row);
  return row;
}

async function checkLatest(state: State, name: string, wanted: number | "absent"): Promise<void> {
  const latest = (await state.latest(name)) ?? "absent";
  if (latest === wanted) return;
  throw otherLatest(name, latest, wanted);
}

async function setAlias(run: Run, { name, alias, version }: Of<"alias">): Promise<void> {
  const target: Target = typeof version === "number" ? { kind: "version", name, version } : version;
  const row = await liveVersion(run, target);
  if (row.name !== name) {
    throw new VarveError("INVALID_ARGUMENT", `an alias of ${name} can't point at a version of ${row.name}`, {
      hint: "aliases belong to one name",
    });
  }
  await putAlias(run.state, name, alias, row.version);
}

async function deleteAlias({ state }: Run, { name, alias }: Of<"deleteAlias">): Promise<void> {
  if (!(await state.alias(name, alias))) throw noSuchArtifact({ name, kind: "alias", alias });
  await removeAlias(state, name, alias);
}

async function annotate(run: Run, { target, tags, metadata }: Of<"annotate">): Promise<void> {
  const row = await liveVersion(run, target);
  await run.state.changeVersion(row, {
    tags: jsonOrNull(merged(tagsOf(row), tags)),
    metadata: jsonOrNull(merged(metadataOf(row), metadata)),
    changed: run.state.unitSequence,
  });
  log(run.state, "annotate", row);
  run.touched.push(row);
}

async function move(run: Run, { name, version, kept }: Of<"move">): Promise<void> {
  const row = await liveVersion(run, { kind: "version", name, version });
  await run.state.changeVersion(row, { kept: JSON.stringify(kept), changed: run.state.unitSequence });
  log(run.state, "move", row);
  run.touched.push(row);
}

/** Top-level keys replaced, those that are null removed. */
function merged(old: object, changes: object | undefined): object {
  const entries = new Map(Object.entries(old));
  for (const [key, value] of Object.entries(changes ?? {})) {
    if (value === null) entries.delete(key);
    else entries.set(key, value);
  }
  return Object.fromEntries(entries);
}
