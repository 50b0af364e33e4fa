import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { type DatabaseName, PASSWORD, type ServerProgram, USER } from "./server.ts";

/** How each server is set up. Their disks are not waited for: what is tested are processes that end, not power that fails. */

const POSTGRESQL = "/usr/lib/postgresql/15/bin";

const postgresql: ServerProgram = {
  name: "postgresql",
  user: "postgres",
  stopSignal: "SIGINT",
  initialize(folder) {
    const password = join(folder, "password");
    writeFileSync(password, PASSWORD);
    const options = ["-U", USER, "--auth=scram-sha-256", `--pwfile=${password}`, "-E", "UTF8", "--locale=C"];
    return [[join(POSTGRESQL, "initdb"), "-D", join(folder, "data"), "--no-sync", ...options]];
  },
  command(folder, port) {
    const settings = {
      listen_addresses: "127.0.0.1",
      unix_socket_directories: "",
      max_connections: "200",
      fsync: "off",
      shared_buffers: "64MB",
      log_statement: "none",
    };
    const options = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    return [join(POSTGRESQL, "postgres"), "-D", join(folder, "data"), "-p", `${port}`, ...options];
  },
  // It takes connections before it lets anybody in.
  async isReady(port) {
    const { default: pg } = await import("pg");
    const client = new pg.Client({
      host: "127.0.0.1",
      port,
      user: USER,
      password: PASSWORD,
      database: "postgres",
    });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.end();
      return true;
    } catch {
      return false;
    }
  },
};

const mariadb: ServerProgram = {
  name: "mariadb",
  user: "mysql",
  stopSignal: "SIGTERM",
  initialize(folder) {
    const options = ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"];
    return [["mariadb-install-db", "--no-defaults", `--datadir=${join(folder, "data")}`, ...options]];
  },
  command(folder, port) {
    const first = join(folder, "first.sql");
    const who = `'${USER}'@'%'`;
    const password = PASSWORD.replaceAll("'", "''");
    writeFileSync(
      first,
      `create user if not exists ${who} identified by '${password}';\ngrant all on *.* to ${who};\n`,
    );
    return [
      "/usr/sbin/mariadbd",
      "--no-defaults",
      `--datadir=${join(folder, "data")}`,
      `--init-file=${first}`,
      `--port=${port}`,
      "--bind-address=127.0.0.1",
      `--socket=${join(folder, "socket")}`,
      `--pid-file=${join(folder, "pid")}`,
      "--skip-name-resolve",
      "--max-connections=200",
      "--innodb-buffer-pool-size=64M",
      "--innodb-log-file-size=16M",
      // Into the operating system's memory with each commit: what a killed server needs.
      "--innodb-flush-log-at-trx-commit=2",
      "--innodb-doublewrite=0",
      "--character-set-server=latin1",
    ];
  },
  // It greets.
  isReady: (port) => answers(port),
};

export const PROGRAMS: Record<DatabaseName, ServerProgram> = { postgresql, mariadb };

/** Whether the programs of a server are installed. */
export function isInstalled(name: DatabaseName): boolean {
  if (name === "mariadb") return existsSync("/usr/sbin/mariadbd");
  return existsSync(POSTGRESQL) && readdirSync(POSTGRESQL).includes("initdb");
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const end = (ready: boolean) => {
      socket.destroy();
      resolve(ready);
    };
    socket.setTimeout(1000, () => end(false));
    socket.on("error", () => end(false));
    socket.on("data", () => end(true));
  });
}
