import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../../engine/main.ts";
import { reasonOf } from "./failure.ts";
import { insertIfAbsent } from "./insert.ts";
import { migrations } from "./migrations.ts";
import { sql } from "./query-builder.ts";
import type { CounterRow, Db } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/** Brings the schema of a database up to date, and finds out whose it is. */

const TRIES_MAX = 30;
const COUNTER_ID = 1;

export interface Wanted {
  storeId: string | undefined;
  create: boolean;
  readOnly: boolean;
}

/** The id of the store whose metadata it is. */
export async function prepareSchema(db: Db, dialect: SqlDialect, wanted: Wanted): Promise<string> {
  const found = await readMeta(db, dialect);
  const isReady = found?.schema === migrations.length && found.storeId !== undefined;
  if (isReady) return checkStore(found.storeId!, wanted, dialect);
  if ((found?.schema ?? 0) > migrations.length) throw newer(found!.schema, dialect);
  if (found?.storeId === undefined && (!wanted.create || wanted.readOnly)) throw noStore(dialect);
  if (wanted.readOnly) throw older(dialect);
  // Two that make the first tables at once may meet, whatever `if not exists` says.
  await again(() => makeRoots(db, dialect));
  return again(() => migrateUnderLock(db, dialect, wanted));
}

async function again<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      const reason = reasonOf(error);
      const isWorth = reason === "conflict" || reason === "lock" || isMetAtCreation(error);
      if (!isWorth || tries === TRIES_MAX) throw error;
      await sleep(10 * tries * (0.5 + Math.random()));
    }
  }
}

/** Two that make one thing at once, in PostgreSQL: it exists already, or its row in the catalog changes. */
function isMetAtCreation(error: unknown): boolean {
  const { cause } = error as { cause?: { code?: unknown } };
  return /^(42P07|42710|XX000|23505)$/.test(String(cause?.code ?? ""));
}

interface Meta {
  schema: number;
  storeId: string | undefined;
}

/** Undefined where there are no tables of Varve. */
async function readMeta(db: Db, dialect: SqlDialect): Promise<Meta | undefined> {
  try {
    return await metaIn(db);
  } catch (error) {
    if (dialect.isNoTable((error as Error).cause)) return undefined;
    throw error;
  }
}

async function metaIn(db: Db): Promise<Meta> {
  const rows = await db.selectFrom("varve_meta").select(["item", "value"]).execute();
  const items = new Map(rows.map(({ item, value }) => [item, value]));
  return { schema: Number(items.get("schema") ?? 0), storeId: items.get("store_id") };
}

/** The tables that a lock needs, and the row that is it. */
async function makeRoots(db: Db, dialect: SqlDialect): Promise<void> {
  await db.schema
    .createTable("varve_meta")
    .ifNotExists()
    .addColumn("item", dialect.types.word(64), (column) => column.notNull().primaryKey())
    .addColumn("value", dialect.types.text, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable("varve_counter")
    .ifNotExists()
    .addColumn("id", "integer", (column) => column.notNull().primaryKey())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addColumn("time", "bigint", (column) => column.notNull())
    .addColumn("horizon", "bigint", (column) => column.notNull())
    .addColumn("removals", "bigint", (column) => column.notNull())
    .execute();
  const counter = { id: COUNTER_ID, sequence: 0, time: 0, horizon: 0, removals: 0 };
  await insertIfAbsent(db, dialect, "varve_counter", [counter]);
}

/** Whoever holds this row is the only one that writes, until the transaction ends. */
export async function lockCounter(db: Db, dialect: SqlDialect): Promise<CounterRow> {
  const query = counterQuery(db);
  return found(await (dialect.locksAtBegin ? query : query.forUpdate()).executeTakeFirst(), dialect);
}

/** As it is now, for who changes nothing. */
export async function readCounter(db: Db, dialect: SqlDialect): Promise<CounterRow> {
  return found(await counterQuery(db).executeTakeFirst(), dialect);
}

function counterQuery(db: Db) {
  return db.selectFrom("varve_counter").selectAll().where("id", "=", COUNTER_ID);
}

function found(row: CounterRow | undefined, { location }: SqlDialect): CounterRow {
  if (row) return row;
  throw new VarveError("CORRUPTION", `the counter of ${location} is gone`, {
    hint: "put the database back from a backup",
  });
}

/** A transaction that holds the counter. */
export async function underLock<T>(
  db: Db,
  dialect: SqlDialect,
  work: (transaction: Db, counter: CounterRow) => Promise<T>,
): Promise<T> {
  const transaction = await db.startTransaction().execute();
  try {
    const result = await work(transaction, await lockCounter(transaction, dialect));
    await transaction.commit().execute();
    return result;
  } catch (error) {
    await transaction
      .rollback()
      .execute()
      .catch(() => {});
    throw error;
  }
}

export async function setCounter(db: Db, counter: Partial<CounterRow>): Promise<void> {
  await db.updateTable("varve_counter").set(counter).where("id", "=", COUNTER_ID).execute();
}

async function migrateUnderLock(db: Db, dialect: SqlDialect, wanted: Wanted): Promise<string> {
  return underLock(db, dialect, async (transaction) => {
    // Where making a table ends the transaction, and gives the lock away, the tables are made beside it.
    const maker: Db = dialect.hasTransactionalTables ? transaction : db;
    const meta = await metaIn(maker);
    if (meta.schema > migrations.length) throw newer(meta.schema, dialect);
    for (let step = meta.schema; step < migrations.length; step++) {
      await migrations[step]!(maker, dialect);
      await putItem(maker, dialect, "schema", String(step + 1));
    }
    if (meta.storeId === undefined) {
      const id = wanted.storeId ?? randomBytes(16).toString("hex");
      await putItem(maker, dialect, "store_id", id);
    }
    return checkStore((await metaIn(maker)).storeId!, wanted, dialect);
  });
}

async function putItem(db: Db, dialect: SqlDialect, item: string, value: string): Promise<void> {
  const insert = db.insertInto("varve_meta").values({ item, value });
  await (dialect.upsert === "on conflict"
    ? insert.onConflict((conflict) => conflict.column("item").doUpdateSet({ value }))
    : insert.onDuplicateKeyUpdate({ value: sql<string>`values(value)` })
  ).execute();
}

function checkStore(found: string, { storeId }: Wanted, { location }: SqlDialect): string {
  if (storeId === undefined || found === storeId) return found;
  throw new VarveError("CONFIG", `${location} belongs to another store: ${found}, not ${storeId}`, {
    hint: "give the database of this store, or a new one",
    details: { found, wanted: storeId },
  });
}

function newer(schema: number, { location }: SqlDialect): VarveError {
  return new VarveError("CONFIG", `${location} was written by a newer Varve`, {
    hint: "update Varve: npm install varve@latest",
    details: { schema, known: migrations.length },
  });
}

function older({ location }: SqlDialect): VarveError {
  return new VarveError("CONFIG", `the tables in ${location} are those of an older Varve`, {
    hint: "open it once without readOnly: that brings them up to date",
  });
}

function noStore({ location }: SqlDialect): VarveError {
  return new VarveError("NOT_FOUND", `there is no store in ${location}`, {
    hint: "open it without readOnly, and with create, to make one; or correct the database URL",
    details: { location },
  });
}
