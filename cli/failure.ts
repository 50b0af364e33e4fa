/** How a failure is told: as a line for people or a JSON document on stderr, and as an exit code. */

import { colorFor, paint } from "./color.ts";
import type { Io } from "./context.ts";
import { CommandError, EXIT_BY_CODE, ExitCode } from "./errors.ts";
import { loadConfiguration } from "./library.ts";
import { jsonText, printableLines } from "./printable.ts";

/** The error as `--json` writes it. */
export interface ErrorDocument {
  code: string;
  message: string;
  hint?: string;
}

export interface Failure {
  exitCode: number;
  document: ErrorDocument;
}

/** What to say about an error. Errors of the library are known by their code: its class would have to be loaded first. */
export function failureOf(error: unknown): Failure {
  const { code, message, hint, name } = (error ?? {}) as Partial<CommandError>;
  if (name !== "VarveError" && !(error instanceof CommandError)) return unexpected(error);
  const document: ErrorDocument = { code: code!, message: message!, ...(hint === undefined ? {} : { hint }) };
  const exitCode = error instanceof CommandError ? error.exitCode : EXIT_BY_CODE[code!];
  return { exitCode: exitCode ?? ExitCode.failure, document };
}

function unexpected(error: unknown): Failure {
  const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const hint = "this is a mistake in Varve itself; please report it with the lines above";
  return { exitCode: ExitCode.failure, document: { code: "INTERNAL", message, hint } };
}

async function withoutCredentials(document: ErrorDocument): Promise<ErrorDocument> {
  if (!JSON.stringify(document).includes("://")) return document;
  const { redactUrl } = await loadConfiguration();
  const { code, message, hint } = document;
  return { code, message: redactUrl(message), ...(hint === undefined ? {} : { hint: redactUrl(hint) }) };
}

/** Writes the failure to stderr. `flags` are the words of the command that may be options. */
export async function writeFailure(failure: Failure, flags: readonly string[], io: Io): Promise<void> {
  const document = await withoutCredentials(failure.document);
  if (flags.includes("--json")) {
    io.stderr.write(`${jsonText({ error: document })}\n`);
    return;
  }
  const color = colorFor(io.stderr, io.env, flags);
  io.stderr.write(`${paint("varve:", "red", color)} ${printableLines(document.message)}\n`);
  if (document.hint === undefined) return;
  io.stderr.write(`${paint("hint:", "dim", color)} ${printableLines(document.hint)}\n`);
}
