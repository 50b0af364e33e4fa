/** Colors: on a terminal, unless the user says otherwise. */

import type { OutputStream } from "./output.ts";

const STYLES = { red: 31, green: 32, yellow: 33, dim: 2, bold: 1 } as const;

/** `--color` and `--no-color` win over NO_COLOR, which wins over what the stream is. */
export function colorFor(
  stream: OutputStream,
  env: Record<string, string | undefined>,
  flags: readonly string[],
): boolean {
  if (flags.includes("--no-color")) return false;
  if (flags.includes("--color")) return true;
  return stream.isTTY === true && !env.NO_COLOR && env.TERM !== "dumb";
}

export function paint(text: string, style: keyof typeof STYLES, color: boolean): string {
  return color ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
}
