/** The table of names and values in SQLite that `libsql` and `keyv` share. */

import { join } from "node:path";
import type { PackageLoader } from "../subject.ts";

/** The part of libsql (which has the interface of better-sqlite3) that is used. */
interface Statement {
  run(...parameters: unknown[]): { changes: number };
  get(...parameters: unknown[]): unknown;
  iterate(...parameters: unknown[]): Iterable<unknown>;
}

interface Database {
  exec(sql: string): unknown;
  prepare(sql: string): Statement;
  close(): unknown;
}

export interface SqliteTable {
  put(name: string, value: unknown): void;
  tag(name: string, tag: string): void;
  get(name: string): unknown;
  has(name: string): boolean;
  /** Whether it was there. */
  remove(name: string): boolean;
  /** All, or those from `from` up to, not including, `to`. */
  names(from?: string, to?: string): Iterable<string>;
  namesOf(tag: string): Iterable<string>;
  /** All or none, durable afterwards. */
  transaction(run: () => void): void;
  compact(): void;
  close(): void;
}

/** WAL with `synchronous = FULL`: the log is synced at every commit. Processes wait for each other. */
const PRAGMAS = ["journal_mode = WAL", "synchronous = FULL", "busy_timeout = 10000"];
const LAST = "\u{10ffff}";

export async function openSqlite(
  folder: string,
  valueType: "BLOB" | "TEXT",
  loadPackage: PackageLoader,
): Promise<SqliteTable> {
  const { default: Libsql } = (await loadPackage("libsql")) as { default: new (path: string) => Database };
  const db = new Libsql(join(folder, "values.sqlite"));
  for (const pragma of PRAGMAS) db.prepare(`PRAGMA ${pragma}`).get();
  db.exec(`CREATE TABLE IF NOT EXISTS entries (name TEXT PRIMARY KEY, value ${valueType}) WITHOUT ROWID`);
  db.exec("CREATE TABLE IF NOT EXISTS tags (tag TEXT, name TEXT, PRIMARY KEY (tag, name)) WITHOUT ROWID");
  return new Table(db);
}

class Table implements SqliteTable {
  readonly #db: Database;
  readonly #put: Statement;
  readonly #tag: Statement;
  readonly #get: Statement;
  readonly #has: Statement;
  readonly #remove: Statement;
  readonly #names: Statement;
  readonly #namesOf: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#put = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
    this.#tag = db.prepare("INSERT OR REPLACE INTO tags VALUES (?, ?)");
    this.#get = db.prepare("SELECT value FROM entries WHERE name = ?");
    this.#has = db.prepare("SELECT 1 FROM entries WHERE name = ?");
    this.#remove = db.prepare("DELETE FROM entries WHERE name = ?");
    this.#names = db.prepare("SELECT name FROM entries WHERE name >= ? AND name < ? ORDER BY name");
    this.#namesOf = db.prepare("SELECT name FROM tags WHERE tag = ? ORDER BY name");
  }

  put(name: string, value: unknown): void {
    this.#put.run(name, value);
  }

  tag(name: string, tag: string): void {
    this.#tag.run(tag, name);
  }

  get(name: string): unknown {
    return (this.#get.get(name) as { value: unknown } | undefined)?.value;
  }

  has(name: string): boolean {
    return this.#has.get(name) !== undefined;
  }

  remove(name: string): boolean {
    return this.#remove.run(name).changes > 0;
  }

  *names(from = "", to = LAST): Generator<string> {
    for (const row of this.#names.iterate(from, to)) yield (row as { name: string }).name;
  }

  *namesOf(tag: string): Generator<string> {
    for (const row of this.#namesOf.iterate(tag)) yield (row as { name: string }).name;
  }

  transaction(run: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      run();
    } catch (error) {
      this.#db.exec("ROLLBACK");
      throw error;
    }
    this.#db.exec("COMMIT");
  }

  compact(): void {
    this.#db.exec("VACUUM");
    this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get();
  }

  close(): void {
    this.#db.close();
  }
}
