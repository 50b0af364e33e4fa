/** The databases that are measured: servers of the tests, but durable, and with memory enough for what is in them. */

import { randomBytes } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isInstalled, PROGRAMS } from "../../test/services/programs.ts";
import { type DatabaseName, Server, type ServerProgram } from "../../test/services/server.ts";
import { newDatabase } from "../../test/services/services.ts";
import type { DatabaseKind } from "./figures.ts";

const DURABLE: Record<DatabaseName, string[]> = {
  postgresql: ["-c", "fsync=on", "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB"],
  mariadb: [
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=1",
    "--innodb-buffer-pool-size=512M",
    "--innodb-log-file-size=512M",
  ],
};

function durable(name: DatabaseName): ServerProgram {
  const program = PROGRAMS[name];
  return { ...program, command: (folder, port) => [...program.command(folder, port), ...DURABLE[name]] };
}

export interface Databases {
  kind: DatabaseKind;
  /** The URL of a new one. */
  fresh(): Promise<{ url: string; drop(): Promise<void> }>;
  stop(): Promise<void>;
}

/** Undefined where it is not installed: `test/services/start.ts` installs it. */
export async function databasesOf(kind: DatabaseKind, folder: string): Promise<Databases | undefined> {
  if (kind === "sqlite") return files(folder);
  if (!isInstalled(kind)) return undefined;
  // Servers are another user, who has to get there.
  await chmod(folder, 0o755);
  const server = await Server.start(durable(kind), join(folder, kind));
  return { kind, fresh: () => newDatabase(kind, server.port), stop: () => stopped(server) };
}

/** Nothing else keeps this process from ending before its servers have. */
async function stopped(server: Server): Promise<void> {
  const alive = setInterval(() => {}, 1_000);
  await server.stop();
  clearInterval(alive);
}

async function files(parent: string): Promise<Databases> {
  const folder = join(parent, "sqlite");
  await mkdir(folder);
  const fresh = async () => {
    const path = join(folder, `${randomBytes(8).toString("hex")}.db`);
    const drop = async () => {
      for (const end of ["", "-wal", "-shm"]) await rm(`${path}${end}`, { force: true });
    };
    return { url: `sqlite:///${path}`, drop };
  };
  return { kind: "sqlite", fresh, stop: () => rm(folder, { recursive: true, force: true }) };
}
