/** Checks of this machine: Node.js, and the folder of the store. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { StoreOptions } from "../../engine/main.ts";
import { sizeText } from "../artifact-text.ts";
import type { Finding } from "./finding.ts";
import { failed, ok, warning } from "./finding.ts";

const NODE_MIN = [20, 19] as const;
/** More is a disk that something is wrong with, or one that others keep busy. */
const SYNC_MILLISECONDS_MAX = 200;

export function checkNode(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const isOld = major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1]);
  if (!isOld) return ok("node", `Node.js ${version}`);
  return warning("node", `Node.js ${version} is not tried`, `use ${NODE_MIN.join(".")} or newer`);
}

export async function checkHome(config: StoreOptions): Promise<Finding[]> {
  const { home, databaseUrl, artifactStorageDir } = config;
  const found = await stat(home!).catch(() => undefined);
  if (found && !found.isDirectory()) return [failed("home", new Error(`${home} is not a folder`))];
  const values = folderOf(artifactStorageDir);
  // With both in other places there is only the configuration in it.
  const isUsed = databaseUrl === undefined || artifactStorageDir === undefined;
  const folders = [...(found && isUsed ? [home!] : []), ...(values && existsSync(values) ? [values] : [])];
  const findings = found ? [] : [warning("home", `there is no folder ${home}`, "`varve init` makes a store")];
  // One after the other: they may be on one disk.
  for (const folder of folders) findings.push(...(await checkFolder(folder, config)));
  return findings;
}

/** Undefined for what is no folder of this machine: opening the store says so. */
function folderOf(location: string | undefined): string | undefined {
  if (location === undefined || !/^[a-z][a-z0-9+.-]+:/i.test(location)) return location;
  try {
    return fileURLToPath(location);
  } catch {
    return undefined;
  }
}

async function checkFolder(folder: string, { minFreeSpace = 0 }: StoreOptions): Promise<Finding[]> {
  return [await checkSpace(folder, minFreeSpace), await checkSync(folder)];
}

async function checkSpace(folder: string, minFreeSpace: number): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(folder);
    const free = bavail * bsize;
    const text = `${sizeText(free)} free on the disk of ${folder}`;
    if (free >= minFreeSpace) return ok("space", text);
    const message = `${text}; saves are refused below ${sizeText(minFreeSpace)} (min_free_space)`;
    return failed("space", Object.assign(new Error(message), { code: "NO_SPACE", hint: "free some space" }));
  } catch (error) {
    return failed("space", error);
  }
}

/** A small file, written and synced as a commit is. */
async function checkSync(folder: string): Promise<Finding> {
  const path = join(folder, `.varve-doctor-${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile("x".repeat(4096));
      const begun = performance.now();
      await file.datasync();
      const took = performance.now() - begun;
      const text = `a synced write to ${folder} takes ${took.toFixed(1)} ms`;
      if (took <= SYNC_MILLISECONDS_MAX) return ok("disk", text);
      return warning("disk", text, "each save waits for the disk: is it a slow one, or busy?");
    } finally {
      await file.close();
      await rm(path, { force: true });
    }
  } catch (error) {
    return failed("disk", error);
  }
}

/** A log that nothing was saved to is hardly more than a header. */
const EMPTY_LOG_BYTES = 256;

/** A database takes the place of what the home had before, which is easily missed. */
export async function checkUnused({ home, databaseUrl }: StoreOptions): Promise<Finding[]> {
  const log = join(home!, "log");
  if (databaseUrl === undefined || !existsSync(log)) return [];
  const bytes = await bytesIn(log).catch(failedHome);
  if (typeof bytes !== "number") return [bytes];
  if (bytes <= EMPTY_LOG_BYTES) return [];
  return [
    warning(
      "home",
      `${home} has an embedded store too, which is not used while database_url is set`,
      "`varve config set database_url --delete` goes back to it",
    ),
  ];
}

async function bytesIn(folder: string): Promise<number> {
  const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function failedHome(error: unknown): Finding {
  return failed("home", error);
}
