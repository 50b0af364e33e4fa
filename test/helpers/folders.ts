import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const made: string[] = [];

/** A new folder in the temporary one, removed by `removeFolders`. */
export function newFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, "varve-test-"));
  made.push(folder);
  return folder;
}

/** For `after.each`, behind the closing of stores. */
export function removeFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
}

/** As `cp -r`: new inodes, and nothing of the locks that processes hold. */
export function copyHome(home: string): string {
  const copy = join(newFolder(), "copy");
  cpSync(home, copy, { recursive: true });
  return copy;
}

/** Paths of all files under `folder`, sorted. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

/** What a change of a folder would show in: names, sizes, times and contents. */
export function fingerprint(folder: string, leaveOut: RegExp = /^$/): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !leaveOut.test(path))
    .sort()
    .map((path) => {
      const found = statSync(path);
      const content = found.isDirectory() ? "" : readFileSync(path).toString("base64");
      return `${relative(folder, path)} ${found.mtimeMs} ${found.mode} ${found.size} ${content}`;
    });
}
