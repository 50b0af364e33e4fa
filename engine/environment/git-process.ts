import { spawn } from "node:child_process";
import type { Checkout } from "./git.ts";

/** Longer runs are given up: what git would have told stays unknown. */
const GIT_MILLISECONDS_MAX = 30_000;
const STATUS_BYTES_MAX = 64 * 1024;
export const DIFF_BYTES_MAX = 1024 * 1024;

/** No pager, no hook, no program that the repository's configuration names, and no lock that another git would wait for. */
const CAREFUL = [
  "--no-pager",
  "--no-optional-locks",
  "-c",
  "core.fsmonitor=false",
  "-c",
  "core.hooksPath=/dev/null",
];

/** Whether a file that git tracks differs from the commit; files that it does not track don't count. */
export async function isDirty(checkout: Checkout, signal: AbortSignal): Promise<boolean | undefined> {
  const status = [
    "status",
    "--porcelain",
    "--untracked-files=no",
    "--ignore-submodules=dirty",
    "--no-renames",
  ];
  const output = await runGit(checkout, status, STATUS_BYTES_MAX, signal);
  return output && output.bytes.length > 0;
}

/** The difference to the commit, whole lines of it up to 1 MiB. */
export async function readDiff(
  checkout: Checkout,
  signal: AbortSignal,
): Promise<{ text: string; truncated: boolean } | undefined> {
  const diff = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--no-renames", "HEAD"];
  const output = await runGit(checkout, diff, DIFF_BYTES_MAX, signal);
  if (!output) return undefined;
  const { bytes, truncated } = output;
  const end = truncated ? bytes.lastIndexOf("\n") + 1 : bytes.length;
  return { text: bytes.toString("utf8", 0, end), truncated };
}

interface Output {
  bytes: Buffer;
  truncated: boolean;
}

/**
 * Runs git beside the program, which neither waits for it at its end nor hears of its failures: undefined then. It gets
 * the variables of the process, since `PATH` and the user's git configuration are found by them; none is kept.
 */
function runGit(
  { root, gitFolder }: Checkout,
  command: string[],
  bytesMax: number,
  signal: AbortSignal,
): Promise<Output | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const args = [...CAREFUL, `--git-dir=${gitFolder}`, `--work-tree=${root}`, ...command];
    const child = spawn("git", args, { cwd: root, stdio: ["ignore", "pipe", "ignore"], windowsHide: true });
    const pieces: Buffer[] = [];
    let length = 0;
    const stop = () => void child.kill();
    const timer = setTimeout(stop, GIT_MILLISECONDS_MAX);
    const end = (output: Output | undefined) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
      resolve(output);
    };
    const output = (truncated: boolean) => ({
      bytes: Buffer.concat(pieces).subarray(0, bytesMax),
      truncated,
    });
    child.stdout.on("data", (piece: Buffer) => {
      if (length > bytesMax) return;
      pieces.push(piece);
      length += piece.length;
      if (length <= bytesMax) return;
      end(output(true));
      stop();
    });
    child.on("error", () => end(undefined));
    child.on("close", (code) => end(code === 0 ? output(false) : undefined));
    signal.addEventListener("abort", stop, { once: true });
    timer.unref();
    child.unref();
    (child.stdout as unknown as { unref(): void }).unref();
  });
}
