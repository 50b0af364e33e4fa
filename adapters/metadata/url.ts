import { readFileSync } from "node:fs";
import { isAbsolute, resolve } from "node:path";
import { VarveError } from "../../engine/main.ts";

/** A database URL, taken apart. Errors name what is wrong, and never repeat the URL: it may hold a password. */

export type DatabaseUrl = SqliteUrl | ServerUrl;

export interface SqliteUrl {
  kind: "sqlite";
  /** Absolute. */
  path: string;
}

export interface ServerUrl {
  kind: "postgresql" | "mysql" | "mariadb";
  host: string;
  port: number;
  user: string | undefined;
  password: string | undefined;
  database: string;
  query: URLSearchParams;
  /** Without credentials. */
  location: string;
}

const SCHEMES = ["sqlite", "postgresql", "postgres", "mysql", "mariadb"];
const PORTS = { postgresql: 5432, mysql: 3306, mariadb: 3306 };

/**
 * @param folder where relative paths of files begin: absolute
 * @throws CONFIG
 */
export function parseDatabaseUrl(url: string, folder: string): DatabaseUrl {
  const scheme = /^([a-z][a-z0-9.-]*)(\+[a-z0-9_.-]+)?:\/\//i.exec(url);
  const name = (scheme?.[1] ?? "").toLowerCase();
  if (!scheme || !SCHEMES.includes(name)) {
    throw wrong(
      name === "" ? "the database URL has no scheme" : `there is no metadata database ${name}://`,
      `there are ${SCHEMES.map((each) => `${each}://`).join(", ")}`,
    );
  }
  const rest = url.slice(scheme[0].length);
  if (name === "sqlite") return sqliteUrl(rest, folder);
  return serverUrl(name === "postgres" ? "postgresql" : (name as ServerUrl["kind"]), rest);
}

function sqliteUrl(rest: string, folder: string): SqliteUrl {
  const [path = "", query] = rest.split(/\?(.*)/s, 2);
  const hint = "sqlite:///relative.db or sqlite:////absolute.db";
  if (query) throw wrong("a sqlite URL takes no parameters", hint);
  if (!path.startsWith("/") || path.length < 2 || path.includes("\0")) {
    throw wrong("a sqlite URL has three slashes, and the path of a file behind them", hint);
  }
  const file = path.slice(1);
  if (file === ":memory:") throw wrong("a database in memory is lost, and can't be shared", hint);
  return { kind: "sqlite", path: isAbsolute(file) ? file : resolve(folder, file) };
}

function serverUrl(kind: ServerUrl["kind"], rest: string): ServerUrl {
  let parsed: URL;
  let parts: (string | undefined)[];
  const isNone = () =>
    wrong(
      `the database URL is no ${kind}:// URL`,
      `${kind}://user:password@host:port/database; escape what is special in a password, such as @ (%40), / (%2F) or % (%25)`,
    );
  try {
    // A scheme that URL knows to have hosts: of others it takes less apart. No host: one is in the query, or the local one.
    const behindUser = rest.slice(rest.split(/[/?#]/, 1)[0]!.lastIndexOf("@") + 1);
    const hasHost = !/^([/?]|$)/.test(behindUser);
    const text = hasHost ? rest : `${rest.slice(0, rest.length - behindUser.length)}localhost${behindUser}`;
    parsed = new URL(`http://${text}`);
    parts = [parsed.username, parsed.password, parsed.pathname.slice(1)].map(decodeURIComponent);
  } catch {
    throw isNone();
  }
  if (isCutInPassword(parsed)) throw isNone();
  const [user, password, database] = parts;
  if (!database) throw wrong("the database URL names no database", `${kind}://user:password@host/database`);
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  // A scheme of http has a port of its own, which URL leaves out.
  const port = parsed.port === "" ? (/:80([/?#]|$)/.test(rest) ? 80 : PORTS[kind]) : Number(parsed.port);
  const location = `${kind}://${parsed.hostname}:${port}/${database}`;
  const query = parsed.searchParams;
  return {
    kind,
    host,
    port,
    user: user || undefined,
    password: password || undefined,
    database,
    query,
    location,
  };
}

/** Whether what stands behind the host looks like the rest of a password, which is to be told to nobody. */
function isCutInPassword({ pathname, hash, searchParams }: URL): boolean {
  return (
    /[/@]/.test(pathname.slice(1)) ||
    hash !== "" ||
    [...searchParams.keys()].some((name) => name.includes("@"))
  );
}

export function wrong(message: string, hint: string): VarveError {
  return new VarveError("CONFIG", message, { hint });
}

/** Seconds in the query, as milliseconds. */
export function seconds(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const value = Number(text);
  if (text !== "" && value > 0 && value < 1e6) return value * 1000;
  throw wrong(`${name} in the database URL must be a number of seconds`, `for example ${name}=10`);
}

/** Of a file that the query names: one that can't be read is no database that does not answer. */
export function fileOf(query: URLSearchParams, name: string): Buffer | undefined {
  const path = query.get(name);
  if (path === null) return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    throw new VarveError("CONFIG", `the file of ${name} in the database URL can't be read`, {
      hint: `give the path of a file that is there as ${name}`,
      cause: error,
    });
  }
}
