import type { MetadataCounts } from "../../engine/main.ts";
import type { VersionName } from "./keys.ts";
import { isOneOf, keyParts } from "./keys.ts";
import { underLock } from "./migrate.ts";
import type { RawBuilder, SqlBool } from "./query-builder.ts";
import { sql } from "./query-builder.ts";
import { PAGE_ROWS } from "./reading.ts";
import type { Db } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/** What is done for the store as a whole: forgetting, counting, checking. */

/** A page of versions that were deleted up to an operation, in the order of their keys. */
export async function deletedPage(
  db: Db,
  sequence: number,
  which: RawBuilder<SqlBool>,
  after: VersionName | undefined,
): Promise<VersionName[]> {
  const page = db
    .selectFrom("varve_versions as v")
    .select(["v.name", "v.version"])
    .where("v.deleted", "<=", sequence)
    .where(which)
    .orderBy("v.name")
    .orderBy("v.version", "desc");
  const rows: VersionName[] = [];
  if (after) {
    const rest = page.where("v.name", "=", after.name).where("v.version", "<", after.version);
    rows.push(...(await rest.limit(PAGE_ROWS).execute()));
  }
  if (rows.length < PAGE_ROWS) {
    const behind = after ? page.where("v.name", ">", after.name) : page;
    rows.push(...(await behind.limit(PAGE_ROWS - rows.length).execute()));
  }
  return rows;
}

/** Those whose bytes may still be there, and are not a backend's to keep. */
const WHOLE = sql<SqlBool>`v.forgotten = 0 and v.backend = 'varve'`;

/**
 * They are looked up in front of the lock, and marked under it, a page at a time: nobody waits for the whole store, and an
 * `undelete` is before it or behind.
 * @param again runs a transaction, and once more where it met another
 */
export async function forgetDeleted(
  db: Db,
  dialect: SqlDialect,
  sequence: number,
  again: <T>(work: () => Promise<T>) => Promise<T>,
): Promise<number> {
  let forgotten = 0;
  for (let after: VersionName | undefined; ; ) {
    const page = await deletedPage(db, sequence, WHOLE, after);
    if (page.length > 0) forgotten += await again(() => markForgotten(db, dialect, sequence, page));
    if (page.length < PAGE_ROWS) return forgotten;
    after = page.at(-1);
  }
}

async function markForgotten(
  db: Db,
  dialect: SqlDialect,
  sequence: number,
  page: readonly VersionName[],
): Promise<number> {
  return underLock(db, dialect, async (transaction) => {
    let marked = 0;
    for (const part of keyParts(page)) {
      const { numUpdatedRows } = await transaction
        .updateTable("varve_versions")
        .set({ forgotten: 1 })
        .where(isOneOf("name", "version", part))
        .where("deleted", "<=", sequence)
        .where("forgotten", "=", 0)
        .executeTakeFirst();
      marked += Number(numUpdatedRows);
    }
    return marked;
  });
}

export async function countAll(db: Db, { bytesQuery }: SqlDialect): Promise<MetadataCounts> {
  const rows = db.fn.countAll<number>();
  const names = await db
    .selectFrom("varve_names")
    .select(rows.as("n"))
    .where("latest", "is not", null)
    .execute();
  const live = await db
    .selectFrom("varve_versions")
    .select([rows.as("n"), db.fn.sum<number>("size").as("bytes")])
    .where("deleted", "is", null)
    .execute();
  const deleted = await db
    .selectFrom("varve_versions")
    .select(rows.as("n"))
    .where("deleted", "is not", null)
    .where("forgotten", "=", 0)
    .execute();
  const aliases = await db.selectFrom("varve_aliases").select(rows.as("n")).execute();
  const counter = await db.selectFrom("varve_counter").select("sequence").executeTakeFirstOrThrow();
  const bytes = bytesQuery === undefined ? undefined : await bytesOf(db, bytesQuery);
  return {
    names: Number(names[0]?.n),
    versions: Number(live[0]?.n),
    deletedVersions: Number(deleted[0]?.n),
    aliases: Number(aliases[0]?.n),
    valueBytes: Number(live[0]?.bytes ?? 0),
    sequence: counter.sequence,
    ...(bytes !== undefined && { bytes }),
  };
}

/** Only for information: what speaks PostgreSQL's protocol need not know the functions of PostgreSQL. */
async function bytesOf(db: Db, query: string): Promise<number | undefined> {
  try {
    const { rows } = await sql.raw<{ bytes: number | string | null }>(query).execute(db);
    const bytes = Number(rows[0]?.bytes ?? Number.NaN);
    return Number.isFinite(bytes) ? bytes : undefined;
  } catch (error) {
    if ((error as { code?: unknown }).code === "IO") return undefined;
    throw error;
  }
}
