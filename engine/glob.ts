import { VarveError } from "./errors.ts";

/** A pattern over names. */
export interface Glob {
  /** What every matching text begins with. */
  prefix: string;
  /** Only the prefix itself matches. */
  exact: boolean;
  /** Takes at most time in proportion to the length of the text times that of the pattern. */
  matches(text: string): boolean;
}

const PATTERN_CHARACTERS_MAX = 2_048;

/** Any characters within a level. */
const STAR = "*";
/** Any characters across levels. */
const GLOBSTAR = "**";
// Whole levels, or none: what may stand between `a/` and `b` in `a/**/b`.
const LEVELS = "**/";

/**
 * `*` stands for any characters within a level, `**` for any across levels; all else for itself. Between slashes, or at
 * the beginning, `**` stands for any number of levels, also none.
 */
export function parseGlob(pattern: unknown): Glob {
  if (typeof pattern !== "string" || pattern === "" || pattern.length > PATTERN_CHARACTERS_MAX) {
    throw new VarveError("INVALID_ARGUMENT", `not a pattern of names: ${printed(pattern)}`, {
      hint: `for example \`iris/*\` or \`**/model\`, at most ${PATTERN_CHARACTERS_MAX} characters`,
    });
  }
  const star = pattern.indexOf("*");
  if (star < 0) return { prefix: pattern, exact: true, matches: (text) => text === pattern };
  const prefix = pattern.slice(0, star);
  const tokens = tokensOf(pattern);
  const matchesRest = restMatcher(tokens.slice(star), star);
  return { prefix, exact: false, matches: (text) => text.startsWith(prefix) && matchesRest(text) };
}

/** Most patterns have a single wildcard, at their end. */
function restMatcher(rest: readonly string[], from: number): (text: string) => boolean {
  const [only] = rest.length === 1 ? rest : [];
  if (only === GLOBSTAR) return () => true;
  if (only === STAR) return (text) => !text.includes("/", from);
  const marks = new Uint32Array(rest.length + 1);
  return (text) => runs(rest, text, from, marks);
}

/** Each a character, or one of the three wildcards. */
function tokensOf(pattern: string): string[] {
  const tokens: string[] = [];
  for (const part of pattern.split(/(\*{2,}\/|\*{2,}|\*)/)) {
    const atLevel = tokens.length === 0 || tokens.at(-1) === "/" || tokens.at(-1) === LEVELS;
    if (part === STAR) tokens.push(STAR);
    else if (!part.startsWith("**")) tokens.push(...part.split(""));
    else if (!part.endsWith("/")) tokens.push(GLOBSTAR);
    else if (atLevel) tokens.push(LEVELS);
    else tokens.push(GLOBSTAR, "/");
  }
  return tokens;
}

/**
 * Follows all ways through the pattern at once, so that no pattern makes it go back. `marks` says at which character a
 * place of the pattern was entered last.
 */
function runs(tokens: readonly string[], text: string, from: number, marks: Uint32Array): boolean {
  marks.fill(0);
  let places: number[] = [];
  enter(tokens, 0, places, marks, 1);
  for (let at = from; at < text.length; at++) {
    const next: number[] = [];
    for (const place of places) step(tokens, place, text[at]!, next, marks, at - from + 2);
    if (next.length === 0) return false;
    places = next;
  }
  return places.includes(tokens.length);
}

function step(
  tokens: readonly string[],
  place: number,
  character: string,
  next: number[],
  marks: Uint32Array,
  mark: number,
): void {
  const token = tokens[place];
  if (token === STAR) {
    if (character !== "/") enter(tokens, place, next, marks, mark);
  } else if (token === GLOBSTAR) {
    enter(tokens, place, next, marks, mark);
  } else if (token === LEVELS) {
    stay(place, next, marks, mark);
    if (character === "/") enter(tokens, place + 1, next, marks, mark);
  } else if (token === character) {
    enter(tokens, place + 1, next, marks, mark);
  }
}

/** Enters a place, and those behind it that a wildcard standing for nothing leads to. */
function enter(
  tokens: readonly string[],
  place: number,
  places: number[],
  marks: Uint32Array,
  mark: number,
): void {
  for (let at = place; marks[at] !== mark; at++) {
    stay(at, places, marks, mark);
    const token = tokens[at];
    if (token !== STAR && token !== GLOBSTAR && token !== LEVELS) return;
  }
}

function stay(place: number, places: number[], marks: Uint32Array, mark: number): void {
  if (marks[place] === mark) return;
  marks[place] = mark;
  places.push(place);
}

function printed(pattern: unknown): string {
  return typeof pattern === "string"
    ? JSON.stringify(pattern.slice(0, 100))
    : `a value of type ${typeof pattern}`;
}
