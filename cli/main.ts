#!/usr/bin/env node
/** The command line as a process: its streams, Ctrl-C and the exit code. What it does is in `run.ts`. */

import { run } from "./run.ts";

const interruption = new AbortController();
// The second Ctrl-C meets no listener any more and ends the process at once.
process.once("SIGINT", () => interruption.abort());

// Set instead of process.exit(): the process ends by itself once everything is closed.
process.exitCode = await run(process.argv.slice(2), {
  // A getter, since looking at process.stdin already opens it.
  get stdin() {
    return process.stdin;
  },
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  signal: interruption.signal,
});
