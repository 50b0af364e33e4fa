/** Damage as verify and repair tell of it. */

import type { DamageProblem } from "../engine/main.ts";
import { printable } from "./printable.ts";

/** Where the message does not say it. */
function placeOf({ segment, offset, message }: DamageProblem): string {
  if (segment === undefined || message.includes(`segment ${segment}`)) return "";
  return offset === undefined ? ` (segment ${segment})` : ` (segment ${segment}, offset ${offset})`;
}

/** What is damaged, where, and which artifacts it touches. */
export function damageText(problem: DamageProblem): string {
  const refs = problem.refs?.length ? `: ${problem.refs.join(", ")}` : "";
  return printable(`${problem.message}${placeOf(problem)}${refs}`);
}
