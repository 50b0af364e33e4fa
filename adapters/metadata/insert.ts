import { toBeCopied, toBePrepared } from "./driver.ts";
import type { CompiledQuery } from "./query-builder.ts";
import { sql } from "./query-builder.ts";
import { type Db, kindOf, type TableName, type Tables } from "./schema.ts";
import type { SqlDialect } from "./session.ts";

/**
 * Inserts of many rows: a statement for as many as the database takes at once, built once for each number of them; where it takes
 * arrays, once for all numbers.
 */

type Row<T extends TableName> = Tables[T];

interface Plan {
  table: TableName;
  columns: readonly string[];
  /** What becomes of a row that is there. Absent: it is a conflict. */
  existing?: { key: readonly string[]; set: readonly string[] };
}

interface Shape {
  sql: string;
  query: CompiledQuery;
}

/** Of texts that are there: a few lengths of each table, and some in between. */
const SHAPES_MAX = 128;
const shapes = new WeakMap<SqlDialect, Map<string, Shape>>();

/** Bytes of parameters in one statement: servers refuse longer ones. */
const STATEMENT_BYTES_MAX = 2 * 1024 * 1024;

/** Rows for one table. */
export interface Rows {
  plan: Plan;
  rows: readonly object[];
}

export function added<T extends TableName>(table: T, rows: readonly Row<T>[]): Rows {
  return { plan: { table, columns: columnsOf(rows) }, rows };
}

/** Rows that are there already get the new values. */
export function upserted<T extends TableName>(
  table: T,
  key: readonly (keyof Row<T> & string)[],
  rows: readonly Row<T>[],
): Rows {
  const columns = columnsOf(rows);
  const set = columns.filter((column) => !(key as readonly string[]).includes(column));
  return { plan: { table, columns, existing: { key, set } }, rows };
}

/** Rows that are there already stay as they are. */
export async function insertIfAbsent<T extends TableName>(
  db: Db,
  dialect: SqlDialect,
  table: T,
  rows: readonly Row<T>[],
): Promise<void> {
  const columns = columnsOf(rows);
  const plan = { table, columns, existing: { key: columns.slice(0, 1), set: [] } };
  await runAll(db, insertsOf(db, dialect, [{ plan, rows }]));
}

/** One after another. */
export async function runAll(db: Db, statements: readonly CompiledQuery[]): Promise<void> {
  for (const statement of statements) await db.executeQuery(statement);
}

/**
 * The statements that write rows for tables of which each is named once: few, where the database can. They hold what the rows
 * are now, whatever becomes of these later.
 */
export function insertsOf(db: Db, dialect: SqlDialect, given: readonly Rows[]): CompiledQuery[] {
  const wanted = given.filter(({ rows }) => rows.length > 0);
  const copied = wanted.filter(({ plan }) => plan.existing === undefined);
  const count = copied.reduce((sum, { rows }) => sum + rows.length, 0);
  if (dialect.copies && count >= dialect.copies.rowsMin) {
    const others = wanted.filter((rows) => !copied.includes(rows));
    return [copyOf(db, dialect, copied), ...statementsOf(db, dialect, others)];
  }
  return statementsOf(db, dialect, wanted);
}

function statementsOf(db: Db, dialect: SqlDialect, wanted: readonly Rows[]): CompiledQuery[] {
  const together = dialect.arrays && wanted.length > 1 ? insertTogether(db, dialect, wanted) : undefined;
  return together ? [together] : wanted.flatMap((rows) => insertAs(db, dialect, rows));
}

function columnsOf(rows: readonly object[]): string[] {
  return rows.length === 0 ? [] : Object.keys(rows[0]!);
}

function copyOf(db: Db, { copies }: SqlDialect, given: readonly Rows[]): CompiledQuery {
  const tables = given.map(({ plan: { table, columns }, rows }) =>
    copies!.encode(
      table,
      columns.map((name) => ({ name, kind: kindOf(name) })),
      rows,
    ),
  );
  return toBeCopied(sql`copy`.compile(db), tables);
}

/** Undefined where one statement does not take everything. */
function insertTogether(db: Db, dialect: SqlDialect, given: readonly Rows[]): CompiledQuery | undefined {
  const parameters = given.flatMap(({ plan, rows }) => parametersOf(dialect, plan, rows));
  const bytes = parameters.reduce((sum: number, array) => sum + (array as Uint8Array).length, 0);
  if (bytes > STATEMENT_BYTES_MAX) return undefined;
  const key = given.map(({ plan }) => keyOf(plan, "any")).join(", ");
  const shape = shapeOf(dialect, key, () => {
    const parts = given.map(
      ({ plan }, i) => sql`${sql.ref(`part_${i}`)} as (${insertOf(db, dialect, plan, 0)})`,
    );
    return sql`with ${sql.join(parts)} select 1`.compile(db);
  });
  return toBePrepared({ ...shape.query, parameters });
}

function insertAs(db: Db, dialect: SqlDialect, { plan, rows }: Rows): CompiledQuery[] {
  const statements: CompiledQuery[] = [];
  for (let start = 0; start < rows.length; ) {
    const { count, prepare } = dialect.rowsPerInsert(fitting(plan, rows, start));
    const parameters = parametersOf(dialect, plan, rows.slice(start, start + count));
    const shape = shapeOf(dialect, keyOf(plan, dialect.arrays ? "any" : count), () =>
      insertOf(db, dialect, plan, count).compile(),
    );
    const query = { ...shape.query, parameters };
    statements.push(prepare ? toBePrepared(query) : query);
    start += count;
  }
  return statements;
}

/** Row by row, or a whole column each. */
function parametersOf({ arrays }: SqlDialect, { columns }: Plan, rows: readonly object[]): unknown[] {
  const given = rows as readonly Record<string, unknown>[];
  if (!arrays) return given.flatMap((row) => columns.map((column) => row[column]));
  return columns.map((column) =>
    arrays.encode(
      kindOf(column),
      given.map((row) => row[column]),
    ),
  );
}

/** How many of the rows left go into one statement by their bytes; at least one. */
function fitting(plan: Plan, rows: readonly object[], start: number): number {
  let bytes = 0;
  for (let i = start; i < rows.length; i++) {
    bytes += bytesOf(plan, rows[i] as Record<string, unknown>);
    if (bytes > STATEMENT_BYTES_MAX) return Math.max(1, i - start);
  }
  return rows.length - start;
}

const OTHER_BYTES = 8;

function bytesOf({ columns }: Plan, row: Record<string, unknown>): number {
  let bytes = columns.length * OTHER_BYTES;
  for (const column of columns) {
    const value = row[column];
    if (typeof value === "string" || value instanceof Uint8Array) bytes += value.length;
  }
  return bytes;
}

/** With the columns in their order: rows that were made here need not have that of rows that were read. */
function keyOf({ table, columns, existing }: Plan, count: number | "any"): string {
  return `${table} ${columns.join()} ${existing?.set.length ?? "-"} ${count}`;
}

function shapeOf(dialect: SqlDialect, key: string, compile: () => CompiledQuery): Shape {
  let known = shapes.get(dialect);
  if (!known) {
    known = new Map();
    shapes.set(dialect, known);
  }
  const found = known.get(key);
  if (found) return found;
  if (known.size >= SHAPES_MAX) known.delete(known.keys().next().value!);
  const query = compile();
  const shape = { sql: query.sql, query };
  known.set(key, shape);
  return shape;
}

function insertOf(db: Db, dialect: SqlDialect, { table, columns, existing }: Plan, count: number) {
  const base = valuesOf(db, dialect, table, columns, count);
  if (!existing) return base;
  if (dialect.upsert === "on conflict") {
    const set = Object.fromEntries(existing.set.map((column) => [column, sql.ref(`excluded.${column}`)]));
    return base.onConflict((conflict) => {
      const on = conflict.columns(existing.key as never[]);
      return existing.set.length === 0 ? on.doNothing() : on.doUpdateSet(set as never);
    });
  }
  // With nothing to set, a row is set to what it is: `ignore` would let more pass than rows that are there.
  const set = existing.set.length === 0 ? existing.key.slice(0, 1) : existing.set;
  const values_ = (column: string) =>
    existing.set.length === 0 ? sql.ref(column) : sql`values(${sql.ref(column)})`;
  return base.onDuplicateKeyUpdate(
    Object.fromEntries(set.map((column) => [column, values_(column)])) as never,
  );
}

function valuesOf(
  db: Db,
  { arrays }: SqlDialect,
  table: TableName,
  columns: readonly string[],
  count: number,
) {
  const into = db.insertInto(table);
  if (arrays) {
    const each = columns.map((column) => sql`${null}::${sql.raw(arrays.typeOf(kindOf(column)))}`);
    return into.columns(columns as never[]).expression(sql`select * from unnest(${sql.join(each)})`);
  }
  const row = Object.fromEntries(columns.map((column) => [column, 0]));
  return into.values(new Array(count).fill(row) as never[]);
}
