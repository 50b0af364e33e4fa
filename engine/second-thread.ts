import { statSync } from "node:fs";
import { availableParallelism } from "node:os";
import type { WorkerOptions } from "node:worker_threads";
import { Worker } from "node:worker_threads";

/**
 * Another thread, which nothing rests on. Undefined where there can be none: one processor, code that is not compiled
 * (what translates source while it is loaded would need the thread that waits) or that was all put into one file, or no
 * thread may be begun.
 * @param program beside the file at the address `from`
 */
export function startThread(program: string, from: string, options: WorkerOptions): Worker | undefined {
  if (availableParallelism() < 2) return undefined;
  try {
    const address = new URL(program, from);
    statSync(address);
    // What this process preloads, the thread does not want.
    return new Worker(address, { execArgv: [], env: {}, ...options });
  } catch {
    return undefined;
  }
}
