/** Arguments of one verb, read by yargs: the only file that knows it, and only loaded for what `plain-words.ts` leaves to it. */

import type { Options } from "yargs";
import { type Definitions, definitionsOf, inputFrom, type ParsedInput } from "./arguments.ts";
import { usageError } from "./errors.ts";
import { type OptionDefinition, usageOf, type Verb } from "./verb.ts";
import { verbs } from "./verbs.ts";

function yargsOption({ kind, describe, letter }: OptionDefinition): Options {
  const alias = letter === undefined ? {} : { alias: letter };
  if (kind === "flag") return { type: "boolean", describe, ...alias };
  // For a list NaN means "at least one". The numbers make yargs take "-" (stdin) and "-1" as values, not as options.
  if (kind === "list") return { array: true, string: true, nargs: Number.NaN, describe, ...alias };
  return { type: "string", nargs: 1, describe, ...alias };
}

async function parserFor(verb: Verb, definitions: Definitions) {
  // In the command line as it is built, which is one file, an import of the usual kind would be loaded by every verb.
  const { default: yargs } = await import("yargs");
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

/** The verb's arguments and options. Throws a usage error, with a hint to the help of the verb. */
export async function parseArguments(verb: Verb, args: string[]): Promise<ParsedInput> {
  const hint = `see \`varve ${verb.name} --help\``;
  try {
    const parsed = await (await parserFor(verb, definitionsOf(verb))).parseAsync(args);
    return inputFrom(verb, parsed._.map(String), parsed);
  } catch (error) {
    throw usageError((error as Error).message, hint);
  }
}

export async function helpFor(verb: Verb): Promise<string> {
  return (await parserFor(verb, definitionsOf(verb))).getHelp();
}
