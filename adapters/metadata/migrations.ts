import { sql } from "./query-builder.ts";
import type { Db, TableName } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/**
 * How the schema came to be, step by step: a step is never changed once it was released. Each can be run again where it was
 * interrupted, since not every database makes tables within a transaction.
 */
export type Migration = (db: Db, dialect: SqlDialect) => Promise<void>;

export const migrations: readonly Migration[] = [firstSchema, addKept];

async function firstSchema(db: Db, dialect: SqlDialect): Promise<void> {
  await makeNames(db, dialect);
  await makeVersions(db, dialect);
  await makeAliases(db, dialect);
  await makeLineage(db, dialect);
  await makeOperations(db, dialect);
}

async function makeNames(db: Db, { types }: SqlDialect): Promise<void> {
  await db.schema
    .createTable("varve_names")
    .ifNotExists()
    .addColumn("name", types.name, (column) => column.notNull().primaryKey())
    .addColumn("newest", "bigint", (column) => column.notNull())
    .addColumn("latest", "bigint")
    .execute();
}

async function makeVersions(db: Db, dialect: SqlDialect): Promise<void> {
  const { types } = dialect;
  // Versions of a name are listed newest first. Where rows lie in the order of the key, that is the key's.
  const isByKey = dialect.upsert === "on duplicate key";
  const table = db.schema
    .createTable("varve_versions")
    .ifNotExists()
    .addColumn("name", types.name, (column) => column.notNull())
    .addColumn("version", "bigint", (column) => column.notNull())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addColumn("created_at", "bigint", (column) => column.notNull())
    .addColumn("digest", types.bytes(32), (column) => column.notNull())
    .addColumn("size", "bigint", (column) => column.notNull())
    .addColumn("media_type", types.text, (column) => column.notNull())
    .addColumn("stamps", types.bytes(32))
    .addColumn("backend", types.word(16), (column) => column.notNull())
    .addColumn("created_by", types.text)
    .addColumn("code", types.bytes(32))
    .addColumn("environment", types.bytes(32), (column) => column.notNull())
    .addColumn("inputs", types.text)
    .addColumn("tags", types.text)
    .addColumn("metadata", types.text)
    .addColumn("changed", "bigint", (column) => column.notNull())
    .addColumn("deleted", "bigint")
    .addColumn("removed_aliases", types.text)
    .addColumn("forgotten", "smallint", (column) =>
      isByKey ? column.notNull().modifyEnd(sql`, primary key (name, version desc)`) : column.notNull(),
    );
  await (isByKey
    ? table
    : table.addPrimaryKeyConstraint("varve_versions_key", ["name", "version"])
  ).execute();
  await makeIndex(db, dialect, "varve_versions_by_time", "varve_versions", [
    "created_at",
    "name",
    "version desc",
  ]);
  await makeIndex(db, dialect, "varve_versions_by_size", "varve_versions", ["size", "name", "version desc"]);
}

async function makeAliases(db: Db, dialect: SqlDialect): Promise<void> {
  const { types } = dialect;
  await db.schema
    .createTable("varve_aliases")
    .ifNotExists()
    .addColumn("name", types.name, (column) => column.notNull())
    .addColumn("alias", types.word(128), (column) => column.notNull())
    .addColumn("version", "bigint", (column) => column.notNull())
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("varve_aliases_key", ["name", "alias"])
    .execute();
  await makeIndex(db, dialect, "varve_aliases_by_version", "varve_aliases", ["name", "version"]);
  await db.schema
    .createTable("varve_tags")
    .ifNotExists()
    .addColumn("hash", types.bytes(16), (column) => column.notNull())
    .addColumn("name", types.name, (column) => column.notNull())
    .addColumn("version", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("varve_tags_key", ["name", "version", "hash"])
    .execute();
  await makeIndex(db, dialect, "varve_tags_by_hash", "varve_tags", ["hash", "name", "version"]);
}

async function makeLineage(db: Db, { types }: SqlDialect): Promise<void> {
  await db.schema
    .createTable("varve_edges")
    .ifNotExists()
    .addColumn("input_name", types.name, (column) => column.notNull())
    .addColumn("input_version", "bigint", (column) => column.notNull())
    .addColumn("name", types.name, (column) => column.notNull())
    .addColumn("version", "bigint", (column) => column.notNull())
    .addPrimaryKeyConstraint("varve_edges_key", ["input_name", "input_version", "name", "version"])
    .execute();
  await db.schema
    .createTable("varve_documents")
    .ifNotExists()
    .addColumn("digest", types.bytes(32), (column) => column.notNull().primaryKey())
    .addColumn("content", types.text, (column) => column.notNull())
    .execute();
}

async function makeOperations(db: Db, { types }: SqlDialect): Promise<void> {
  await db.schema
    .createTable("varve_operations")
    .ifNotExists()
    .addColumn("sequence", "bigint", (column) => column.notNull())
    .addColumn("ordinal", "bigint", (column) => column.notNull())
    .addColumn("time", "bigint", (column) => column.notNull())
    .addColumn("kind", types.word(16), (column) => column.notNull())
    .addColumn("name", types.name, (column) => column.notNull())
    .addColumn("version", "bigint")
    .addColumn("alias", types.word(128))
    .addColumn("state", types.text)
    .addColumn("token", types.bytes(16), (column) => column.notNull())
    .addPrimaryKeyConstraint("varve_operations_key", ["sequence", "ordinal"])
    .execute();
}

/** What finds a value that a storage backend keeps. */
async function addKept(db: Db, dialect: SqlDialect): Promise<void> {
  const change = db.schema.alterTable("varve_versions").addColumn("kept", dialect.types.text);
  if (dialect.hasTransactionalTables) return change.execute();
  try {
    await change.execute();
  } catch (error) {
    throwUnless(error, ER_DUP_FIELDNAME);
  }
}

const ER_DUP_FIELDNAME = 1060;
const ER_DUP_KEYNAME = 1061;

/** Where it was interrupted before, it is there already. */
function throwUnless(error: unknown, errno: number): void {
  const { cause } = error as { cause?: { errno?: number } };
  if (cause?.errno !== errno) throw error;
}

async function makeIndex(
  db: Db,
  dialect: SqlDialect,
  name: string,
  table: TableName,
  columns: string[],
): Promise<void> {
  const index = db.schema
    .createIndex(name)
    .on(table)
    .columns(columns as never[]);
  if (dialect.hasTransactionalTables) return index.ifNotExists().execute();
  try {
    await index.execute();
  } catch (error) {
    throwUnless(error, ER_DUP_KEYNAME);
  }
}
