/** Options of the form `key=value`, and other words that several verbs read alike. */

import type { Json, JsonObject } from "../engine/main.ts";
import { usageError } from "./errors.ts";
import { parseJson } from "./json-forms.ts";

function splitPair(word: string, option: string, form: string): [string, string] {
  const index = word.indexOf("=");
  if (index > 0) return [word.slice(0, index), word.slice(index + 1)];
  throw usageError(
    `--${option} needs ${form}, not ${JSON.stringify(word)}`,
    `--${option} takes all words up to the next option: write arguments before it`,
  );
}

/** `--tag k=v …`. fromEntries defines properties, so "__proto__" is a key like others. */
export function tagsFrom(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(words.map((word) => splitPair(word, "tag", "key=value")));
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

/** The option as a property, absent when it was not given: options that are undefined are not the same as absent ones. */
export function optional<Key extends string, Value>(
  key: Key,
  value: Value | undefined,
): Partial<Record<Key, Value>> {
  return (value === undefined ? {} : { [key]: value }) as Partial<Record<Key, Value>>;
}
