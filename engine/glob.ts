import { VarveError } from "./errors.ts";

/** A pattern over names. */
export interface Glob {
  /** What every matching name begins with. */
  prefix: string;
  matches(name: string): boolean;
}

/** `*` stands for any characters within a level, `**` for any across levels; all else for itself. */
export function parseGlob(pattern: unknown): Glob {
  if (typeof pattern !== "string" || pattern === "") {
    throw new VarveError("INVALID_ARGUMENT", `not a pattern of names: ${JSON.stringify(pattern)}`, {
      hint: "for example `iris/*` or `**/model`",
    });
  }
  const star = pattern.indexOf("*");
  const prefix = star < 0 ? pattern : pattern.slice(0, star);
  const parts = pattern.split(/(\*\*\/|\*{2,}|\*)/).map(partSource);
  const expression = new RegExp(`^${parts.join("")}$`, "su");
  return { prefix, matches: (name) => expression.test(name) };
}

function partSource(part: string): string {
  // "a/**/b" is meant to find "a/b" too.
  if (part === "**/") return "(?:.*/)?";
  if (part === "*") return "[^/]*";
  if (part.startsWith("**")) return ".*";
  return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
