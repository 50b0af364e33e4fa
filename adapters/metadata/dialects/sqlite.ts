import type Database from "libsql";
import { VarveError } from "../../../engine/main.ts";
import { importDriver } from "../driver-import.ts";
import { failure, messageOf, unavailable } from "../failure.ts";
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from "../query-builder.ts";
import type { Answer, RunOptions, Session, SqlAccess, SqlDialect } from "../session.ts";
import type { SqliteUrl } from "../url.ts";

/** SQLite through libsql: in this process and synchronous, a page of rows or a transaction's statement at a time. */

const STATEMENTS_MAX = 64;
const SESSIONS_MAX = 4;
const BEGIN = "begin immediate";

export async function sqliteDialect({ path }: SqliteUrl, access: SqlAccess): Promise<SqlDialect> {
  const driver = await importDriver("libsql", () => import("libsql"));
  return {
    name: "sqlite",
    isRemote: false,
    location: `sqlite:///${path}`,
    sessionsMax: SESSIONS_MAX,
    kysely: {
      createAdapter: () => new SqliteAdapter(),
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
    types: { name: "text", word: () => "text", bytes: () => "blob", text: "text" },
    begin: BEGIN,
    locksAtBegin: true,
    hasTransactionalTables: true,
    rowsPerInsert: (rows) => ({
      count: 4 ** Math.min(4, Math.floor(Math.log(rows) / Math.log(4))),
      prepare: true,
    }),
    upsert: "on conflict",
    bytesQuery: "select page_count * page_size as bytes from pragma_page_count, pragma_page_size",
    connect: async () => new SqliteSession(new driver.default(path), access),
    isNoTable: (error) => /no such table/.test(messageOf(error)),
    explain: (error) => explain(error, path),
  };
}

class SqliteSession implements Session {
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  isLost = false;

  constructor(database: Database.Database, { create, readOnly }: SqlAccess) {
    this.#database = database;
    try {
      // Readers and a writer do not wait for each other. It stands in the file, which is not changed where it is not to be ours.
      if (!readOnly && (create || hasOurTables(database)))
        database.prepare("pragma journal_mode = wal").all([]);
      // What is committed is on the disk.
      database.prepare("pragma synchronous = full").run([]);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  async run(sql: string, parameters: readonly unknown[], { prepare }: RunOptions): Promise<Answer> {
    try {
      if (!prepare && parameters.length === 0) return this.#runOnce(sql);
      const statement = this.#statement(sql);
      if (statement.reader) return { rows: this.#rows(statement, parameters), changed: 0 };
      return { rows: [], changed: statement.run(parameters.map(given)).changes };
    } catch (error) {
      // A prepared statement that failed is not reset: it goes on to hold what it saw, and so does all that this connection reads.
      if (!(isBusy(error) && sql === BEGIN)) this.destroy();
      throw error;
    }
  }

  /** Begins and ends transactions. Nothing is left of the statement, also where it found the database locked. */
  #runOnce(sql: string): Answer {
    this.#database.exec(sql);
    return { rows: [], changed: 0 };
  }

  #rows(statement: Database.Statement, parameters: readonly unknown[]): unknown[] {
    const rows = statement.all(parameters.map(given)) as Record<string, unknown>[];
    for (const row of rows)
      for (const name in row) {
        const value = row[name];
        if (value instanceof ArrayBuffer) row[name] = Buffer.from(value);
      }
    return rows;
  }

  #statement(sql: string): Database.Statement {
    const known = this.#statements.get(sql);
    if (known) return known;
    const made = this.#database.prepare(sql);
    if (this.#statements.size >= STATEMENTS_MAX) {
      for (const oldest of this.#statements.keys()) {
        this.#statements.delete(oldest);
        break;
      }
    }
    this.#statements.set(sql, made);
    return made;
  }

  async close(): Promise<void> {
    this.destroy();
  }

  destroy(): void {
    if (this.isLost) return;
    this.isLost = true;
    this.#statements.clear();
    endTransaction(this.#database);
    this.#database.close();
  }
}

/** Statements that are not collected yet keep what was closed open, with the lock on it. */
function endTransaction(database: Database.Database): void {
  try {
    database.exec("rollback");
  } catch {
    // There is none.
  }
}

function hasOurTables(database: Database.Database): boolean {
  return database.prepare("select 1 from sqlite_master where name = 'varve_meta'").all([]).length > 0;
}

function given(value: unknown): unknown {
  return value === undefined ? null : value;
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "";
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error)) || /database is locked/.test(messageOf(error));
}

function explain(error: unknown, path: string): VarveError {
  if (error instanceof VarveError) return error;
  const message = messageOf(error);
  const code = codeOf(error);
  if (code === "SQLITE_BUSY_SNAPSHOT" || /^SQLITE_CONSTRAINT/.test(code))
    return unavailable("conflict", `two wrote to ${path} at once: ${message}`, error);
  if (isBusy(error)) return unavailable("lock", `${path} is locked by another process`, error);
  if (/^SQLITE_FULL/.test(code))
    return failure(
      "NO_SPACE",
      `no space left for ${path}`,
      "free some space on the disk and try again",
      error,
    );
  if (/^SQLITE_(CORRUPT|NOTADB)/.test(code) || /not a database|malformed/.test(message)) {
    const hint = "give the path of a metadata database of Varve, or put it back from a copy";
    return failure("CORRUPTION", `${path} is no sound SQLite database: ${message}`, hint, error);
  }
  if (/^SQLITE_READONLY/.test(code))
    return failure(
      "READ_ONLY",
      `${path} can't be written to`,
      "let this user write the file and its folder",
      error,
    );
  if (/^SQLITE_CANTOPEN/.test(code) || /Unable to open connection/.test(message)) {
    const hint = "see that its folder is there, and that this user may read and write both";
    return failure("IO", `${path} can't be opened: ${message}`, hint, error);
  }
  return new VarveError("IO", `failed in ${path}: ${message}`, { cause: error });
}
