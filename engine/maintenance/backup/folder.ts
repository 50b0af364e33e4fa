import { existsSync, readdirSync, realpathSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { isCorruption, VarveError } from "../../errors.ts";
import { currentBootId } from "../../index/boot.ts";
import { usersBelow } from "../../index/gate-wait.ts";
import type { FileSystem } from "../../log/file.ts";
import type { LogIdentity } from "../../log/segment.ts";
import { listAll, readHeaderOf } from "../../log/segment.ts";
import { logFolder } from "../home.ts";
import { isTemporary } from "./claim.ts";

/** Whether a folder may be a store's backup, and what of it is not a backup's. */

/** What a file system has at its root. */
const NOBODYS = new Set(["lost+found"]);

/**
 * @param home its real path
 * @throws INVALID_ARGUMENT for the home itself, what lies in it, and for a folder that holds something else
 */
export function checkPlace(files: FileSystem, home: string, folder: string): void {
  const real = realOf(folder);
  const log = logFolder(folder);
  const isWithin = (path: string, other: string) => path === other || path.startsWith(`${other}${sep}`);
  if (isWithin(real, home) || isWithin(realOf(log), realOf(logFolder(home)))) {
    throw new VarveError("INVALID_ARGUMENT", `${folder} lies in the store itself`, {
      hint: "choose a folder outside of it, best on another disk",
    });
  }
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found && !found.isDirectory()) {
    throw new VarveError("INVALID_ARGUMENT", `${folder} is not a folder`, {
      hint: "choose a folder for the backup",
    });
  }
  if (!isBackupOrEmpty(files, folder)) {
    throw new VarveError("INVALID_ARGUMENT", `${folder} is not empty, and is no backup`, {
      hint: "choose a folder that is empty or not there yet, or that of an earlier backup",
    });
  }
}

function isBackupOrEmpty(files: FileSystem, folder: string): boolean {
  const log = logFolder(folder);
  const others = existsSync(folder) ? readdirSync(folder).filter((name) => !NOBODYS.has(name)) : [];
  if (!files.exists(log)) return others.length === 0;
  if (listAll(files, log).length > 0) return true;
  // As one leaves it that was ended before it had anything.
  const isBegun = files.list(log).every(isTemporary);
  return isBegun && others.every((name) => name === "log" || /^config\.json(\.|$)/.test(name));
}

/** The real path of what may not be there yet. */
function realOf(path: string): string {
  const there = nearestThere(path);
  return join(realpathSync(there), relative(there, path));
}

/** The folder itself, or the nearest above it that is there. */
export function nearestThere(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestThere(dirname(path));
}

/**
 * @param log the log of a backup
 * @throws CONFLICT for that of another store, CORRUPTION where nothing tells whose it is
 */
export function checkOwner(files: FileSystem, log: string, { storeId }: LogIdentity): void {
  const ids = listAll(files, log);
  for (const id of ids) {
    try {
      if (readHeaderOf(files, log, id).storeId === storeId) return;
    } catch (error) {
      if (!isCorruption(error)) throw error;
      continue;
    }
    throw new VarveError("CONFLICT", `${dirname(log)} is another store, or the backup of one`, {
      hint: "choose a folder of its own for each store's backup",
      details: { folder: dirname(log) },
    });
  }
  if (ids.length === 0) return;
  throw new VarveError(
    "CORRUPTION",
    `no segment in ${log} has a readable header, so nothing tells whose they are`,
    {
      hint: "choose another folder for the backup",
      details: { folder: dirname(log) },
    },
  );
}

/**
 * What a backup has that was opened as a store. Its locks and index know the log as it was, and are made again.
 * @throws CONFLICT while a process has it open
 */
export function removeTracesOfUse(folder: string): void {
  const locks = join(folder, "lock");
  if (existsSync(locks)) {
    const ofThisBoot = readdirSync(locks).filter((name) => name.startsWith(`${currentBootId()}-`));
    const [pid] = ofThisBoot.flatMap((name) => usersBelow(join(locks, name)));
    if (pid !== undefined) {
      throw new VarveError("CONFLICT", `process ${pid} has the backup in ${folder} open as a store`, {
        hint: "close it there, or back up to another folder; to read it meanwhile, open it with `readOnly`",
      });
    }
  }
  for (const name of readdirSync(folder))
    if (name === "lock" || /^index-\d+$/.test(name))
      rmSync(join(folder, name), { recursive: true, force: true });
}

/** Makes the folders of a backup, on the disk, for its owner only. */
export function makeBackupFolder(files: FileSystem, folder: string): void {
  const missing: string[] = [];
  for (let path = folder; !existsSync(path); path = dirname(path)) missing.push(path);
  files.makeFolder(logFolder(folder));
  for (const path of [folder, ...missing.slice(0, -1).map(dirname)]) files.syncFolder(path);
  const above = dirname(missing.at(-1) ?? folder);
  try {
    if (missing.length > 0) files.syncFolder(above);
  } catch (error) {
    // A folder that was there before may not be ours to read, and then not to sync either.
    if (!["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
