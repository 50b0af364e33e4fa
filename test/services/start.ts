/**
 * Installs what is missing, starts a server of each kind, and prints where they are, for a shell to take:
 * `eval "$(node --import tsx test/services/start.ts)"`. `stop.ts` ends them.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fastFolder } from "../helpers/folders.ts";
import { PROGRAMS } from "./programs.ts";
import { Server, type ServiceName } from "./server.ts";
import { RUNNING, variableOf } from "./services.ts";

/** Of dpkg-query. */
const VERSION_FORMAT = "$".concat("{Version}");

interface Package {
  package: string;
  version: string;
}

const packages = JSON.parse(readFileSync(join(import.meta.dirname, "packages.json"), "utf8")) as Record<
  ServiceName,
  Package
>;

function installedVersion(name: string): string {
  const { stdout, status } = spawnSync("dpkg-query", ["-W", "-f", VERSION_FORMAT, name], {
    encoding: "utf8",
  });
  return status === 0 ? stdout : "";
}

function install(missing: string[]): void {
  // A cluster of the distribution is neither made nor started.
  const clusters = "/etc/postgresql-common/createcluster.conf";
  if (!existsSync(clusters)) {
    spawnSync("mkdir", ["-p", "/etc/postgresql-common"]);
    writeFileSync(clusters, "create_main_cluster = false\n");
  }
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" };
  const apt = (...args: string[]) => {
    const { status } = spawnSync("apt-get", ["-q", "-y", ...args], { env, stdio: ["ignore", 2, 2] });
    if (status !== 0) throw new Error(`apt-get ${args.join(" ")} ended with ${status}`);
  };
  apt("update");
  apt("-o", "Dpkg::Options::=--force-confold", "install", "--no-install-recommends", ...missing);
}

const wanted = Object.values(packages);
const missing = wanted.filter(({ package: name, version }) => !installedVersion(name).startsWith(version));
if (missing.length > 0) install(missing.map((each) => each.package));

const folder = mkdtempSync(join(fastFolder(), "varve-services-"));
chmodSync(folder, 0o755);
const variables: [string, string][] = [[RUNNING, folder]];
const pids: number[] = [];
for (const program of Object.values(PROGRAMS)) {
  const server = await Server.start(program, join(folder, program.name));
  pids.push(server.pid);
  variables.push([variableOf(program.name), String(server.port)]);
  console.error(`${program.name} ${installedVersion(packages[program.name].package)} on port ${server.port}`);
}
writeFileSync(join(folder, "pids"), pids.join("\n"));
for (const [name, value] of variables) console.log(`export ${name}=${value}`);
