/** Artifacts that are directories. */

import type { Artifact, CallOptions, Directory, DirectoryEntry } from "../engine/main.ts";
import { sizeText } from "./artifact-text.ts";
import { printable } from "./printable.ts";

const MEDIA_TYPE_DIRECTORY = "application/vnd.varve.directory";
const INDENT = "  ";

export function isDirectory({ mediaType }: Artifact): boolean {
  return mediaType === MEDIA_TYPE_DIRECTORY;
}

export function directoryOf(artifact: Artifact, call: CallOptions): Promise<Directory> {
  return artifact.value<Directory>(call);
}

/** A directory as a tree, a line for each folder and what is in it. */
export async function* treeLines(directory: Directory, call: CallOptions): AsyncGenerator<string> {
  let above: string[] = [];
  for await (const entry of directory.list(undefined, call)) {
    const levels = entry.path.split("/");
    const name = levels.pop()!;
    let known = 0;
    while (known < levels.length && above[known] === levels[known]) known++;
    for (let level = known; level < levels.length; level++)
      yield `${INDENT.repeat(level)}${printable(levels[level]!)}/`;
    above = entry.kind === "directory" ? [...levels, name] : levels;
    yield INDENT.repeat(levels.length) + printable(name) + suffixOf(entry);
  }
}

function suffixOf({ kind, size, executable, target }: DirectoryEntry): string {
  if (kind === "directory") return "/";
  if (kind === "link") return ` -> ${printable(target!)}`;
  return `${executable ? "*" : ""}  ${sizeText(size)}`;
}

/** An entry as a JSON document. */
export function entryDocument({ path, kind, size, executable, target, digest }: DirectoryEntry): object {
  if (kind === "directory") return { path, kind };
  return kind === "link" ? { path, kind, target } : { path, kind, size, executable, digest };
}
