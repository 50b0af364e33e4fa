/** Checks of this machine: Node.js, and the folder of the store. */

import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
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

export async function checkHome({ home, minFreeSpace = 0 }: StoreOptions): Promise<Finding[]> {
  const found = await stat(home!).catch(() => undefined);
  if (!found) return [warning("home", `there is no folder ${home}`, "`varve init` makes a store")];
  if (!found.isDirectory()) return [failed("home", new Error(`${home} is not a folder`))];
  return [await checkSpace(home!, minFreeSpace), await checkSync(home!)];
}

async function checkSpace(home: string, minFreeSpace: number): Promise<Finding> {
  const { bavail, bsize } = await statfs(home);
  const free = bavail * bsize;
  const text = `${sizeText(free)} free on the disk of ${home}`;
  if (free >= minFreeSpace) return ok("space", text);
  const message = `${text}; saves are refused below ${sizeText(minFreeSpace)} (min_free_space)`;
  return failed("space", Object.assign(new Error(message), { code: "NO_SPACE", hint: "free some space" }));
}

/** A small file, written and synced as a commit is. */
async function checkSync(home: string): Promise<Finding> {
  const path = join(home, `.varve-doctor-${randomBytes(6).toString("hex")}.tmp`);
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile("x".repeat(4096));
      const begun = performance.now();
      await file.datasync();
      const took = performance.now() - begun;
      const text = `a synced write takes ${took.toFixed(1)} ms`;
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
  const sizes = (await readdir(log)).map(async (name) => (await stat(join(log, name))).size);
  const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  if (bytes <= EMPTY_LOG_BYTES) return [];
  return [
    warning(
      "home",
      `${home} has an embedded store too, which is not used while database_url is set`,
      "`varve config set database_url --delete` goes back to it",
    ),
  ];
}
