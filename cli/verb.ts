/** The form of a verb: what it takes, what its help says, what it does. One file a verb in `commands/` has one of these. */

import type { Context } from "./context.ts";

export interface OptionDefinition {
  /** A flag is there or not; a text has one value; a list takes several, and may be repeated. */
  readonly kind: "flag" | "text" | "list";
  readonly describe: string;
  readonly letter?: string;
}

type OptionValue<Kind> = Kind extends "flag" ? boolean : Kind extends "list" ? string[] : string | undefined;

/** What was given for a set of options: flags default to false, lists to empty. */
export type OptionValues<Options> = {
  -readonly [Name in keyof Options]: Options[Name] extends { kind: infer Kind } ? OptionValue<Kind> : never;
};

export interface VerbInput<Required extends string, Optional extends string, Options> {
  readonly given: Record<Required, string> & Partial<Record<Optional, string>>;
  /** What follows the named arguments, where the verb takes `more`. */
  readonly more: string[];
  readonly options: OptionValues<Options>;
}

export interface VerbDefinition<Required extends string, Optional extends string, Options> {
  readonly name: string;
  /** Names of the arguments, in order. */
  readonly required?: readonly Required[];
  readonly optional?: readonly Optional[];
  /** The last argument may be repeated. */
  readonly more?: boolean;
  readonly options?: Options;
  /** Lines of the help below the summary. */
  readonly about?: string;
  readonly examples: readonly (readonly [command: string, does: string])[];
  /** The exit code, where it isn't 0. */
  run(input: VerbInput<Required, Optional, Options>, context: Context): Promise<number | undefined>;
}

export type Verb = VerbDefinition<string, string, Record<string, OptionDefinition>>;

export function defineVerb<
  const Required extends string = never,
  const Optional extends string = never,
  const Options extends Record<string, OptionDefinition> = Record<never, never>,
>(definition: VerbDefinition<Required, Optional, Options>): Verb {
  return definition as unknown as Verb;
}

/** `save <name> [file]`. */
export function usageOf({ name, required = [], optional = [], more = false }: Verb): string {
  const names = [...required.map((each) => `<${each}>`), ...optional.map((each) => `[${each}]`)];
  const last = names.pop();
  if (last !== undefined) names.push(more ? `${last.slice(0, -1)}...${last.slice(-1)}` : last);
  return [name, ...names].join(" ");
}
