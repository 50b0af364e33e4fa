import { isIP } from "node:net";
import type {
  Connection,
  ConnectionOptions,
  FieldPacket,
  ResultSetHeader,
  RowDataPacket,
} from "mysql2/promise";
import { VarveError } from "../../../engine/main.ts";
import { importDriver } from "../driver-import.ts";
import { failure, lost, messageOf, networkFailure, unavailable } from "../failure.ts";
import { MysqlAdapter, MysqlIntrospector, MysqlQueryCompiler, sql } from "../query-builder.ts";
import type { Answer, RunOptions, Session, SessionLimits, SqlDialect } from "../session.ts";
import { type ServerUrl, seconds, wrong } from "../url.ts";
import { tlsOptions } from "./mysql-tls.ts";

/** MySQL from 8.0 and MariaDB from 10.8 on, through mysql2. */

const SESSIONS_MAX = 10;
const PREPARED_MAX = 256;
/** Seconds after which a connection that its client has left alone is ended by the server: in a transaction, others wait for it. */
const IDLE_MAX = 60;
const IDLE_IN_TRANSACTION_MAX = 10;

export async function mysqlDialect(url: ServerUrl, limits: SessionLimits): Promise<SqlDialect> {
  const driver = await importDriver("mysql2", () => import("mysql2/promise"));
  const options = connectionOptions(url, limits);
  return {
    name: url.kind,
    isRemote: true,
    location: url.location,
    sessionsMax: SESSIONS_MAX,
    kysely: {
      createAdapter: () => new MysqlAdapter(),
      createQueryCompiler: () => new MysqlQueryCompiler(),
      createIntrospector: (db) => new MysqlIntrospector(db),
    },
    types: {
      // Bytes: every collation of texts that both have takes "a" and "a " for the same.
      name: sql`varbinary(512)`,
      word: (length) => sql.raw(`varchar(${length}) character set ascii collate ascii_bin`),
      bytes: (length) => sql.raw(`varbinary(${length})`),
      text: sql`longtext character set utf8mb4 collate utf8mb4_bin`,
    },
    begin: "start transaction",
    locksAtBegin: false,
    hasTransactionalTables: false,
    // Few lengths, so that each is prepared once: preparing takes a round trip of its own.
    rowsPerInsert: (rows) => ({ count: 4 ** Math.min(4, Math.floor(Math.log2(rows) / 2)), prepare: true }),
    upsert: "on duplicate key",
    bytesQuery:
      "select sum(data_length + index_length) as bytes from information_schema.tables" +
      " where table_schema = database() and table_name like 'varve\\_%'",
    connect: () => connect(driver.createConnection, options, limits),
    isNoTable: (error) => (error as { errno?: unknown } | null)?.errno === ER_NO_SUCH_TABLE,
    explain: (error) => explain(error, url),
  };
}

const TAKEN = ["ssl", "ssl_mode", "ssl-mode", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert"];
const KNOWN = [...TAKEN, "ssl_verify_identity", "unix_socket", "socket", "connect_timeout", "charset"];

function connectionOptions({ query, ...url }: ServerUrl, limits: SessionLimits): ConnectionOptions {
  for (const name of query.keys())
    if (!KNOWN.includes(name))
      throw wrong(`the database URL has no parameter ${name}`, `there are ${KNOWN.join(", ")}`);
  const socketPath = query.get("unix_socket") ?? query.get("socket");
  const ssl = tlsOptions(query);
  if (ssl?.verifyIdentity && !socketPath && isIP(url.host)) throw noName();
  return {
    ...(socketPath ? { socketPath } : { host: url.host, port: url.port }),
    ...(url.user !== undefined && { user: url.user }),
    ...(url.password !== undefined && { password: url.password }),
    database: url.database,
    connectTimeout: seconds(query, "connect_timeout") ?? limits.connectWaitMax,
    maxPreparedStatements: PREPARED_MAX,
    charset: "utf8mb4",
    multipleStatements: false,
    ...(ssl && { ssl }),
  };
}

/** The driver would take a certificate for `localhost` then, whatever the address. */
function noName(): VarveError {
  return wrong(
    "the identity of a server is checked by its name, and the database URL has an address",
    "give the name that is in the certificate as the host, or ssl_mode=VERIFY_CA",
  );
}

async function connect(
  create: (options: ConnectionOptions) => Promise<Connection>,
  options: ConnectionOptions,
  limits: SessionLimits,
): Promise<Session> {
  const connection = await create(options);
  const session = new MysqlSession(connection);
  try {
    const [rows] = await connection.query<RowDataPacket[]>("select @@max_allowed_packet as bytes");
    session.bytesMax = Number(rows[0]?.bytes);
    const lockSeconds = Math.max(1, Math.ceil(limits.lockWaitMax / 1000));
    await connection.query(
      `set session sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', innodb_lock_wait_timeout = ${lockSeconds},` +
        ` lock_wait_timeout = ${lockSeconds}, wait_timeout = ${IDLE_MAX}`,
    );
    await connection.query("set session transaction isolation level read committed");
    await setIfKnown(connection, `idle_transaction_timeout = ${IDLE_IN_TRANSACTION_MAX}`);
    return session;
  } catch (error) {
    session.destroy();
    throw error;
  }
}

const ER_NO_SUCH_TABLE = 1146;
const ER_UNKNOWN_SYSTEM_VARIABLE = 1193;

/** MariaDB knows it, and MySQL does not. */
async function setIfKnown(connection: Connection, setting: string): Promise<void> {
  try {
    await connection.query(`set session ${setting}`);
  } catch (error) {
    if ((error as { errno?: number }).errno !== ER_UNKNOWN_SYSTEM_VARIABLE) throw error;
  }
}

/** Texts that are kept as bytes. */
const NAMES = new Set(["name", "input_name"]);

class MysqlSession implements Session {
  readonly #connection: Connection;
  /** Of one statement. The server would end the connection in the middle of a longer one, and say nothing. */
  bytesMax = Number.POSITIVE_INFINITY;
  isLost = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    for (const event of ["error", "end"] as const) {
      connection.on(event, () => {
        this.isLost = true;
      });
    }
  }

  async run(text: string, parameters: readonly unknown[], { prepare }: RunOptions): Promise<Answer> {
    // What has no parameters is begin, commit, and what makes tables.
    const isPrepared = prepare || parameters.length > 0;
    const values = parameters.map(given);
    if (bytesOf(values) > this.bytesMax) throw tooLong(this.bytesMax);
    const [result, fields] = isPrepared
      ? await this.#connection.execute<RowDataPacket[] | ResultSetHeader>(text, values)
      : await this.#connection.query<RowDataPacket[] | ResultSetHeader>(text);
    if (!Array.isArray(result)) return { rows: [], changed: result.affectedRows };
    return { rows: withTexts(result, fields), changed: 0 };
  }

  async close(): Promise<void> {
    this.isLost = true;
    await this.#connection.end();
  }

  destroy(): void {
    this.isLost = true;
    this.#connection.destroy();
  }
}

/** About what they take, never less. */
function bytesOf(values: readonly (string | number | Buffer | null)[]): number {
  let bytes = 0;
  for (const value of values)
    bytes +=
      16 + (typeof value === "string" ? Buffer.byteLength(value) : Buffer.isBuffer(value) ? value.length : 0);
  return bytes;
}

function tooLong(bytesMax: number): VarveError {
  const hint = "raise `max_allowed_packet` of the server, or save less metadata with a version";
  return failure("NOT_SUPPORTED", `the server takes at most ${bytesMax} bytes at once`, hint);
}

function given(value: unknown): string | number | Buffer | null {
  if (value === undefined || value === null) return null;
  return value instanceof Uint8Array && !Buffer.isBuffer(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.length)
    : (value as string | number | Buffer);
}

function withTexts(rows: RowDataPacket[], fields: FieldPacket[]): unknown[] {
  const names = fields.map(({ name }) => name).filter((name) => NAMES.has(name));
  if (names.length > 0)
    for (const row of rows)
      for (const name of names) if (Buffer.isBuffer(row[name])) row[name] = row[name].toString("utf8");
  return rows;
}

/** Deadlock, duplicate entry, changed since it was read (MariaDB), and by a cluster. */
const CONFLICTS = new Set([1213, 1062, 1020, 1614, 3101]);
const UNAUTHORIZED = new Set([1044, 1045, 1142, 1143, 1227, 1698, 1820, 4151]);
const LATE = new Set([3024, 1969, 1317]);
/** Too many connections, those of a host, of a user. */
const UNREACHABLE = new Set([1040, 1129, 1203, 1226]);
/** Shut down, connection killed, gone. */
const LOST = new Set([1053, 1152, 1158, 1159, 1160, 1161, 1184, 1927, 2006, 2013, 4031]);

function explain(error: unknown, { location }: ServerUrl): VarveError {
  if (error instanceof VarveError) return error;
  const { errno = 0, code, fatal } = (error ?? {}) as { errno?: number; code?: string; fatal?: boolean };
  const message = messageOf(error);
  if (CONFLICTS.has(errno))
    return unavailable("conflict", `two wrote to ${location} at once: ${message}`, error);
  if (errno === 1205) return unavailable("lock", `another holds what is to be written in ${location}`, error);
  if (LATE.has(errno)) return unavailable("late", `${location} took too long: ${message}`, error);
  if (UNREACHABLE.has(errno))
    return unavailable("unreachable", `no connection to ${location}: ${message}`, error);
  if (LOST.has(errno) || code === "PROTOCOL_CONNECTION_LOST") return lost(location, error);
  if (UNAUTHORIZED.has(errno)) {
    const hint = "see user and password in the database URL, and what that user may do";
    return failure("UNAUTHORIZED", `${location} refuses: ${message}`, hint, error);
  }
  if (errno === 1049) {
    const hint = "create it with `create database NAME`, or correct the database URL";
    return failure("CONFIG", `${location}: ${message}`, hint, error);
  }
  if (errno === 1021 || errno === 1114)
    return failure("NO_SPACE", `${location}: ${message}`, "free some space on its disk", error);
  if (errno === 1290 || errno === 1792 || errno === 1836)
    return failure("READ_ONLY", `${location}: ${message}`, "connect to the server that takes writes", error);
  return networkFailure(error, location) ?? withoutNumber(error, { code, fatal, message, location });
}

function withoutNumber(
  error: unknown,
  {
    code,
    fatal,
    message,
    location,
  }: { code: string | undefined; fatal: boolean | undefined; message: string; location: string },
): VarveError {
  if (/HANDSHAKE_(SSL|NO_SSL)|CERT|SSL|TLS/.test(code ?? ""))
    return failure(
      "CONFIG",
      `${location}: ${message}`,
      "see `ssl_mode` and `ssl_ca` in the database URL",
      error,
    );
  if (/closed state|closed connection|is closed|timeout/i.test(message) || fatal)
    return lost(location, error);
  return new VarveError("IO", `failed in ${location}: ${message}`, { cause: error });
}
