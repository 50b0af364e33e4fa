import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { SaveDirectoryOptions } from "../../engine/api.ts";
import { LARGE_BYTES_MIN } from "../../engine/directory/read-file.ts";
import { plainCode } from "../helpers/plain-code.ts";
import { watchingOpens } from "../large/directories-support.ts";
import type { Captured, Plan } from "./support.ts";
import { makeTree, newFolder } from "./support.ts";

/** Compiled: from source there is no second thread. */
const support = plainCode(join(import.meta.dirname, "support.ts"));
export const PROGRAM = join(support, "../../../engine/directory/second-capture-program.js");
export const program = readFileSync(PROGRAM, "utf8");
export const compiled = (await import(support)) as typeof import("./support.ts");

export const FILES = 4_200;
export const settle = () => new Promise((resolve) => setTimeout(resolve, 250));

export function planOf(files = FILES): Plan {
  const plan: Plan = {
    large: Buffer.alloc(LARGE_BYTES_MIN + 5, 1),
    "almost-large": Buffer.alloc(LARGE_BYTES_MIN - 1, 2),
    "d0/run": { run: "x" },
    "d0/link": { to: "../large" },
    "d1/empty": null,
    "d1/néw\nline": "odd",
    left: "out",
    "zz/empty": null,
  };
  for (let i = 0; i < files; i++) plan[`d${i % 9}/f${i}`] = `${i} `.repeat(i % 700);
  return plan;
}

export function newTree(plan = planOf()): string {
  const root = newFolder();
  makeTree(root, plan);
  return root;
}

/** Saves on two threads. Gives what this one opened, too. */
export async function captured(
  root: string,
  options: SaveDirectoryOptions & { before?: Captured } = {},
): Promise<{ tree: Captured; opened: string[] }> {
  const threads = threadCount();
  const opened: string[] = [];
  let tree: Captured | undefined;
  try {
    await watchingOpens(
      root,
      (path) => void opened.push(path),
      async () => {
        tree = await compiled.capture(root, options);
      },
    );
  } finally {
    assert.ok(threadCount() <= threads, "the other thread has ended");
  }
  return { tree: tree!, opened: [...new Set(opened)].sort() };
}

export const threadCount = (): number => readdirSync("/proc/self/task").length;
// Threads of the pool come with the first use of it.
await Promise.all(Array.from({ length: 8 }, () => stat("/")));

/** The thread runs its own code again. */
export function mend(): void {
  writeFileSync(PROGRAM, program);
}
