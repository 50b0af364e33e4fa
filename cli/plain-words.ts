/**
 * Reads the words of a command where there is only one way to read them, as nearly always. For all else, help and mistakes
 * included, there is yargs, which takes longer to load than the library.
 */

import { type Definitions, definitionsOf, inputFrom, type ParsedInput } from "./arguments.ts";
import type { Verb } from "./verb.ts";

/** Undefined when yargs has to look at it. */
export function readPlainWords(verb: Verb, args: readonly string[]): ParsedInput | undefined {
  const reader = new PlainWords(definitionsOf(verb), args);
  if (!reader.read() || reader.values.help) return undefined;
  try {
    return inputFrom(verb, reader.words, reader.values);
  } catch {
    return undefined;
  }
}

class PlainWords {
  readonly words: string[] = [];
  readonly values: Record<string, unknown> = {};
  readonly #definitions: Definitions;
  readonly #args: readonly string[];
  #next = 0;

  constructor(definitions: Definitions, args: readonly string[]) {
    this.#definitions = definitions;
    this.#args = args;
  }

  /** False as soon as a word is not plain. */
  read(): boolean {
    while (this.#next < this.#args.length) {
      const word = this.#args[this.#next++]!;
      if (isPlain(word)) this.words.push(word);
      else if (!this.#readOption(word)) return false;
    }
    return true;
  }

  #readOption(word: string): boolean {
    const name = this.#nameOf(word);
    if (name === undefined || Object.hasOwn(this.values, name)) return false;
    const { kind } = this.#definitions[name]!;
    if (kind === "flag") {
      this.values[name] = true;
      // yargs takes these for the value of the flag.
      return !["true", "false"].includes(this.#args[this.#next] ?? "");
    }
    const taken = this.#takePlain(kind === "text" ? 1 : Number.POSITIVE_INFINITY);
    this.values[name] = kind === "text" ? taken[0] : taken;
    return taken.length > 0;
  }

  /** Of `--name`, or `-n` for one with a letter. */
  #nameOf(word: string): string | undefined {
    if (word.startsWith("--")) {
      const name = word.slice(2);
      return Object.hasOwn(this.#definitions, name) ? name : undefined;
    }
    return Object.keys(this.#definitions).find((name) => {
      const { letter } = this.#definitions[name]!;
      return letter !== undefined && word === `-${letter}`;
    });
  }

  #takePlain(countMax: number): string[] {
    const taken: string[] = [];
    while (taken.length < countMax && isPlain(this.#args[this.#next] ?? "")) {
      taken.push(this.#args[this.#next++]!);
    }
    return taken;
  }
}

function isPlain(word: string): boolean {
  return word !== "" && !word.startsWith("-");
}
