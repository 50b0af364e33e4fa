import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const made: string[] = [];
// Of what comes to its end by an error too.
process.once("exit", removeFolders);

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

/** A folder in memory where there is one: for what need not last, however often it is written. */
export function fastFolder(): string {
  try {
    accessSync("/dev/shm", constants.W_OK);
    return "/dev/shm";
  } catch {
    return tmpdir();
  }
}

const DESCRIPTORS = "/proc/self/fd";

/** Files under `folder` that this process has open, by their paths from there; none where there is no /proc. */
export function openFilesUnder(folder: string): string[] {
  if (!existsSync(DESCRIPTORS)) return [];
  return readdirSync(DESCRIPTORS)
    .map((number) => linkOf(join(DESCRIPTORS, number)))
    .filter((path) => path.startsWith(folder))
    .map((path) => path.slice(folder.length));
}

/** The descriptor that listed the folder is gone by now. */
function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
