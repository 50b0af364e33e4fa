import type { ParsedRef, VersionRecord } from "../../engine/main.ts";
import { standsForMany } from "../../engine/main.ts";
import type { Documents } from "./documents.ts";
import type { CompiledQuery } from "./query-builder.ts";
import { stillThere } from "./reading.ts";
import { type RecordRow, recordOf } from "./rows.ts";
import type { Db } from "./schema.ts";

/** One version with all that is said of it, in one round trip. */

/** What a record is made of, but for the name, which whoever asks has given. */
const COLUMNS = [
  ...(["v.version", "v.sequence", "v.created_at", "v.digest", "v.size", "v.media_type"] as const),
  ...(["v.stamps", "v.backend", "v.code", "v.environment", "v.inputs", "v.tags", "v.metadata"] as const),
  ...(["v.deleted", "v.forgotten", "v.kept"] as const),
] as const;

type Single = Omit<RecordRow, "name"> & { own_alias: string | null };

/** One row for each alias of the version, or one. */
async function single(
  db: Db,
  documents: Documents,
  name: string,
  rows: Single[],
): Promise<VersionRecord | undefined> {
  if (rows.length === 0) return undefined;
  const row = { ...rows[0]!, name };
  const aliases = rows.flatMap(({ own_alias }) => (own_alias === null ? [] : [own_alias])).sort();
  const now = documents.besideNow(row);
  if (now) return recordOf(row, now, aliases);
  try {
    return recordOf(row, (await documents.besides([row]))(row), aliases);
  } catch (error) {
    // With a version that is gone since it was read, its code and environment may be gone too.
    if ((error as { code?: unknown }).code !== "CORRUPTION") throw error;
    if ((await stillThere(db, [row])).length > 0) throw error;
    return undefined;
  }
}

export async function findVersion(
  db: Db,
  documents: Documents,
  ref: ParsedRef,
): Promise<VersionRecord | undefined> {
  if (ref.kind === "all") throw standsForMany(ref);
  const record = await single(db, documents, ref.name, await rowsOf(db, ref));
  return record?.deleted ? undefined : record;
}

export async function versionAt(
  db: Db,
  documents: Documents,
  name: string,
  version: number,
): Promise<VersionRecord | undefined> {
  return single(db, documents, name, await rowsOf(db, { name, kind: "version", version }));
}

type SingleRef = Exclude<ParsedRef, { kind: "all" }>;

/** Statements that come again and again: to build one takes longer than to send it. */
const built = new WeakMap<Db, Map<SingleRef["kind"], CompiledQuery<Single>>>();

async function rowsOf(db: Db, ref: SingleRef): Promise<Single[]> {
  let known = built.get(db);
  if (!known) {
    known = new Map();
    built.set(db, known);
  }
  const query = known.get(ref.kind) ?? rowsQuery(db, ref).compile();
  known.set(ref.kind, query);
  return (await db.executeQuery<Single>({ ...query, parameters: keyOf(ref) })).rows;
}

/** In the order of the places in the statement. */
function keyOf(ref: SingleRef): unknown[] {
  const { name } = ref;
  if (ref.kind === "version") return [name, ref.version];
  return ref.kind === "alias" ? [name, name, ref.alias] : [name, name];
}

function rowsQuery(db: Db, ref: SingleRef) {
  const { name } = ref;
  const base = db
    .selectFrom("varve_versions as v")
    .leftJoin("varve_aliases as a", (join) =>
      join.onRef("a.name", "=", "v.name").onRef("a.version", "=", "v.version"),
    )
    .select(COLUMNS)
    .select("a.alias as own_alias")
    .where("v.name", "=", name);
  if (ref.kind === "version") return base.where("v.version", "=", ref.version);
  return base.where("v.version", "=", (meant) =>
    ref.kind === "alias"
      ? meant
          .selectFrom("varve_aliases as w")
          .select("w.version")
          .where("w.name", "=", name)
          .where("w.alias", "=", ref.alias)
      : meant.selectFrom("varve_names as n").select("n.latest").where("n.name", "=", name),
  );
}
