import type { LineageStep, ValueFacts, VersionRecord } from "../../engine/main.ts";
import type { Documents } from "./documents.ts";
import type { VersionName } from "./keys.ts";
import { isNamed, isOneOf, keyParts, nameParts } from "./keys.ts";
import { inputsOf, parseVersionRef, recordOf, valueFacts } from "./rows.ts";
import type { AliasRow, Db, VersionRow } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/** What is read of single versions, and in pages of whole names and of the store. */

export const PAGE_ROWS = 500;

/** What is read with. */
export interface Parts {
  db: Db;
  dialect: SqlDialect;
  documents: Documents;
}

/** What rows are removed with. */
export interface WritingParts extends Parts {
  /** Runs a transaction, and once more where it met another. */
  again<T>(work: () => Promise<T>): Promise<T>;
}

/** Rows with their aliases, code and environment. */
export async function recordsOf(parts: Parts, rows: readonly VersionRow[]): Promise<VersionRecord[]> {
  if (rows.length === 0) return [];
  const aliases = await aliasesOf(parts, rows);
  return withBesides(parts.db, parts.documents, rows, aliases);
}

export async function withBesides(
  db: Db,
  documents: Documents,
  rows: readonly VersionRow[],
  aliases: Map<string, string[]>,
): Promise<VersionRecord[]> {
  const made = async (some: readonly VersionRow[]) => {
    const besides = await documents.besides(some);
    return some.map((row) => recordOf(row, besides(row), aliases.get(`${row.name}:${row.version}`) ?? []));
  };
  try {
    return await made(rows);
  } catch (error) {
    // With a version that is gone since it was read, its code and environment may be gone too.
    if ((error as { code?: unknown }).code !== "CORRUPTION") throw error;
    const left = await stillThere(db, rows);
    if (left.length === rows.length) throw error;
    return made(left);
  }
}

/** Those of them that have not been removed since they were read. */
export async function stillThere<Row extends VersionName>(db: Db, rows: readonly Row[]): Promise<Row[]> {
  const there = new Set<string>();
  for (const part of keyParts(rows)) {
    const found = await db
      .selectFrom("varve_versions")
      .select(["name", "version"])
      .where(isOneOf("name", "version", part))
      .execute();
    for (const { name, version } of found) there.add(`${name}:${version}`);
  }
  return rows.filter(({ name, version }) => there.has(`${name}:${version}`));
}

/** Of live ones: a deleted one has none. */
async function aliasesOf(
  { db, dialect }: Parts,
  rows: readonly VersionRow[],
): Promise<Map<string, string[]>> {
  const live = rows.filter((row) => row.deleted === null);
  const found: AliasRow[] = [];
  const isOneName = live.every(({ name }) => name === live[0]!.name);
  // Of many names, all their aliases: few have many.
  for (const part of isOneName ? [] : nameParts(live.map(({ name }) => name)))
    found.push(
      ...(await db
        .selectFrom("varve_aliases")
        .selectAll()
        .where(isNamed(dialect, "name", part))
        .execute()),
    );
  if (isOneName)
    for (const part of keyParts(live)) {
      const query = db
        .selectFrom("varve_aliases")
        .selectAll()
        .where(isOneOf("name", "version", part));
      found.push(...(await query.execute()));
    }
  return byVersion(found);
}

function byVersion(rows: readonly AliasRow[]): Map<string, string[]> {
  const aliases = new Map<string, string[]>();
  for (const { name, version, alias } of rows) {
    const key = `${name}:${version}`;
    const others = aliases.get(key);
    if (others) others.push(alias);
    else aliases.set(key, [alias]);
  }
  for (const each of aliases.values()) each.sort();
  return aliases;
}

export async function aliasVersions(db: Db, name: string): Promise<Record<string, number>> {
  const rows = await db
    .selectFrom("varve_aliases")
    .select(["alias", "version"])
    .where("name", "=", name)
    .orderBy("alias")
    .execute();
  return Object.fromEntries(rows.map(({ alias, version }) => [alias, version]));
}

export async function* liveVersions(parts: Parts, name: string): AsyncGenerator<VersionRecord[]> {
  for (let after = -1; ; ) {
    const rows = await parts.db
      .selectFrom("varve_versions")
      .selectAll()
      .where("name", "=", name)
      .where("version", ">", after)
      .where("deleted", "is", null)
      .orderBy("version")
      .limit(PAGE_ROWS)
      .execute();
    yield await recordsOf(parts, rows);
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)!.version;
  }
}

export async function lineageSteps(
  db: Db,
  direction: "up" | "down",
  of: readonly VersionName[],
): Promise<LineageStep[]> {
  const steps: LineageStep[] = [];
  for (const part of keyParts(of))
    steps.push(...(await (direction === "up" ? inputs(db, part) : consumers(db, part))));
  return steps;
}

async function inputs(db: Db, of: readonly VersionName[]): Promise<LineageStep[]> {
  const rows = await db
    .selectFrom("varve_versions")
    .select(["name", "version", "inputs"])
    .where(isOneOf("name", "version", of))
    .where("inputs", "is not", null)
    .execute();
  return rows.flatMap((row) => {
    const { name, version } = row;
    return [...new Set(inputsOf(row))].map((input) => ({
      from: parseVersionRef(input),
      to: { name, version },
    }));
  });
}

async function consumers(db: Db, of: readonly VersionName[]): Promise<LineageStep[]> {
  const rows = await db
    .selectFrom("varve_edges")
    .selectAll()
    .where(isOneOf("input_name", "input_version", of))
    .orderBy("name")
    .orderBy("version")
    .execute();
  return rows.map((row) => ({
    from: { name: row.input_name, version: row.input_version },
    to: { name: row.name, version: row.version },
  }));
}

export async function* neededValues(db: Db): AsyncGenerator<(ValueFacts & { deleted: boolean })[]> {
  let after: VersionName | undefined;
  for (;;) {
    const rows: Needed[] = after ? await neededRows(db, { within: after }, PAGE_ROWS) : [];
    if (rows.length < PAGE_ROWS) {
      const behind: Needed[] = await neededRows(db, { behind: after?.name }, PAGE_ROWS - rows.length);
      rows.push(...behind);
    }
    yield rows.map((row) => ({ ...valueFacts(row), deleted: row.deleted !== null }));
    if (rows.length < PAGE_ROWS) return;
    after = rows.at(-1)!;
  }
}

type Needed = Pick<VersionRow, "name" | "version" | "digest" | "size" | "media_type" | "stamps" | "deleted">;

/** Newest first, as rows lie: the rest of a name, or those of the names behind it. */
function neededRows(
  db: Db,
  from: { within: VersionName } | { behind: string | undefined },
  limit: number,
): Promise<Needed[]> {
  let query = db
    .selectFrom("varve_versions")
    .select(["name", "version", "digest", "size", "media_type", "stamps", "deleted"])
    .where("forgotten", "=", 0)
    .where("backend", "=", "varve")
    .limit(limit);
  if ("within" in from) {
    const { name, version } = from.within;
    query = query.where("name", "=", name).where("version", "<", version);
  } else if (from.behind !== undefined) query = query.where("name", ">", from.behind);
  return query.orderBy("name").orderBy("version", "desc").execute();
}
