import { existsSync } from "node:fs";
import type { Logger, MetadataStore } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { importDriver } from "./driver-import.ts";
import type { SessionLimits, SqlAccess, SqlDialect } from "./session.ts";
import type { DatabaseUrl } from "./url.ts";
import { parseDatabaseUrl, seconds } from "./url.ts";

/** Opens the metadata database that a URL names. Only what that one needs is loaded. */

export interface OpenMetadataOptions {
  /** The store that it must belong to. A database that belongs to none becomes its own; without it a new one's. */
  storeId?: string;
  readOnly: boolean;
  /** Make the tables where there are none; else that is NOT_FOUND. */
  create: boolean;
  /** Where relative paths of SQLite begin, absolute; default: the current folder. */
  folder?: string;
  logger?: Logger;
  /** Milliseconds that a call waits for the lock of another process. Default 5,000. */
  lockWaitMax?: number;
  /** Milliseconds that it waits for a connection. Default 5,000. */
  connectWaitMax?: number;
  /** Milliseconds that it waits for the answer to one statement. Default 30,000, and never less than for a lock. */
  statementWaitMax?: number;
}

const DRIVERS: Record<DatabaseUrl["kind"], string> = {
  sqlite: "libsql",
  postgresql: "pg",
  mysql: "mysql2",
  mariadb: "mysql2",
};

const LOCK_WAIT_MAX = 5000;
const CONNECT_WAIT_MAX = 5000;
const STATEMENT_WAIT_MAX = 30_000;
/** Timers that are to wait for longer end at once, and databases refuse it. */
const WAIT_MAX = 2 ** 31 - 2;
const LONGER_THAN_LOCK = 1000;

/** @throws CONFIG, MISSING_DRIVER, UNAVAILABLE, UNAUTHORIZED, NOT_FOUND, IO */
export async function openMetadata(url: string, options: OpenMetadataOptions): Promise<MetadataStore> {
  const parsed = parseDatabaseUrl(url, options.folder ?? process.cwd());
  const { storeId, create, readOnly, logger } = options;
  const limits = limitsOf({ ...options, ...connectWaitOf(parsed) });
  await importDriver("kysely", () => import("./query-builder.ts"), [DRIVERS[parsed.kind]]);
  const dialect = await dialectOf(parsed, limits, { create, readOnly });
  const { SqlMetadata } = await import("./sql-metadata.ts");
  return SqlMetadata.open(dialect, limits, { storeId, create, readOnly }, logger);
}

export function limitsOf(options: Partial<SessionLimits>): SessionLimits {
  const lockWaitMax = Math.min(options.lockWaitMax ?? LOCK_WAIT_MAX, WAIT_MAX - LONGER_THAN_LOCK);
  const statementWaitMax = Math.min(options.statementWaitMax ?? STATEMENT_WAIT_MAX, WAIT_MAX);
  return {
    lockWaitMax,
    connectWaitMax: Math.min(options.connectWaitMax ?? CONNECT_WAIT_MAX, WAIT_MAX),
    // The database is to say that it waited for a lock, before nobody listens any more.
    statementWaitMax: Math.max(statementWaitMax, lockWaitMax + LONGER_THAN_LOCK),
  };
}

/** What the URL says goes first: a server that is known to be slow is slow for everybody. */
function connectWaitOf(url: DatabaseUrl): Partial<SessionLimits> {
  if (url.kind === "sqlite") return {};
  const connectWaitMax = seconds(url.query, "connect_timeout");
  return connectWaitMax === undefined ? {} : { connectWaitMax };
}

/** Only for it the driver is loaded. */
export async function dialectOf(
  url: DatabaseUrl,
  limits: SessionLimits,
  access: SqlAccess,
): Promise<SqlDialect> {
  switch (url.kind) {
    case "sqlite": {
      // Opening it would make the file.
      if ((!access.create || access.readOnly) && !existsSync(url.path)) throw noFile(url.path);
      const { sqliteDialect } = await import("./dialects/sqlite.ts");
      return sqliteDialect(url, access);
    }
    case "postgresql": {
      const { postgresqlDialect } = await import("./dialects/postgresql.ts");
      return postgresqlDialect(url, limits);
    }
    default: {
      const { mysqlDialect } = await import("./dialects/mysql.ts");
      return mysqlDialect(url, limits);
    }
  }
}

function noFile(path: string): VarveError {
  return new VarveError("NOT_FOUND", `there is no metadata database ${path}`, {
    hint: "correct the database URL, or open the store with create and without readOnly",
    details: { file: path },
  });
}
