/** Arguments of one verb, read by yargs: the only file that knows it, and only loaded once the verb is known. */

import yargs, { type Options } from "yargs";
import { usageError } from "./errors.ts";
import { type OptionDefinition, usageOf, type Verb, type VerbInput } from "./verb.ts";
import { verbs } from "./verbs.ts";

export const globalOptions = {
  home: { kind: "text", describe: "the store's folder" },
  json: { kind: "flag", describe: "write JSON documents" },
  color: { kind: "flag", describe: "use colors, also where there is no terminal" },
  "no-color": { kind: "flag", describe: "use no colors" },
  "no-progress": { kind: "flag", describe: "show no progress" },
  help: { kind: "flag", describe: "show this help" },
} as const satisfies Record<string, OptionDefinition>;

export type ParsedInput = VerbInput<string, string, typeof globalOptions & Record<string, OptionDefinition>>;

type Definitions = Record<string, OptionDefinition>;

function yargsOption({ kind, describe, letter }: OptionDefinition): Options {
  const alias = letter === undefined ? {} : { alias: letter };
  if (kind === "flag") return { type: "boolean", describe, ...alias };
  // For a list NaN means "at least one". The numbers make yargs take "-" (stdin) and "-1" as values, not as options.
  if (kind === "list") return { array: true, string: true, nargs: Number.NaN, describe, ...alias };
  return { type: "string", nargs: 1, describe, ...alias };
}

function parserFor(verb: Verb, definitions: Definitions) {
  const usage = usageOf(verb);
  const about = verb.about === undefined ? "" : `\n\n${verb.about}`;
  const parser = yargs([])
    .scriptName("varve")
    .locale("en")
    .exitProcess(false)
    .fail(false)
    .help(false)
    .version(false)
    .strictOptions()
    .wrap(100)
    .usage(`varve ${usage}\n\n${verbs[verb.name]?.does}${about}`)
    // Arguments are taken from what is left over: as yargs' own positionals, "-" would become an empty string.
    .parserConfiguration({
      "dot-notation": false,
      "parse-numbers": false,
      "parse-positional-numbers": false,
      "boolean-negation": false,
    })
    .options(
      Object.fromEntries(Object.entries(definitions).map(([name, each]) => [name, yargsOption(each)])),
    );
  for (const [command, does] of verb.examples) parser.example(command, does);
  return parser;
}

function optionsFrom(parsed: Record<string, unknown>, definitions: Definitions): Record<string, unknown> {
  const entries = Object.entries(definitions).map(([name, { kind }]) => {
    const value = parsed[name];
    if (kind === "list") return [name, value ?? []];
    if (kind === "flag") return [name, value === true];
    if (Array.isArray(value)) throw usageError(`--${name} is given more than once`);
    return [name, value];
  });
  return Object.fromEntries(entries);
}

function argumentsFrom(verb: Verb, values: string[]): Pick<ParsedInput, "given" | "more"> {
  const { required = [], optional = [], more = false } = verb;
  const names = [...required, ...optional];
  const missing = required[values.length];
  if (missing !== undefined) throw usageError(`<${missing}> is missing`);
  const rest = values.slice(names.length);
  if (rest.length > 0 && !more) throw usageError(`unexpected argument ${JSON.stringify(rest[0])}`);
  const given = names.flatMap((name, index) => (index < values.length ? [[name, values[index]!]] : []));
  return { given: Object.fromEntries(given), more: rest };
}

/** The verb's arguments and options. Throws a usage error, with a hint to the help of the verb. */
export async function parseArguments(verb: Verb, args: string[]): Promise<ParsedInput> {
  const definitions = { ...verb.options, ...globalOptions };
  const hint = `see \`varve ${verb.name} --help\``;
  try {
    const parsed = await parserFor(verb, definitions).parseAsync(args);
    const options = optionsFrom(parsed, definitions) as ParsedInput["options"];
    if (options.help) return { given: {}, more: [], options };
    return { ...argumentsFrom(verb, parsed._.map(String)), options };
  } catch (error) {
    throw usageError((error as Error).message, hint);
  }
}

export function helpFor(verb: Verb): Promise<string> {
  return parserFor(verb, { ...verb.options, ...globalOptions }).getHelp();
}
