/** The question before something is destroyed. */

import type { Context } from "./context.ts";
import { usageError } from "./errors.ts";
import { CLEAR_LINE } from "./progress.ts";

/**
 * Whether to go on: with `--yes` always, on a terminal if the answer is yes.
 * @throws a usage error where nobody can be asked
 */
export async function isConfirmed(context: Context, isYes: boolean, question: string): Promise<boolean> {
  if (isYes) return true;
  const { stdin, stderr, signal } = context.io;
  if (!stdin.isTTY || !stderr.isTTY) {
    throw usageError(
      "nothing was done: there is no terminal to ask on",
      "add --yes, or look first with --dry-run",
    );
  }
  // What told how far the plan was is still on the line.
  if (context.progress) stderr.write(CLEAR_LINE);
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: stdin, output: stderr, terminal: false });
  // Ctrl-D closes the input, and would leave the question unanswered for ever.
  const ended = new AbortController();
  terminal.once("close", () => ended.abort());
  try {
    const answer = await terminal.question(`${question} [y/N] `, {
      signal: AbortSignal.any([signal, ended.signal]),
    });
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    if (ended.signal.aborted) return false;
    throw error;
  } finally {
    terminal.close();
  }
}
