import { randomBytes } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Progress } from "../api.ts";
import { checkPath } from "../argument.ts";
import { fromSystemError, VarveError } from "../errors.ts";
import { Pace } from "../maintenance/pace.ts";
import { damaged } from "./bytes.ts";
import type { DirectoryContents } from "./contents.ts";
import type { TreeEntry } from "./entry.ts";
import { quoted } from "./entry.ts";
import type { Manifest } from "./manifest.ts";
import { Nesting } from "./nesting.ts";
import { TURN_MILLISECONDS } from "./scan.ts";
import { syncFolders, TreeWriter } from "./tree-writer.ts";

export interface RestoreOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: Progress) => void) | undefined;
}

/** What a restore that was killed leaves beside its target begins so. It can be removed. */
export const LEFTOVER_PREFIX = ".varve-restore-";

/**
 * Makes the tree of `manifest` in `target`, all or nothing. It grows in a new folder beside it that nobody else may enter, and
 * moves from there when it is complete and on the disk. Whatever the manifest says, nothing is written elsewhere: all names
 * are new there, and links are made last.
 */
export async function restoreTree(
  target: string,
  manifest: Manifest,
  contents: DirectoryContents,
  options: RestoreOptions = {},
): Promise<void> {
  checkPath(target, "a folder", 'for example directory.writeTo("restored")');
  const full = resolve(target);
  checkTarget(full);
  const shelter = join(dirname(full), `${LEFTOVER_PREFIX}${randomBytes(8).toString("hex")}`);
  makeShelter(shelter, full);
  try {
    const tree = join(shelter, "tree");
    // With the permissions that any new folder gets here.
    mkdirSync(tree);
    const writer = new TreeWriter(tree, contents, options.signal);
    await fill(writer, manifest, options);
    await writer.finish();
    move(tree, full);
  } catch (error) {
    await rm(shelter, { recursive: true, force: true }).catch(() => {});
    throw cannotBeWritten(full, error);
  }
  try {
    rmdirSync(shelter);
    await syncFolders([dirname(full)]);
  } catch (error) {
    throw fromSystemError(error, `writing ${full}`, { outcome: "unknown" });
  }
}

async function fill(writer: TreeWriter, manifest: Manifest, options: RestoreOptions): Promise<void> {
  const pace = new Pace({ signal: options.signal }, TURN_MILLISECONDS);
  const nesting = new Nesting();
  const total = manifest.root.entryCount;
  let size = 0;
  let done = 0;
  await pace.turn();
  for await (const entries of manifest.entriesFrom()) {
    for (const entry of entries) {
      nesting.add(entry);
      if (entry.kind === "file") size += entry.size;
      await add(writer, entry);
      if (pace.isDue()) await pace.turn();
    }
    done += entries.length;
    options.onProgress?.({ phase: "writing files", done, total, unit: "files" });
  }
  if (size !== manifest.root.size) throw damaged("its files do not add up");
}

function add(writer: TreeWriter, entry: TreeEntry): Promise<void> | undefined {
  if (entry.kind === "file") return writer.addFile(entry);
  if (entry.kind === "link") return writer.addLink(entry);
  return writer.addFolder(entry);
}

/** So that nothing is done in vain; the move itself says it in the end. */
function checkTarget(full: string): void {
  try {
    const found = lstatSync(full, { throwIfNoEntry: false });
    if (!found) return;
    if (!found.isDirectory() || readdirSync(full).length > 0) throw isTaken(full);
  } catch (error) {
    throw fromSystemError(error, `looking at ${full}`);
  }
}

function makeShelter(shelter: string, full: string): void {
  try {
    mkdirSync(shelter, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw cannotBeWritten(full, error);
    throw new VarveError("INVALID_ARGUMENT", `there is no folder ${quoted(dirname(full))}`, {
      hint: "make the folder that the directory is to be in",
      cause: error,
    });
  }
}

/** An empty folder gives way, and nothing else, however late it came. */
function move(tree: string, full: string): void {
  try {
    renameSync(tree, full);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes(code ?? "")) throw isTaken(full, error);
    throw error;
  }
}

function cannotBeWritten(full: string, error: unknown): VarveError {
  const { code } = error as NodeJS.ErrnoException;
  const mayNot = code === "EACCES" || code === "EPERM" || code === "EROFS";
  const hint = mayNot && "give a path in a folder that this user may write to";
  return fromSystemError(error, `writing ${full}`, hint ? { hint } : {});
}

function isTaken(full: string, cause?: unknown): VarveError {
  return new VarveError("CONFLICT", `${quoted(full)} exists, and is no empty folder`, {
    hint: "give a path where nothing is, or remove what is there",
    details: { path: full },
    ...(cause !== undefined && { cause }),
  });
}
