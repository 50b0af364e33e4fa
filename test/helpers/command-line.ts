/** Runs `varve` commands: most in this process, through the same function as `cli/main.ts`; some as a process of their own. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { run } from "../../cli/run.ts";

export interface Outcome {
  exitCode: number | null;
  stdout: string;
  stderr: string;
  /** stdout as it was. */
  bytes: Buffer;
}

export interface CommandOptions {
  stdin?: string | Uint8Array | AsyncIterable<string>;
  env?: Record<string, string>;
  cwd?: string;
  /** Which of the streams are a terminal. */
  terminal?: ("stdin" | "stdout" | "stderr")[];
  signal?: AbortSignal;
}

export const commandLinePath = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
const loaderPath = import.meta.resolve("tsx");

/** A folder with a home for a store, and commands on it. */
export class CommandLine {
  readonly folder: string;
  readonly home: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.home = join(folder, ".varve");
  }

  static async inNewFolder(): Promise<CommandLine> {
    return new CommandLine(await mkdtemp(join(tmpdir(), "varve-cli-")));
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  /** The whole environment of a command: nothing of the machine that the tests run on. */
  environment(more: Record<string, string> = {}): Record<string, string> {
    return { HOME: this.folder, VARVE_HOME: this.home, ...more };
  }

  /** In this process. */
  async varve(args: string[], options: CommandOptions = {}): Promise<Outcome> {
    const {
      stdin = "",
      env,
      cwd = this.folder,
      terminal = [],
      signal = new AbortController().signal,
    } = options;
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const written = Promise.all([buffer(stdout), buffer(stderr)]);
    const exitCode = await run(args, {
      stdin: Object.assign(Readable.from(isBytes(stdin) ? [Buffer.from(stdin)] : stdin), {
        isTTY: terminal.includes("stdin"),
      }),
      stdout: Object.assign(stdout, { isTTY: terminal.includes("stdout") }),
      stderr: Object.assign(stderr, { isTTY: terminal.includes("stderr") }),
      env: this.environment(env),
      cwd,
      signal,
    });
    stdout.end();
    stderr.end();
    const [bytes, errors] = await written;
    return { exitCode, stdout: String(bytes), stderr: String(errors), bytes };
  }

  /** As a process, which the caller drives. */
  start(args: string[], stdio: "pipe" | ["pipe", number, "pipe"] = "pipe"): ChildProcess {
    return spawn(process.execPath, ["--import", loaderPath, commandLinePath, ...args], {
      cwd: this.folder,
      env: { ...this.environment(), PATH: process.env.PATH ?? "" },
      stdio,
    });
  }

  /** As a process, to its end. */
  async process(args: string[], stdin: string | Uint8Array = ""): Promise<Outcome> {
    const child = this.start(args);
    child.stdin!.end(stdin);
    const [bytes, errors, exitCode] = await Promise.all([
      buffer(child.stdout!),
      buffer(child.stderr!),
      exitOf(child),
    ]);
    return { exitCode, stdout: String(bytes), stderr: String(errors), bytes };
  }
}

function isBytes(stdin: NonNullable<CommandOptions["stdin"]>): stdin is string | Uint8Array {
  return typeof stdin === "string" || stdin instanceof Uint8Array;
}

export function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve(exitCode));
  });
}

/** The documents of `--json`. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every form
export function documentsOf({ stdout }: Outcome): any[] {
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** The document of a failure under `--json`. */
export function errorOf({ stderr }: Outcome): { code: string; message: string; hint?: string } {
  return JSON.parse(stderr).error;
}
