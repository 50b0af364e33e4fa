/** From the command's words to its exit code: a first look finds the verb, and only that verb is loaded. */

import { readFileSync } from "node:fs";
import { colorFor } from "./color.ts";
import type { Context, Io } from "./context.ts";
import { BrokenPipe, ExitCode, usageError } from "./errors.ts";
import { failureOf, writeFailure } from "./failure.ts";
import { Output } from "./output.ts";
import { readPlainWords } from "./plain-words.ts";
import { printableLines } from "./printable.ts";
import { verbs } from "./verbs.ts";

/** Runs one command. Nothing is thrown: failures are written to stderr and told by the exit code. */
export async function run(args: string[], io: Io): Promise<number> {
  const output = new Output(io.stdout, io.signal);
  io.stderr.on("error", () => {});
  try {
    const exitCode = await dispatch(args, io, output);
    await output.flush();
    return exitCode;
  } catch (error) {
    // What was found before the failure is still data.
    const late = await output.flush().catch((flushError: unknown) => flushError);
    return finish(late instanceof BrokenPipe ? late : error, args, io);
  }
}

async function finish(error: unknown, args: string[], io: Io): Promise<number> {
  if (error instanceof BrokenPipe) return ExitCode.brokenPipe;
  if (io.signal.aborted) return ExitCode.interrupted;
  const failure = failureOf(error);
  await writeFailure(failure, flagsOf(args), io);
  return failure.exitCode;
}

/** The words that may be options: those before `--`. */
function flagsOf(args: string[]): string[] {
  const end = args.indexOf("--");
  return end < 0 ? args : args.slice(0, end);
}

/** The place of the verb: the first word that is no option. `--home` is the only option with a value that may precede it. */
function verbIndex(args: string[]): number {
  for (let index = 0; index < args.length; index++) {
    if (!args[index]!.startsWith("-")) return index;
    if (args[index] === "--home") index++;
  }
  return -1;
}

async function dispatch(args: string[], io: Io, output: Output): Promise<number> {
  const index = verbIndex(args);
  if (index >= 0) return runVerb(args[index]!, args.toSpliced(index, 1), io, output);
  if (args.includes("--version")) await output.line(version());
  else if (args.includes("--help")) await output.text(overview());
  else if (args.length > 0) throw usageError(`unknown option ${args[0]}`, SEE_HELP);
  else throw usageError("a verb is missing", SEE_HELP);
  return ExitCode.ok;
}

const SEE_HELP = "`varve --help` lists the verbs";

async function runVerb(name: string, args: string[], io: Io, output: Output): Promise<number> {
  const listed = Object.hasOwn(verbs, name) ? verbs[name] : undefined;
  if (listed === undefined) throw usageError(`unknown verb ${JSON.stringify(name)}`, SEE_HELP);
  const { default: verb } = await listed.load();
  const input =
    readPlainWords(verb, args) ?? (await (await import("./parser.ts")).parseArguments(verb, args));
  if (input.options.help) {
    const { helpFor } = await import("./parser.ts");
    await output.line(await helpFor(verb));
    return ExitCode.ok;
  }
  return (await verb.run(input, contextOf(input.options, args, io, output))) ?? ExitCode.ok;
}

interface GlobalValues {
  home: string | undefined;
  json: boolean;
  "no-progress": boolean;
}

function contextOf(options: GlobalValues, args: string[], io: Io, output: Output): Context {
  if (options.home === "") throw usageError("--home must not be empty");
  return {
    io,
    output,
    home: options.home,
    json: options.json,
    color: colorFor(io.stdout, io.env, flagsOf(args)),
    progress: io.stderr.isTTY === true && !io.env.CI && !options["no-progress"],
    note: (text) => {
      io.stderr.write(`${printableLines(text)}\n`);
    },
  };
}

function overview(): string {
  const width = Math.max(...Object.keys(verbs).map((name) => name.length));
  const lines = Object.entries(verbs).map(([name, { does }]) => `  ${name.padEnd(width)}  ${does}`);
  return `varve <verb> [options]: an artifact store on the local disk\n\n${lines.join("\n")}\n
The store is --home DIR, else VARVE_HOME, else the nearest .varve folder at or above the
current one, else ~/.varve. \`varve <verb> --help\` tells more about a verb.\n`;
}

/** From the package's own package.json, which is one folder up from the sources and two from the built files. */
function version(): string {
  for (const place of ["../package.json", "../../package.json"]) {
    try {
      const content = JSON.parse(readFileSync(new URL(place, import.meta.url), "utf8"));
      if (content.name === "varve") return content.version;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  throw new Error("the package.json of varve is not beside its files");
}
