import { compactedAway, hasAliases, noSuchArtifact, refOf } from "../../engine/main.ts";
import type { AliasRow, VersionRow } from "./schema.ts";
import type { Run } from "./unit-run.ts";
import { log, missing, type Of, putAlias, removeAlias, targetRow } from "./unit-run.ts";

/** Versions that go, and come back. */

export async function deleteVersions(run: Run, operation: Of<"delete">): Promise<void> {
  const { state } = run;
  const victims = await victimsOf(run, operation);
  if (victims.length === 0) return;
  const byVersion = new Map<number, AliasRow[]>();
  for (const alias of await state.aliases(victims[0]!.name)) {
    const others = byVersion.get(alias.version);
    if (others) others.push(alias);
    else byVersion.set(alias.version, [alias]);
  }
  const aliasesOf = (row: VersionRow) => byVersion.get(row.version) ?? [];
  const { unless } = operation;
  const going = victims.filter((row) => !unless || !isChangedAfter(row, aliasesOf(row), unless.changedAfter));
  if (!operation.aliases)
    for (const row of going)
      if (aliasesOf(row).length > 0) throw hasAliases(refOf(row), namesOf(aliasesOf(row)));
  for (const row of going) await deleteOne(run, row, aliasesOf(row), operation);
}

function isChangedAfter(row: VersionRow, aliases: readonly AliasRow[], sequence: number): boolean {
  return row.changed > sequence || aliases.some((alias) => alias.sequence > sequence);
}

/** Oldest first. */
async function victimsOf(run: Run, { target, unless, purge }: Of<"delete">): Promise<VersionRow[]> {
  if (target.kind === "all") {
    const live = await run.state.live(target.name);
    if (live.length === 0 && !unless) throw noSuchArtifact(target);
    return live;
  }
  const row = await targetRow(run, target);
  if (row?.deleted === null) return [row];
  if (row && purge && target.kind === "version" && isKeptByBackend(row)) {
    await forgetDeleted(run, row);
    return [];
  }
  // Somebody was faster.
  if (row && unless && row.changed > unless.changedAfter) return [];
  throw missing(run, target, row);
}

async function deleteOne(
  { state, deleted, removedAliases }: Run,
  row: VersionRow,
  aliases: readonly AliasRow[],
  { unless, purge }: Of<"delete">,
): Promise<void> {
  const names = namesOf(aliases);
  await state.changeVersion(row, {
    changed: state.unitSequence,
    deleted: state.unitSequence,
    removed_aliases: names.length > 0 ? JSON.stringify(names) : null,
    ...(purge && isKeptByBackend(row) && { forgotten: 1 }),
  });
  log(state, unless ? "prune" : "delete", row);
  deleted.push(refOf(row));
  for (const alias of names) {
    await removeAlias(state, row.name, alias);
    removedAliases.push(`${row.name}@${alias}`);
  }
}

function isKeptByBackend({ backend }: VersionRow): boolean {
  return backend !== "varve";
}

/** One that was deleted before. */
async function forgetDeleted({ state }: Run, row: VersionRow): Promise<void> {
  if (row.forgotten) return;
  await state.changeVersion(row, { changed: state.unitSequence, forgotten: 1 });
  log(state, "delete", row);
}

export async function undelete(run: Run, { name, version }: Of<"undelete">): Promise<void> {
  const { state } = run;
  const row = await state.version(name, version);
  if (!row) throw noSuchArtifact({ name, kind: "version", version });
  run.touched.push(row);
  if (row.deleted === null) return;
  if (row.forgotten) throw compactedAway({ name, kind: "version", version });
  const aliases: string[] = row.removed_aliases === null ? [] : JSON.parse(row.removed_aliases);
  await state.changeVersion(row, { changed: state.unitSequence, deleted: null, removed_aliases: null });
  log(state, "undelete", row);
  for (const alias of aliases)
    if (!(await state.alias(name, alias))) await putAlias(state, name, alias, version);
}

function namesOf(aliases: readonly AliasRow[]): string[] {
  return aliases.map(({ alias }) => alias).sort();
}
