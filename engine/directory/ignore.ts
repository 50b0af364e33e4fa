import { VarveError } from "../errors.ts";
import type { Glob } from "../glob.ts";
import { parseGlob } from "../glob.ts";

const PATTERNS_MAX = 1_000;

/** What to leave out of a tree; `SaveDirectoryOptions.ignore` says what patterns mean. */
export class IgnoreRules {
  /** As they were given. */
  readonly patterns: readonly string[];
  readonly #rules: { glob: Glob; foldersOnly: boolean; ofName: boolean }[];

  /** @throws INVALID_ARGUMENT */
  constructor(patterns: unknown = []) {
    if (!Array.isArray(patterns) || patterns.length > PATTERNS_MAX) {
      throw new VarveError("INVALID_ARGUMENT", "ignore must be an array of patterns", {
        hint: `for example ignore: ["*.log", "node_modules/"], at most ${PATTERNS_MAX}`,
      });
    }
    this.#rules = patterns.map(parseRule);
    this.patterns = [...patterns];
  }

  /** @param path from the root of the tree @param name its last level */
  matches(path: string, name: string, isFolder: boolean): boolean {
    for (const { glob, foldersOnly, ofName } of this.#rules)
      if ((isFolder || !foldersOnly) && glob.matches(ofName ? name : path)) return true;
    return false;
  }
}

function parseRule(pattern: unknown): { glob: Glob; foldersOnly: boolean; ofName: boolean } {
  if (typeof pattern !== "string") return { glob: parseGlob(pattern), foldersOnly: false, ofName: false };
  if (pattern.startsWith("!")) {
    throw new VarveError(
      "INVALID_ARGUMENT",
      `what is left out can't be taken back: ${JSON.stringify(pattern)}`,
      {
        hint: "write patterns that leave out less; a name that begins so is meant by `**/!name`",
      },
    );
  }
  const foldersOnly = pattern.endsWith("/");
  const inner = foldersOnly ? pattern.slice(0, -1) : pattern;
  const ofName = !inner.includes("/");
  return { glob: parseGlob(inner.startsWith("/") ? inner.slice(1) : inner), foldersOnly, ofName };
}
