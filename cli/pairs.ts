/** Options of the form `key=value`, and other words that several verbs read alike. */

import type { Json, JsonObject } from "../engine/main.ts";
import { usageError } from "./errors.ts";
import { parseJson } from "./json-forms.ts";
import { loadConfiguration } from "./library.ts";

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?)?$/;

function splitPair(word: string, option: string, form: string): [string, string] {
  const index = word.indexOf("=");
  if (index > 0) return [word.slice(0, index), word.slice(index + 1)];
  throw usageError(
    `--${option} needs ${form}, not ${JSON.stringify(word)}`,
    `--${option} takes all words up to the next option: write arguments before it`,
  );
}

/** `--tag k=v …`. fromEntries defines properties, so "__proto__" is a key like others. */
export function tagsFrom(words: readonly string[], option = "tag"): Record<string, string> {
  return Object.fromEntries(words.map((word) => splitPair(word, option, "key=value")));
}

/** `--meta k=JSON …`. */
export function metadataFrom(words: readonly string[]): JsonObject {
  const pairs = words.map((word) => splitPair(word, "meta", "key=JSON"));
  return Object.fromEntries(pairs.map(([key, text]) => [key, parseJson(text, `--meta ${key}`) as Json]));
}

/** A whole number from `least` on. */
export function wholeNumberFrom(text: string, option: string, least: number): number {
  const number = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number) && number >= least) return number;
  throw usageError(`--${option} needs a whole number${least > 0 ? ` of at least ${least}` : ""}`);
}

/** One of a few words; absent when the option is. */
export function choiceFrom<const Choice extends string>(
  text: string | undefined,
  option: string,
  choices: readonly Choice[],
): Choice | undefined {
  const choice = choices.find((each) => each === text);
  if (choice !== undefined || text === undefined) return choice;
  throw usageError(`--${option} needs one of ${choices.join(", ")}, not ${JSON.stringify(text)}`);
}

/** A date or time as in `where`: a date is its first moment, and where no zone is named it is UTC. */
export function timeFrom(text: string, option: string): Date {
  const [, day = "", time = "00:00", zone = "Z"] = TIME.exec(text) ?? [];
  const date = new Date(`${day}T${time}${zone}`);
  if (!Number.isNaN(date.getTime()) && isDay(day)) return date;
  throw usageError(
    `--${option} needs a date or time, not ${JSON.stringify(text)}`,
    "for example 2026-11-24, '2026-11-24 10:00' or 2026-11-24T10:00:00+01:00; UTC where no zone is named",
  );
}

/** `Date` takes the 31st of February for a day in March. */
function isDay(day: string): boolean {
  return new Date(`${day}T00:00Z`).toISOString().startsWith(day);
}

/** A number of bytes, also as `10GB` or `64MiB`. */
export async function sizeFrom(text: string, option: string): Promise<number> {
  const { parseConfigValue } = await loadConfiguration();
  try {
    return parseConfigValue("max_size", text, option) as number;
  } catch {
    throw usageError(`--${option} needs a number of bytes, such as 1000, 10MB or 64MiB`);
  }
}

/** The option as a property, absent when it was not given: options that are undefined are not the same as absent ones. */
export function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): Partial<Record<Key, Value>> {
  return (value === undefined ? {} : { [key]: value }) as Partial<Record<Key, Value>>;
}
