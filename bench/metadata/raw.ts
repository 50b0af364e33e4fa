/** What the drivers do alone: multi-row inserts in transactions, and prepared selects. */

import type { DatabaseKind } from "./figures.ts";

export type Row = Record<string, unknown>;
export type Tables = Map<string, Row[]>;

export interface RawDatabase {
  /** All of a table. */
  rows(table: string): Promise<Row[]>;
  /** One transaction: rows of each table, many in a statement, as is fastest by this driver. */
  insert(tables: Tables): Promise<void>;
  /** A prepared select of a version by its key. */
  select(name: string, version: number): Promise<Row | undefined>;
  close(): Promise<void>;
}

export const kindOf = (url: string): DatabaseKind =>
  url.startsWith("sqlite:") ? "sqlite" : url.startsWith("mariadb:") ? "mariadb" : "postgresql";

/** @param connections as many as the adapter has */
export function openRaw(url: string, connections: number): Promise<RawDatabase> {
  switch (kindOf(url)) {
    case "postgresql":
      return openPostgresql(url, connections);
    case "mariadb":
      return openMariadb(url, connections);
    case "sqlite":
      return openSqlite(url);
  }
}

const list = (columns: readonly string[]) => columns.map((column) => `"${column}"`).join(", ");
const columnsOf = (rows: readonly Row[]) => Object.keys(rows[0]!);
const valuesOf = (rows: readonly Row[], columns: readonly string[]) =>
  rows.flatMap((row) => columns.map((column) => row[column]));

const SELECT = "select * from varve_versions where name = ";

async function openPostgresql(connectionString: string, max: number): Promise<RawDatabase> {
  const { default: pg } = await import("pg");
  const pool = new pg.Pool({ connectionString, max });
  const texts = new Map<string, { name: string; text: string }>();
  // Statements of the same length are prepared once, as whoever wants it fast has it.
  const insertOf = (table: string, rows: readonly Row[]) => {
    const key = `${table}_${rows.length}`;
    const known = texts.get(key);
    if (known) return known;
    const columns = columnsOf(rows);
    let place = 0;
    const row = () => `(${columns.map(() => `$${++place}`).join(", ")})`;
    const text = `insert into ${table} (${list(columns)}) values ${rows.map(row).join(", ")}`;
    const made = { name: key, text };
    texts.set(key, made);
    return made;
  };
  return {
    rows: async (table) => (await pool.query(`select * from ${table}`)).rows,
    insert: async (tables) => {
      const client = await pool.connect();
      await client.query("begin");
      for (const [table, rows] of tables)
        await client.query({ ...insertOf(table, rows), values: valuesOf(rows, columnsOf(rows)) });
      await client.query("commit");
      client.release();
    },
    select: async (name, version) => {
      const query = { name: "by key", text: `${SELECT}$1 and version = $2`, values: [name, version] };
      return (await pool.query(query)).rows[0];
    },
    close: () => pool.end(),
  };
}

async function openMariadb(url: string, connectionLimit: number): Promise<RawDatabase> {
  const { createPool } = await import("mysql2/promise");
  const pool = createPool({ uri: url.replace(/^mariadb:/, "mysql:"), connectionLimit });
  return {
    rows: async (table) => (await pool.query(`select * from ${table}`))[0] as Row[],
    insert: async (tables) => {
      const connection = await pool.getConnection();
      await connection.query("start transaction");
      for (const [table, rows] of tables) {
        const columns = columnsOf(rows);
        const text = `insert into ${table} (${columns.map((column) => `\`${column}\``).join(", ")}) values ?`;
        await connection.query(text, [rows.map((row) => columns.map((column) => row[column]))]);
      }
      await connection.query("commit");
      connection.release();
    },
    select: async (name, version) => {
      const [rows] = await pool.execute(`${SELECT}? and version = ?`, [Buffer.from(name), version]);
      return (rows as Row[])[0];
    },
    close: () => pool.end(),
  };
}

async function openSqlite(url: string): Promise<RawDatabase> {
  const { default: Database } = await import("libsql");
  const database = new Database(url.replace(/^sqlite:\/\//, ""));
  database.prepare("pragma journal_mode = wal").all([]);
  database.prepare("pragma synchronous = full").run([]);
  const prepared = new Map<string, ReturnType<typeof database.prepare>>();
  const statement = (sql: string) => {
    const known = prepared.get(sql);
    if (known) return known;
    const made = database.prepare(sql);
    prepared.set(sql, made);
    return made;
  };
  const bytes = (value: unknown) => (value instanceof ArrayBuffer ? Buffer.from(value) : value);
  return {
    rows: async (table) => statement(`select * from ${table}`).all([]) as Row[],
    insert: async (tables) => {
      statement("begin immediate").run([]);
      for (const [table, rows] of tables) insertParts(statement, table, rows, bytes);
      statement("commit").run([]);
    },
    select: async (name, version) =>
      statement(`${SELECT}? and version = ?`).get([name, version]) as Row | undefined,
    close: async () => void database.close(),
  };
}

/** Of SQLite: longer statements are not faster. */
const ROWS_PER_STATEMENT = 256;

function insertParts(
  statement: (sql: string) => { run(values: unknown[]): unknown },
  table: string,
  rows: readonly Row[],
  given: (value: unknown) => unknown,
): void {
  const columns = columnsOf(rows);
  const row = `(${columns.map(() => "?").join(", ")})`;
  for (let start = 0; start < rows.length; start += ROWS_PER_STATEMENT) {
    const part = rows.slice(start, start + ROWS_PER_STATEMENT);
    const text = `insert into ${table} (${list(columns)}) values ${part.map(() => row).join(", ")}`;
    statement(text).run(valuesOf(part, columns).map(given));
  }
}
