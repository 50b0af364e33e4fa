/** Damage as verify and repair tell of it, and end with. */

import type { DamageProblem } from "../engine/main.ts";
import { ExitCode } from "./errors.ts";
import { printable } from "./printable.ts";

/** Where the message does not say it. */
function placeOf({ segment, offset, message }: DamageProblem): string {
  if (segment === undefined || message.includes(`segment ${segment}`)) return "";
  return offset === undefined ? ` (segment ${segment})` : ` (segment ${segment}, offset ${offset})`;
}

function refsOf({ refs = [], message }: DamageProblem): string {
  const isSaid = refs.length === 1 && message.includes(refs[0]!);
  return refs.length === 0 || isSaid ? "" : `: ${refs.join(", ")}`;
}

/** What is damaged, where, and which artifacts it touches. */
export function damageText(problem: DamageProblem): string {
  return printable(`${problem.message}${placeOf(problem)}${refsOf(problem)}`);
}

/** What a command that found these, and nothing else, ends with. Of what could not be asked nobody knows that it is damaged. */
export function exitCodeOf(problems: readonly DamageProblem[]): number {
  if (problems.length === 0) return ExitCode.ok;
  return problems.every(({ code }) => code !== undefined) ? ExitCode.remote : ExitCode.corruption;
}
