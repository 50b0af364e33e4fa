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
  get(name: string): unknown;
  /** Whether it was there. */
  remove(name: string): boolean;
  names(): Iterable<string>;
  /** All or none, durable afterwards. */
  transaction(run: () => void): void;
  close(): void;
}

/** WAL with `synchronous = FULL`: the log is synced at every commit. */
export async function openSqlite(
  folder: string,
  valueType: "BLOB" | "TEXT",
  loadPackage: PackageLoader,
): Promise<SqliteTable> {
  const { default: Libsql } = (await loadPackage("libsql")) as { default: new (path: string) => Database };
  const db = new Libsql(join(folder, "values.sqlite"));
  for (const pragma of ["journal_mode = WAL", "synchronous = FULL"]) db.prepare(`PRAGMA ${pragma}`).get();
  db.exec(`CREATE TABLE IF NOT EXISTS entries (name TEXT PRIMARY KEY, value ${valueType}) WITHOUT ROWID`);
  const put = db.prepare("INSERT OR REPLACE INTO entries VALUES (?, ?)");
  const get = db.prepare("SELECT value FROM entries WHERE name = ?");
  const remove = db.prepare("DELETE FROM entries WHERE name = ?");
  const names = db.prepare("SELECT name FROM entries ORDER BY name");
  return {
    put: (name, value) => void put.run(name, value),
    get: (name) => (get.get(name) as { value: unknown } | undefined)?.value,
    remove: (name) => remove.run(name).changes > 0,
    *names() {
      for (const row of names.iterate()) yield (row as { name: string }).name;
    },
    transaction(run) {
      db.exec("BEGIN IMMEDIATE");
      try {
        run();
      } catch (error) {
        db.exec("ROLLBACK");
        throw error;
      }
      db.exec("COMMIT");
    },
    close: () => void db.close(),
  };
}
