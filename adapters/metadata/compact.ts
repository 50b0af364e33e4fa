import type { MetadataCompactOptions, MetadataCompactReport } from "../../engine/main.ts";
import { throwIfAborted } from "./failure.ts";
import type { VersionName } from "./keys.ts";
import { isOneOf, keyParts, partsOf } from "./keys.ts";
import { deletedPage } from "./maintenance.ts";
import { readCounter, setCounter, underLock } from "./migrate.ts";
import type { SqlBool } from "./query-builder.ts";
import { sql } from "./query-builder.ts";
import { PAGE_ROWS, type Parts, type WritingParts } from "./reading.ts";
import type { Db, Tables, VersionRow } from "./schema.ts";
import { removeUnnamed } from "./unnamed.ts";
import { edgesOf } from "./write.ts";

/** Rows that nothing needs any more go, a few at a time: nobody waits for the whole store. */

/** Numbers whose operations one statement removes. */
const NUMBERS_PER_DELETE = 1000;
const EDGES_PER_DELETE = 64;

export async function compactTables(
  parts: WritingParts,
  { historyBefore, dryRun, signal }: MetadataCompactOptions,
): Promise<MetadataCompactReport> {
  const { db, dialect } = parts;
  const counter = await readCounter(db, dialect);
  const before = Math.min(historyBefore ?? 0, counter.sequence);
  const horizon = Math.max(before, counter.horizon);
  if (dryRun) return reportOf(await countOperations(db, horizon));
  if (horizon > counter.horizon) await parts.again(() => moveHorizon(parts, horizon));
  if (historyBefore !== undefined) await removeVersions(parts, before, signal);
  const records = await removeOperations(parts, horizon, signal);
  await removeUnnamed(parts, signal);
  return reportOf(records);
}

/** What the database makes of the room is its own affair. */
function reportOf(records: number): MetadataCompactReport {
  return { records, segments: 0, freedBytes: 0, waitingBytes: 0, skipped: [] };
}

async function countOperations(db: Db, horizon: number): Promise<number> {
  const { n } = await db
    .selectFrom("varve_operations")
    .select(db.fn.countAll<number>().as("n"))
    .where("sequence", "<=", horizon)
    .executeTakeFirstOrThrow();
  return Number(n);
}

/** In front of all that it makes void: who reads operations looks at it behind each page. */
function moveHorizon({ db, dialect }: Parts, horizon: number): Promise<void> {
  return underLock(db, dialect, async (transaction, counter) => {
    if (counter.horizon < horizon) await setCounter(transaction, { horizon });
  });
}

/** Nobody needs them any more, so that nobody is kept waiting. */
async function removeOperations(
  { db, again }: WritingParts,
  horizon: number,
  signal: AbortSignal | undefined,
): Promise<number> {
  const oldest = await db
    .selectFrom("varve_operations")
    .select("sequence")
    .orderBy("sequence")
    .limit(1)
    .executeTakeFirst();
  let removed = 0;
  for (let from = oldest?.sequence ?? horizon + 1; from <= horizon; from += NUMBERS_PER_DELETE) {
    throwIfAborted(signal);
    const { numDeletedRows } = await again(() =>
      db
        .deleteFrom("varve_operations")
        .where("sequence", ">=", from)
        .where("sequence", "<=", Math.min(horizon, from + NUMBERS_PER_DELETE - 1))
        .executeTakeFirst(),
    );
    removed += Number(numDeletedRows);
  }
  return removed;
}

/** As in a log: the first version of a name, and the newest, tell of the name; and what was not purged of what is in a backend. */
const INSIDE = sql<SqlBool>`v.version > 0 and v.version < (select n.newest from varve_names n where n.name = v.name)
  and not (v.backend <> 'varve' and v.forgotten = 0)`;

async function removeVersions(
  parts: WritingParts,
  before: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { db, dialect, again } = parts;
  for (let after: VersionName | undefined; ; ) {
    throwIfAborted(signal);
    const page = await deletedPage(db, before, INSIDE, after);
    if (page.length > 0)
      await again(() => underLock(db, dialect, (transaction) => removePage(transaction, page, before)));
    if (page.length < PAGE_ROWS) return;
    after = page.at(-1);
  }
}

/** Under the lock: but for what was brought back since. */
async function removePage(db: Db, page: readonly VersionName[], before: number): Promise<void> {
  for (const part of keyParts(page)) {
    const going = await db
      .selectFrom("varve_versions")
      .select(["name", "version", "inputs"])
      .where(isOneOf("name", "version", part))
      .where("deleted", "<=", before)
      .execute();
    if (going.length === 0) continue;
    const isGoing = isOneOf("name", "version", going);
    await removeEdges(db, going);
    await db.deleteFrom("varve_tags").where(isGoing).execute();
    await db.deleteFrom("varve_versions").where(isGoing).execute();
  }
}

/** From what they were made from, and to what was made from them. */
async function removeEdges(
  db: Db,
  versions: readonly Pick<VersionRow, "name" | "version" | "inputs">[],
): Promise<void> {
  await db
    .deleteFrom("varve_edges")
    .where(isOneOf("input_name", "input_version", versions))
    .execute();
  for (const part of partsOf(versions.flatMap(edgesOf), EDGES_PER_DELETE)) {
    const each = part.map(isEdge);
    await db
      .deleteFrom("varve_edges")
      .where(sql<SqlBool>`(${sql.join(each, sql` or `)})`)
      .execute();
  }
}

function isEdge(edge: Tables["varve_edges"]) {
  const { input_name, input_version, name, version } = edge;
  return sql`(input_name = ${input_name} and input_version = ${input_version} and name = ${name} and version = ${version})`;
}

/** Numbers and times grow together, so that a few looks find it. */
export async function sequenceAt({ db, dialect }: Parts, time: number): Promise<number> {
  const counter = await readCounter(db, dialect);
  if (counter.time <= time) return counter.sequence;
  let low = counter.horizon;
  for (let high = counter.sequence; high - low > 1; ) {
    const middle = Math.floor((low + high) / 2);
    const row = await db
      .selectFrom("varve_operations")
      .select("time")
      .where("sequence", ">=", middle)
      .orderBy("sequence")
      .limit(1)
      .executeTakeFirst();
    if (row && row.time > time) high = middle;
    else low = middle;
  }
  return low;
}
