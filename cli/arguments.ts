/** From words that were told apart to the input of a verb: what both readers of words, `plain-words.ts` and `parser.ts`, share. */

import { usageError } from "./errors.ts";
import type { OptionDefinition, Verb, VerbInput } from "./verb.ts";

export const globalOptions = {
  home: { kind: "text", describe: "the store's folder" },
  json: { kind: "flag", describe: "write JSON documents" },
  color: { kind: "flag", describe: "use colors, also where there is no terminal" },
  "no-color": { kind: "flag", describe: "use no colors" },
  "no-progress": { kind: "flag", describe: "show no progress" },
  help: { kind: "flag", describe: "show this help" },
} as const satisfies Record<string, OptionDefinition>;

export type ParsedInput = VerbInput<string, string, typeof globalOptions & Record<string, OptionDefinition>>;

export type Definitions = Readonly<Record<string, OptionDefinition>>;

/** What the verb takes, and what all take. */
export function definitionsOf(verb: Verb): Definitions {
  return { ...verb.options, ...globalOptions };
}

/** @throws a usage error for arguments too few or too many, or an option given twice */
export function inputFrom(
  verb: Verb,
  words: readonly string[],
  values: Record<string, unknown>,
): ParsedInput {
  const options = optionsFrom(values, definitionsOf(verb)) as ParsedInput["options"];
  if (options.help) return { given: {}, more: [], options };
  return { ...argumentsFrom(verb, words), options };
}

function optionsFrom(values: Record<string, unknown>, definitions: Definitions): Record<string, unknown> {
  const entries = Object.entries(definitions).map(([name, { kind }]) => {
    const value = values[name];
    if (kind === "list") return [name, value ?? []];
    if (kind === "flag") return [name, value === true];
    if (Array.isArray(value)) throw usageError(`--${name} is given more than once`);
    return [name, value];
  });
  return Object.fromEntries(entries);
}

function argumentsFrom(verb: Verb, values: readonly string[]): Pick<ParsedInput, "given" | "more"> {
  const { required = [], optional = [], more = false } = verb;
  const names = [...required, ...optional];
  const missing = required[values.length];
  if (missing !== undefined) throw usageError(`<${missing}> is missing`);
  const rest = values.slice(names.length);
  if (rest.length > 0 && !more) throw usageError(`unexpected argument ${JSON.stringify(rest[0])}`);
  const given = names.flatMap((name, index) => (index < values.length ? [[name, values[index]!]] : []));
  return { given: Object.fromEntries(given), more: rest };
}
