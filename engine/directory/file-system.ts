import { existsSync, mkdirSync, rmdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";

/** What a file system makes of names. */

/** Types of statfs(2) that are kept by this machine alone: ext, XFS, btrfs, tmpfs, ZFS, F2FS, overlayfs. */
const LOCAL_TYPES = [0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x2fc12fc1, 0xf2f52010, 0x794c7630];

/** The device of a folder whose files have their times from the clock of this machine; undefined where that is not certain. */
export function deviceByOwnClock(folder: string): bigint | undefined {
  if (process.platform !== "linux" || !LOCAL_TYPES.includes(statfsSync(folder).type)) return undefined;
  return statSync(folder, { bigint: true }).dev;
}

/** Names that no file can have on Windows, or that mean something else there. */
const ODD_ON_WINDOWS = /[\\:*?"<>|]|[ .]$|^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;

/** Whether a path, or where a link leads, would be something else on `platform` than where it was saved. */
export function isForeign(path: string, platform: string): boolean {
  if (platform !== "win32") return false;
  return path.split("/").some((name) => name !== "." && name !== ".." && ODD_ON_WINDOWS.test(name));
}

/** One name for all that a file system with such names may take for one: the letters' case, and the form of what they bear. */
export function foldedName(name: string): string {
  return name.normalize("NFD").toUpperCase().toLowerCase().normalize("NFD");
}

/** Whether the file system of `folder`, which is ours alone, takes different names for one. */
export function foldsNames(folder: string): boolean {
  const probe = join(folder, "\u00e9-probe");
  mkdirSync(probe);
  try {
    return ["\u00c9-PROBE", "\u00e9-PROBE", "e\u0301-probe"].some((name) => existsSync(join(folder, name)));
  } finally {
    rmdirSync(probe);
  }
}
