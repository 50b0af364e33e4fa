import { randomBytes } from "node:crypto";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "../helpers/folders.ts";
import { PROGRAMS } from "./programs.ts";
import { type DatabaseName, PASSWORD, Server, type ServiceName, USER } from "./server.ts";

/** The servers that `start.ts` has started, for tests. */

/** The folder that they are in. */
export const RUNNING = "VARVE_TEST_SERVICES_FOLDER";

export function variableOf(name: ServiceName): string {
  return `VARVE_TEST_${name.toUpperCase()}_PORT`;
}

export function portOf(name: ServiceName): number | undefined {
  const port = process.env[variableOf(name)];
  return port ? Number(port) : undefined;
}

/**
 * Whether there is such a server. Where there is none, the suite is skipped, which is said; where it must be there
 * (`VARVE_TEST_SERVICES=required`) that is a failure.
 */
export function hasService(name: ServiceName, suite: string): boolean {
  if (portOf(name) !== undefined) return true;
  if (process.env.VARVE_TEST_SERVICES === "required") throw new Error(`${suite}: there is no ${name}`);
  console.log(`${suite}: skipped: there is no ${name} (test/services/start.ts starts one)`);
  return false;
}

export interface Place {
  scheme: string;
  port: number;
  database: string;
}

export function urlOf({ scheme, port, database }: Place, user = USER, password = PASSWORD): string {
  return `${scheme}://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

/** A statement beside the adapter's own connections. */
export async function ask(
  name: DatabaseName,
  place: Omit<Place, "scheme">,
  sql: string,
): Promise<Record<string, unknown>[]> {
  const options = {
    host: "127.0.0.1",
    port: place.port,
    user: USER,
    password: PASSWORD,
    database: place.database,
  };
  if (name === "postgresql") {
    const { default: pg } = await import("pg");
    const client = new pg.Client(options);
    await client.connect();
    try {
      return (await client.query(sql)).rows;
    } finally {
      await client.end();
    }
  }
  const { createConnection } = await import("mysql2/promise");
  const connection = await createConnection(options);
  try {
    return (await connection.query(sql))[0] as unknown as Record<string, unknown>[];
  } finally {
    await connection.end();
  }
}

const ROOTS = { postgresql: "postgres", mariadb: "mysql" };
const SCHEMES = { postgresql: "postgresql", mariadb: "mariadb" };

export interface Fresh extends Place {
  url: string;
  /** Connections to it, but for the one that asks. */
  connections(): Promise<number>;
  drop(): Promise<void>;
}

/** A new database. @param port of a server of the test's own */
export async function newDatabase(name: DatabaseName, port = portOf(name)!): Promise<Fresh> {
  const database = `t${randomBytes(8).toString("hex")}`;
  const root = { port, database: ROOTS[name] };
  const place = { scheme: SCHEMES[name], port, database };
  await ask(name, root, `create database ${database}`);
  const counting =
    name === "postgresql"
      ? `select count(*) as n from pg_stat_activity where datname = '${database}'`
      : `select count(*) as n from information_schema.processlist where db = '${database}'`;
  return {
    ...place,
    url: urlOf(place),
    connections: async () => Number((await ask(name, root, counting))[0]?.n),
    drop: async () => {
      const force = name === "postgresql" ? " with (force)" : "";
      await ask(name, root, `drop database ${database}${force}`);
    },
  };
}

/** A server that a test may kill. It is to be stopped. */
export function ownServer(name: DatabaseName): Promise<Server> {
  const folder = newFolder("/dev/shm");
  chmodSync(folder, 0o755);
  return Server.start(PROGRAMS[name], join(folder, name));
}
