import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, Directory, DirectoryEntry } from "../../engine/api.ts";
import type { EngineCore } from "../../engine/engine.ts";
import type { Plan } from "../directory/support.ts";
import { makeTree, newFolder, treeOf } from "../directory/support.ts";
import { withCore } from "./support.ts";

/** More than are written at once: what comes behind them finds some of the tree in the store. */
export const GROUP_FILES = 1_200;
/** Longer than a tick of the clock, so that times are believed from then on. */
const SETTLE_MILLISECONDS = 200;

export const settle = () => new Promise<void>((resolve) => setTimeout(resolve, SETTLE_MILLISECONDS));

export function newTree(plan: Plan): string {
  const root = newFolder();
  makeTree(root, plan);
  return root;
}

/** As many files as are wanted, each with a content of its own of some eight thousand bytes; ten folders. */
export function manyFiles(count: number, what = "content"): Plan {
  const text = (n: number) => `${what} ${n}\n`.repeat(600);
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`d${n % 10}/f${String(n).padStart(5, "0")}`, text(n)]),
  );
}

export async function entriesOf(directory: Directory, path?: string): Promise<DirectoryEntry[]> {
  const entries: DirectoryEntry[] = [];
  for await (const entry of directory.list(path)) entries.push(entry);
  return entries;
}

export async function textOf(directory: Directory, path: string): Promise<string> {
  return Buffer.from(await directory.read(path)).toString();
}

/** A saved directory gives just what is in a folder. */
export async function restores(artifact: Artifact, root: string): Promise<void> {
  const target = `${newFolder()}/restored`;
  await artifact.writeTo(target);
  assert.equal(treeOf(target), treeOf(root));
}

/** Called before this process opens a file below `root`, with its path from there, while `action` runs. */
export async function watchingOpens<T>(
  root: string,
  onOpen: (path: string) => void,
  action: () => Promise<T>,
): Promise<T> {
  const { openSync } = fs;
  fs.openSync = (path, ...given) => {
    if (String(path).startsWith(`${root}/`)) onOpen(String(path).slice(root.length + 1));
    return openSync(path, ...given);
  };
  syncBuiltinESMExports();
  try {
    return await action();
  } finally {
    fs.openSync = openSync;
    syncBuiltinESMExports();
  }
}

/** The files below `root` that a call opens, sorted. */
export async function openedBy(root: string, call: () => Promise<unknown>): Promise<string[]> {
  const opened = new Set<string>();
  await watchingOpens(root, (path) => void opened.add(path), call);
  return [...opened].sort();
}

/** The bytes that a call adds to the log. */
export async function addedBy(store: ArtifactStore, call: () => Promise<unknown>): Promise<number> {
  const before = (await store.stats()).logBytes;
  await call();
  return (await store.stats()).logBytes - before;
}

/**
 * Does something right before the store's n-th commit from now on.
 * @returns whether it came so far
 */
export async function beforeCommit(
  home: string,
  number: number,
  hook: () => Promise<unknown>,
  action: () => Promise<unknown>,
): Promise<boolean> {
  let count = 0;
  let isDone = false;
  await withCore(home, async (core) => {
    const commit = core.commit.bind(core);
    const restore = () => Reflect.deleteProperty(core, "commit");
    core.commit = (async (...given: Parameters<EngineCore["commit"]>) => {
      if (++count === number) {
        restore();
        await hook();
        isDone = true;
      }
      return commit(...given);
    }) as EngineCore["commit"];
    try {
      await action();
    } finally {
      restore();
    }
  });
  return isDone;
}
