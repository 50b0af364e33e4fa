/**
 * Installs what is missing, starts a server of each kind, and prints where they are, for a shell to take:
 * `eval "$(node --import tsx test/services/start.ts)"`. `stop.ts` ends them.
 */
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fastFolder } from "../helpers/folders.ts";
import { mlflowProgram } from "./mlflow.ts";
import { PROGRAMS } from "./programs.ts";
import { installPython, missingForPython, PYTHON } from "./python.ts";
import { type DatabaseName, Server } from "./server.ts";
import { RUNNING, variableOf } from "./services.ts";

/** Of dpkg-query. */
const VERSION_FORMAT = "$".concat("{Version}");

interface Package {
  package: string;
  version: string;
}

const packages = JSON.parse(readFileSync(join(import.meta.dirname, "packages.json"), "utf8")) as Record<
  DatabaseName,
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
const missing = wanted
  .filter(({ package: name, version }) => !installedVersion(name).startsWith(version))
  .map((each) => each.package);
const needed = [...missing, ...missingForPython()];
if (needed.length > 0) install(needed);
process.env[PYTHON] = installPython();

const folder = mkdtempSync(join(fastFolder(), "varve-services-"));
chmodSync(folder, 0o755);
const programs = [...Object.values(PROGRAMS), mlflowProgram()];
const started = await Promise.allSettled(
  programs.map((program) => Server.start(program, join(folder, program.name))),
);
const servers = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
for (const { program, port } of servers) console.error(`${program.name} on port ${port}`);
const failed = started.find((each) => each.status === "rejected");
if (failed) {
  for (const server of servers) server.signal("SIGKILL");
  throw failed.reason;
}
writeFileSync(join(folder, "pids"), servers.map(({ pid }) => pid).join("\n"));
const variables: [string, string][] = [
  [RUNNING, folder],
  [PYTHON, process.env[PYTHON]],
  ...servers.map(({ program, port }): [string, string] => [variableOf(program.name), String(port)]),
];
for (const [name, value] of variables) console.log(`export ${name}=${value}`);
