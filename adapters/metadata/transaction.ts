import { randomBytes } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Unit, UnitResult } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { type AppliedUnit, applyPlainSave, applyUnit, resultsOf } from "./apply.ts";
import type { Documents } from "./documents.ts";
import { isOfUnit, reasonOf } from "./failure.ts";
import { runAll } from "./insert.ts";
import { partsOf, type VersionName } from "./keys.ts";
import { lockCounter, setCounter } from "./migrate.ts";
import type { Parts } from "./reading.ts";
import { State } from "./state.ts";
import { writesOf } from "./write.ts";

/** One transaction with all the units that it is given. */

export type Outcome =
  | { kind: "done"; results: (UnitResult | Error)[] }
  /** `commit` was sent, and not answered: see `wasCommitted`. */
  | { kind: "in doubt"; results: (UnitResult | Error)[]; mark: Mark; error: unknown };

/** What is in the database if, and only if, the transaction was committed. */
export interface Mark {
  sequence: number;
  token: Buffer;
}

const TOKEN_BYTES = 16;
/** Small parts keep both sides busy; rows of other databases go in statements of as many as this, which are prepared once. */
const UNITS_PER_PART = 512;
const ROWS_PER_STATEMENT = 256;

/** @throws what the transaction failed with before it was committed: it has changed nothing */
export async function transact(parts: Parts, units: readonly Unit[]): Promise<Outcome> {
  const { db, dialect, documents } = parts;
  const named = documentsOf(units);
  await documents.ensure(named);
  const transaction = await db.startTransaction().execute();
  let results: (UnitResult | Error)[];
  let mark: Mark;
  try {
    const counter = await lockCounter(transaction, dialect);
    await documents.ensureStill(named, counter.removals, transaction);
    mark = { sequence: counter.sequence + 1, token: randomBytes(TOKEN_BYTES) };
    const state = new State(transaction, dialect, counter, mark.token);
    await prefetch(state, units);
    results = await applyAndWrite({ ...parts, db: transaction }, state, units);
    if (state.sequence === counter.sequence) {
      await transaction.rollback().execute();
      return { kind: "done", results };
    }
    await setCounter(transaction, { sequence: state.sequence, time: state.time });
  } catch (error) {
    await transaction
      .rollback()
      .execute()
      .catch(() => {});
    throw error;
  }
  try {
    await transaction.commit().execute();
    return { kind: "done", results };
  } catch (error) {
    await transaction
      .rollback()
      .execute()
      .catch(() => {});
    // Told by the database itself: it was rolled back.
    if (reasonOf(error) === "conflict") throw error;
    return { kind: "in doubt", results, mark, error };
  }
}

/** Part by part: the database writes one while the next is made here. */
async function applyAndWrite(
  { db, dialect, documents }: Parts,
  state: State,
  units: readonly Unit[],
): Promise<(UnitResult | Error)[]> {
  const results: (UnitResult | Error)[] = [];
  let writing: Promise<void> | undefined;
  try {
    const length = dialect.arrays ? UNITS_PER_PART : ROWS_PER_STATEMENT;
    for (const part of partsOf(units, length)) {
      const applied = await applyAll(state, documents, part);
      // The next part is ready when the connection is free.
      const writes = writesOf(db, dialect, await state.takeChanges());
      await writing;
      writing = runAll(db, writes);
      // It is waited for below, or behind what else failed.
      writing.catch(() => {});
      // What was given to the connection is sent before this thread is busy again.
      if (units.length > length) await nextTurn();
      results.push(...(await resultsOf(db, documents, applied)));
    }
  } catch (error) {
    // A connection with statements under way is not to be rolled back; where one of them failed first, that is why all did.
    await writing;
    throw error;
  }
  await writing;
  return results;
}

async function applyAll(
  state: State,
  documents: Documents,
  units: readonly Unit[],
): Promise<(AppliedUnit | Error)[]> {
  const applied: (AppliedUnit | Error)[] = [];
  for (const unit of units) {
    try {
      applied.push(applyPlainSave(state, documents, unit) ?? (await applyUnit(state, documents, unit)));
    } catch (error) {
      if (!isOfUnit(error)) throw error;
      applied.push(error);
    }
  }
  return applied;
}

/**
 * Whether a transaction was committed. It held the counter, and who holds it now knows that it has ended, one way or the
 * other: also where the connection was lost, and the server went on.
 */
export async function wasCommitted({ db, dialect }: Parts, { sequence, token }: Mark): Promise<boolean> {
  const transaction = await db.startTransaction().execute();
  try {
    const { horizon } = await lockCounter(transaction, dialect);
    const row = await transaction
      .selectFrom("varve_operations")
      .select("token")
      .where("sequence", "=", sequence)
      .limit(1)
      .executeTakeFirst();
    if (row === undefined && horizon >= sequence) throw forgotten(sequence);
    return row !== undefined && token.equals(row.token);
  } finally {
    await transaction
      .rollback()
      .execute()
      .catch(() => {});
  }
}

/** Somebody has forgotten history up to it in the meantime. */
function forgotten(sequence: number): VarveError {
  return new VarveError("UNAVAILABLE", `operation ${sequence} is forgotten already`, {
    hint: "look whether what it was to do was done",
  });
}

/** Once each. */
function documentsOf(units: readonly Unit[]): Set<object> {
  const documents = new Set<object>();
  for (const { operations } of units) {
    for (const operation of operations) {
      if (operation.kind !== "save") continue;
      documents.add(operation.environment);
      if (operation.code) documents.add(operation.code);
    }
  }
  return documents;
}

/** What will be asked for, as far as the operations tell. */
async function prefetch(state: State, units: readonly Unit[]): Promise<void> {
  const names: string[] = [];
  const versions: VersionName[] = [];
  const target = (of: { kind: string; name?: string; version?: number }) => {
    if (of.name !== undefined) names.push(of.name);
    if (of.kind === "version") versions.push({ name: of.name!, version: of.version! });
  };
  for (const { operations } of units) {
    for (const operation of operations) {
      if ("name" in operation) names.push(operation.name);
      if (operation.kind === "save") for (const input of operation.inputs) target(input);
      else if (operation.kind === "annotate" || operation.kind === "delete") target(operation.target);
      else if (operation.kind !== "deleteAlias" && typeof operation.version === "number")
        versions.push({ name: operation.name, version: operation.version });
    }
  }
  await state.prefetch(names, versions);
}

/** Whether the units may have been applied, as nobody could be asked. */
export function unknownOutcome(error: unknown): VarveError {
  const { code, message, hint } =
    error instanceof VarveError ? error : new VarveError("UNAVAILABLE", String(error));
  return new VarveError(code, `${message}; whether it was committed can't be told`, {
    outcome: "unknown",
    cause: error,
    hint: hint ?? "look whether it is there before you repeat it",
  });
}
