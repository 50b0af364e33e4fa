import type { Client, QueryConfig, QueryResult, Submittable } from "pg";
import { VarveError } from "../../../engine/main.ts";
import { importDriver } from "../driver-import.ts";
import { failure, lost, messageOf, networkFailure, unavailable } from "../failure.ts";
import { PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from "../query-builder.ts";
import type { ColumnKind } from "../schema.ts";
import type { Answer, CopiedRows, RunOptions, Session, SessionLimits, SqlDialect } from "../session.ts";
import { fileOf, type ServerUrl, seconds, wrong } from "../url.ts";
import { arrayOf, arrayType } from "./postgresql-arrays.ts";
import { copyOf, copyRows } from "./postgresql-copy.ts";
import { readFixed, type TextParser } from "./postgresql-read.ts";

/** PostgreSQL, and what speaks its protocol, through pg. Nothing is used that CockroachDB lacks. */

const SESSIONS_MAX = 10;
/** So many statements of a connection are prepared; there is no way to forget one. */
const PREPARED_MAX = 256;
/** A transaction that its client has left alone is ended by the server: others wait for it. */
const IDLE_IN_TRANSACTION_MAX = 10_000;
/** Fewer are not worth a statement for each table. */
const COPIED_ROWS_MIN = 200;
const OIDS: Record<ColumnKind, number> = { bytes: 17, number: 20, small: 21, text: 25 };

export async function postgresqlDialect(url: ServerUrl, limits: SessionLimits): Promise<SqlDialect> {
  const driver = await importDriver("pg", () => import("pg"));
  const given = connectionOptions(url, limits);
  // Sequences, times and sizes are exact as numbers.
  const types = {
    getTypeParser: (oid: number, format?: "text" | "binary") =>
      oid === OIDS.number && format !== "binary"
        ? Number
        : driver.default.types.getTypeParser(oid, format as "text"),
  };
  const parsers = Object.fromEntries(
    Object.entries(OIDS).map(([kind, oid]) => [kind, types.getTypeParser(oid)]),
  ) as Record<ColumnKind, (text: string) => unknown>;
  const copies = { rowsMin: COPIED_ROWS_MIN, encode: copyOf };
  const onNoCopies = () => {
    copies.rowsMin = Number.POSITIVE_INFINITY;
  };
  return {
    name: "postgresql",
    isRemote: true,
    location: url.location,
    sessionsMax: SESSIONS_MAX,
    kysely: {
      createAdapter: () => new PostgresAdapter(),
      createQueryCompiler: () => new PostgresQueryCompiler(),
      createIntrospector: (db) => new PostgresIntrospector(db),
    },
    types: {
      name: sql`text collate "C"`,
      word: () => sql`text collate "C"`,
      bytes: () => "bytea",
      text: sql`text collate "C"`,
    },
    begin: "begin isolation level read committed",
    locksAtBegin: false,
    hasTransactionalTables: true,
    rowsPerInsert: (rows) => ({ count: rows, prepare: true }),
    arrays: { typeOf: arrayType, encode: arrayOf },
    copies,
    upsert: "on conflict",
    bytesQuery:
      "select sum(pg_total_relation_size(quote_ident(tablename)::regclass))::bigint as bytes from pg_tables" +
      " where schemaname = current_schema() and tablename like 'varve\\_%'",
    connect: () => {
      const clientOf = (options: Options) => new driver.default.Client({ ...options, types });
      const parserOf: TextParser = ({ kind }) => parsers[kind];
      const sessionOf = (options: Options) => new PostgresqlSession(clientOf(options), parserOf, onNoCopies);
      return connectAs(given, sessionOf, limits);
    },
    isNoTable: (error) => (error as { code?: unknown } | null)?.code === "42P01",
    explain: (error) => explain(error, url),
  };
}

interface Options {
  connectionString: string;
  connectionTimeoutMillis: number;
  keepAlive: true;
  ssl?: false | { rejectUnauthorized: false };
}

function connectionOptions(url: ServerUrl, limits: SessionLimits): Options {
  const query = new URLSearchParams(url.query);
  const connectionTimeoutMillis = seconds(query, "connect_timeout") ?? limits.connectWaitMax;
  query.delete("connect_timeout");
  if (!query.has("application_name")) query.set("application_name", "varve");
  const isOptional = /^(prefer|allow)$/.test(query.get("sslmode") ?? "");
  if (isOptional) query.delete("sslmode");
  // As libpq does: `require` is to encrypt, `verify-full` also to check with whom.
  if (query.has("sslmode") && !query.has("uselibpqcompat")) query.set("uselibpqcompat", "true");
  // pg reads them itself.
  for (const name of ["sslrootcert", "sslcert", "sslkey"]) fileOf(query, name);
  const user = url.user === undefined ? "" : encodeURIComponent(url.user);
  const password = url.password === undefined ? "" : `:${encodeURIComponent(url.password)}`;
  const host = url.host.includes(":") ? `[${url.host}]` : url.host;
  const database = encodeURIComponent(url.database);
  const at = user || password ? `${user}${password}@` : "";
  const connectionString = `postgresql://${at}${host}:${url.port}/${database}?${query}`;
  const options: Options = { connectionString, connectionTimeoutMillis, keepAlive: true };
  // Encrypted where the server can, which pg itself does not try.
  if (isOptional) options.ssl = { rejectUnauthorized: false };
  return options;
}

async function connectAs(
  options: Options,
  sessionOf: (options: Options) => PostgresqlSession,
  limits: SessionLimits,
): Promise<Session> {
  try {
    return await connect(sessionOf(options), limits);
  } catch (error) {
    if (!options.ssl || !/does not support SSL/.test(messageOf(error))) throw error;
    return connect(sessionOf({ ...options, ssl: false }), limits);
  }
}

async function connect(session: PostgresqlSession, limits: SessionLimits): Promise<Session> {
  const { client } = session;
  try {
    await client.connect();
    const { rows } = await client.query("select current_setting('server_encoding') as encoding");
    if (!/^utf-?8$/i.test(String(rows[0]?.encoding))) throw otherEncoding(String(rows[0]?.encoding));
    await client.query(
      `set statement_timeout = ${Math.ceil(limits.statementWaitMax)};` +
        ` set lock_timeout = ${Math.ceil(limits.lockWaitMax)};` +
        ` set idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MAX};` +
        " set client_encoding = 'UTF8'",
    );
    return session;
  } catch (error) {
    session.destroy();
    throw error;
  }
}

function otherEncoding(encoding: string): VarveError {
  return wrong(`the database keeps texts as ${encoding}`, "create it with the encoding UTF8");
}

/** What pg does not declare. */
interface Ending {
  connection?: { stream?: { destroy(): void } };
}

class PostgresqlSession implements Session {
  readonly client: Client;
  readonly #names = new Map<string, string>();
  readonly #parserOf: TextParser;
  readonly #onNoCopies: () => void;
  isLost = false;

  constructor(client: Client, parserOf: TextParser, onNoCopies: () => void) {
    this.client = client;
    this.#parserOf = parserOf;
    this.#onNoCopies = onNoCopies;
    for (const event of ["error", "end"] as const) {
      client.on(event, () => {
        this.isLost = true;
      });
    }
  }

  async run(text: string, parameters: readonly unknown[], { prepare, columns }: RunOptions): Promise<Answer> {
    const name = prepare ? this.#nameOf(text) : undefined;
    const values = parameters as unknown[];
    if (name && columns) {
      const rows = await readFixed(this.#submit, { name, text, values, columns }, this.#parserOf);
      return { rows, changed: 0 };
    }
    const { rows, rowCount } = await this.#query(name ? { name, text, values } : { text, values });
    return { rows, changed: rowCount ?? 0 };
  }

  /**
   * By a callback: a promise of pg's keeps the rows before it for the collector of young garbage, one query after another, so
   * that they pile up until all of the heap is collected.
   */
  #query(config: QueryConfig): Promise<QueryResult> {
    return new Promise((resolve, reject) => {
      this.client.query(config, (error, result) => (error ? reject(error) : resolve(result)));
    });
  }

  readonly #submit = (query: object) => void this.client.query(query as Submittable);

  async copy(tables: readonly CopiedRows[]): Promise<void> {
    try {
      await copyRows(this.#submit, tables);
    } catch (error) {
      if ((error as { code?: unknown }).code !== NOT_SUPPORTED) throw error;
      this.#onNoCopies();
      throw unavailable("conflict", `rows are not copied there: ${messageOf(error)}`, error);
    }
  }

  #nameOf(text: string): string | undefined {
    const known = this.#names.get(text);
    if (known || this.#names.size >= PREPARED_MAX) return known;
    const name = `varve_${this.#names.size}`;
    this.#names.set(text, name);
    return name;
  }

  async close(): Promise<void> {
    this.isLost = true;
    await this.client.end();
  }

  destroy(): void {
    this.isLost = true;
    (this.client as unknown as Ending).connection?.stream?.destroy();
  }
}

/** Of `copy`: by tables with policies of rows, and by what speaks this protocol and is not PostgreSQL. */
const NOT_SUPPORTED = "0A000";
/** SQLSTATEs: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const CONFLICTS = new Set(["40001", "40P01", "23505"]);
const UNAUTHORIZED = new Set(["28P01", "28000", "42501"]);
/** Of making a connection: too many, starting, shutting down. */
const UNREACHABLE = new Set(["53300", "57P03", "08001", "08004"]);

function explain(error: unknown, { location }: ServerUrl): VarveError {
  if (error instanceof VarveError) return error;
  const state = String((error as { code?: unknown } | null)?.code ?? "");
  const message = messageOf(error);
  if (CONFLICTS.has(state))
    return unavailable("conflict", `two wrote to ${location} at once: ${message}`, error);
  if (state === "55P03")
    return unavailable("lock", `another holds what is to be written in ${location}: ${message}`, error);
  if (state === "57014") return unavailable("late", `${location} took too long: ${message}`, error);
  if (UNREACHABLE.has(state))
    return unavailable("unreachable", `no connection to ${location}: ${message}`, error);
  if (/^(57P0|08|25P0[23]|40003)/.test(state)) return lost(location, error);
  if (UNAUTHORIZED.has(state)) {
    const hint = "see user and password in the database URL, and what that user may do";
    return failure("UNAUTHORIZED", `${location} refuses: ${message}`, hint, error);
  }
  if (state === "3D000" || state === "3F000") {
    const hint = "create it, for example `createdb --encoding UTF8 NAME`, or correct the database URL";
    return failure("CONFIG", `${location}: ${message}`, hint, error);
  }
  if (state === "53100")
    return failure("NO_SPACE", `${location}: ${message}`, "free some space on its disk", error);
  if (state === "25006")
    return failure("READ_ONLY", `${location}: ${message}`, "connect to the server that takes writes", error);
  return networkFailure(error, location) ?? withoutState(error, state, message, location);
}

function withoutState(error: unknown, state: string, message: string, location: string): VarveError {
  if (/timeout expired|timeout exceeded|time(d )?out/i.test(message) && state === "")
    return unavailable("late", `${location} does not answer: ${message}`, error);
  if (/terminated|not queryable|has encountered a connection error|closed/i.test(message) && state === "")
    return lost(location, error);
  if (/password|SASL|SCRAM/.test(message) && state === "") {
    return failure(
      "UNAUTHORIZED",
      `${location} refuses: ${message}`,
      "give user and password in the URL",
      error,
    );
  }
  if (/SSL|certificate|TLS/i.test(message) || /CERT|SSL|TLS/.test(state)) {
    return failure(
      "CONFIG",
      `${location}: ${message}`,
      "see `sslmode` and `sslrootcert` in the database URL",
      error,
    );
  }
  return new VarveError("IO", `failed in ${location}: ${message}`, { cause: error });
}
