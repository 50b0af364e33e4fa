import type { ParsedRef, VersionRecord } from "../../engine/main.ts";
import { standsForMany } from "../../engine/main.ts";
import { type FixedQuery, readFixed } from "./driver.ts";
import type { SessionPool } from "./pool.ts";
import { type Parts, stillThere } from "./reading.ts";
import { type RecordRow, recordOf } from "./rows.ts";
import { type Db, kindOf } from "./schema.ts";

/** One version with all that is said of it, in one round trip. */

/** What a record is made of, but for the name, which whoever asks has given. */
const COLUMNS = [
  ...(["version", "sequence", "created_at", "digest", "size", "media_type", "stamps", "backend"] as const),
  ...(["code", "environment", "inputs", "tags", "metadata", "deleted", "forgotten", "kept"] as const),
] as const;

/** One row for each alias of the version, or one. */
type Single = Omit<RecordRow, "name"> & { own_alias: string | null };

type SingleRef = Exclude<ParsedRef, { kind: "all" }>;

export class Finder {
  readonly #parts: Parts;
  readonly #pool: SessionPool;
  /** Statements that come again and again: to build one takes longer than to send it. */
  readonly #built = new Map<SingleRef["kind"], FixedQuery>();

  constructor(parts: Parts, pool: SessionPool) {
    this.#parts = parts;
    this.#pool = pool;
  }

  async find(ref: ParsedRef): Promise<VersionRecord | undefined> {
    if (ref.kind === "all") throw standsForMany(ref);
    const record = await this.#single(ref);
    return record?.deleted ? undefined : record;
  }

  at(name: string, version: number): Promise<VersionRecord | undefined> {
    return this.#single({ name, kind: "version", version });
  }

  async #single(ref: SingleRef): Promise<VersionRecord | undefined> {
    const { db, documents } = this.#parts;
    const rows = (await readFixed(this.#pool, this.#queryFor(ref), keyOf(ref))) as Single[];
    if (rows.length === 0) return undefined;
    const row: RecordRow = Object.assign(rows[0]!, { name: ref.name });
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

  #queryFor(ref: SingleRef): FixedQuery {
    const known = this.#built.get(ref.kind);
    if (known) return known;
    const columns = [...COLUMNS, "own_alias"].map((name) => ({ name, kind: kindOf(name) }));
    const made = { sql: rowsQuery(this.#parts.db, ref).compile().sql, columns };
    this.#built.set(ref.kind, made);
    return made;
  }
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
    .select(COLUMNS.map((column) => `v.${column}` as const))
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
