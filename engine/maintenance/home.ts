import { readdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { Closing } from "../index/catalog.ts";
import { removeMark } from "../index/mark.ts";
import type { FileSystem } from "../log/file.ts";
import type { LogProblem } from "../log/scan.ts";

/** The folder of a store or engine, and what its parts need to know of it. */
export interface Home {
  files: FileSystem;
  /** The folder that holds `log`, `lock` and `index-<generation>`. */
  folder: string;
  application: string;
  /** The id that a new log gets; default: a random one. */
  newStoreId?: string | undefined;
  /** Batches behind the newest checkpoint that make another one due, at least. */
  checkpointBatchesMin: number;
  /** How an index that others may be opening is closed. */
  closing: Closing;
  now(): number;
  onProblem(problem: LogProblem): void;
  /** Something that is no failure of a call went wrong: the store opens all the same, with more to do. */
  onTrouble(message: string, error?: unknown): void;
}

export const logFolder = (home: string): string => join(home, "log");
export const indexFolder = (home: string, generation: number): string => join(home, `index-${generation}`);

/** Numbers of the generations of the index that are there, whole or not. */
export function listGenerations(folder: string): number[] {
  return readdirSync(folder)
    .flatMap((name) => /^index-(\d+)$/.exec(name)?.[1] ?? [])
    .map(Number);
}

/** A number that no generation has had that is still there. */
export function nextGeneration(folder: string): number {
  return Math.max(0, ...listGenerations(folder)) + 1;
}

/** A higher number than those of `kept` is that of a copy that somebody is taking: it must not be given again. */
function generationsBut(folder: string, kept: readonly number[]): number[] {
  return listGenerations(folder).filter(
    (generation) => !(kept.includes(generation) || generation > Math.max(...kept)),
  );
}

/** Only under the lock. */
export function removeGenerationsBut(folder: string, kept: readonly number[]): void {
  for (const generation of generationsBut(folder, kept)) {
    try {
      rmSync(indexFolder(folder, generation), { recursive: true, force: true });
    } catch {
      // Somebody is opening it at this moment; what is left goes with the next one.
    }
  }
}

/**
 * As `removeGenerationsBut`, where others would wait for long files to be removed: under the lock only their marks go,
 * without which nobody opens them.
 */
export async function discardGenerationsBut(folder: string, kept: readonly number[]): Promise<void> {
  const folders = generationsBut(folder, kept).map((generation) => indexFolder(folder, generation));
  for (const each of folders) removeMarkIfPossible(each);
  // What is left goes with the next one.
  for (const each of folders) await rm(each, { recursive: true, force: true }).catch(() => {});
}

function removeMarkIfPossible(generation: string): void {
  try {
    removeMark(generation);
  } catch {
    // It says of which rewritten segments the index knows, so it is not believed later either.
  }
}
