import type { Json } from "../api.ts";
import { VarveError } from "../errors.ts";
import { parseGlob } from "../glob.ts";
import type { ComparisonOperator, Expression, Field, FieldType } from "./expression.ts";
import { FIELD_TYPES, isFieldName } from "./expression.ts";
import { problemAt } from "./problem.ts";
import { parseTime } from "./time.ts";
import type { Token } from "./tokens.ts";
import { tokensOf } from "./tokens.ts";

export const WHERE_CHARACTERS_MAX = 10_000;
/** Parentheses and `not` inside one another. */
export const WHERE_DEPTH_MAX = 100;

const COMPARISONS: readonly string[] = ["=", "!=", "<", "<=", ">", ">="];
const ORDERED: readonly string[] = ["<", "<=", ">", ">="];
const FIELDS_HINT = `the fields are ${Object.keys(FIELD_TYPES).join(", ")}, such as tags.stage and metadata.model.depth`;

/**
 * Reads a `where` text; the grammar is in `README.md`.
 * @throws INVALID_ARGUMENT that points at the place
 */
export function parseWhere(text: unknown): Expression {
  if (typeof text !== "string") {
    throw new VarveError("INVALID_ARGUMENT", "where must be a text", {
      hint: "for example where: \"metadata.accuracy >= 0.9 and tags.stage = 'dev'\"",
    });
  }
  if (text.length > WHERE_CHARACTERS_MAX) {
    throw new VarveError("INVALID_ARGUMENT", `where is longer than ${WHERE_CHARACTERS_MAX} characters`, {
      hint: "use several lists, or filter what a wider one gives",
      details: { position: WHERE_CHARACTERS_MAX },
    });
  }
  return new Parser(text).whole();
}

/** One method a rule of the grammar. */
class Parser {
  readonly #text: string;
  readonly #tokens: Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#tokens = tokensOf(text);
  }

  whole(): Expression {
    const expression = this.#or();
    if (this.#token.kind !== "end") throw this.#expected("`and`, `or` or the end");
    return expression;
  }

  #or(): Expression {
    return this.#list("or", () => this.#list("and", () => this.#term()));
  }

  #list(kind: "and" | "or", part: () => Expression): Expression {
    const parts = [part()];
    while (this.#takeWord(kind)) parts.push(part());
    return parts.length === 1 ? parts[0]! : { kind, parts };
  }

  #term(): Expression {
    if (this.#isWord("not")) return { kind: "not", part: this.#nested(() => this.#term()) };
    if (!this.#isSymbol("(")) return this.#condition();
    return this.#nested(() => {
      const inner = this.#or();
      this.#takeSymbol(")", "`)`");
      return inner;
    });
  }

  #nested(rule: () => Expression): Expression {
    if (++this.#depth > WHERE_DEPTH_MAX) {
      throw this.#problem(
        this.#token,
        `more than ${WHERE_DEPTH_MAX} parentheses and \`not\` inside one another`,
      );
    }
    this.#at++;
    const expression = rule();
    this.#depth--;
    return expression;
  }

  #condition(): Expression {
    const field = this.#field();
    const negated = this.#takeWord("not");
    const condition = this.#test(field, negated);
    return negated ? { kind: "not", part: condition } : condition;
  }

  #test(field: Field, negated: boolean): Expression {
    if (this.#takeWord("exists")) return { kind: "exists", field };
    if (this.#takeWord("in")) return { kind: "in", field, values: this.#values(field) };
    if (this.#takeWord("glob")) return this.#glob(field);
    if (negated) throw this.#expected("`in`, `glob` or `exists`");
    return this.#comparison(field);
  }

  #comparison(field: Field): Expression {
    const operator = this.#token;
    if (operator.kind !== "symbol" || !COMPARISONS.includes(operator.text)) {
      throw this.#expected("=, !=, <, <=, >, >=, `in`, `glob` or `exists`");
    }
    this.#at++;
    const token = this.#token;
    const value = this.#value(FIELD_TYPES[field.name]);
    if (ORDERED.includes(operator.text) && typeof value !== "number" && typeof value !== "string") {
      throw this.#problem(token, `${token.text} has no order`, "use = or != with true, false and null");
    }
    return { kind: "compare", field, operator: operator.text as ComparisonOperator, value };
  }

  #glob(field: Field): Expression {
    const token = this.#token;
    const type = FIELD_TYPES[field.name];
    if (type === "number" || type === "time")
      throw this.#problem(token, `${field.name} is no text, which glob is for`);
    if (token.kind !== "string" || token.value === "") throw this.#expected("a pattern in quotes");
    this.#at++;
    try {
      return { kind: "glob", field, matches: parseGlob(token.value).matches };
    } catch (error) {
      throw this.#problem(token, (error as Error).message);
    }
  }

  #field(): Field {
    const token = this.#token;
    if (token.kind !== "word" || !isFieldName(token.text)) throw this.#expected("a field", FIELDS_HINT);
    this.#at++;
    const field: Field = { name: token.text, keys: [] };
    const keysMax = { tags: 1, metadata: Number.POSITIVE_INFINITY }[field.name as string] ?? 0;
    while (field.keys.length < keysMax && this.#isSymbol(".")) {
      this.#at++;
      field.keys.push(this.#key());
    }
    if (keysMax > 0 && field.keys.length === 0) {
      throw this.#expected(
        `\`.\` and a key of ${field.name}`,
        `such as ${field.name}.stage or ${field.name}."an odd key"`,
      );
    }
    return field;
  }

  #key(): string {
    const token = this.#token;
    if (token.kind !== "word" && token.kind !== "string") {
      throw this.#expected(
        "a key",
        'keys with spaces, points or a digit in front need quotes: metadata."2024"',
      );
    }
    this.#at++;
    return token.value as string;
  }

  #values(field: Field): Json[] {
    this.#takeSymbol("(", "`(` and the values");
    const values: Json[] = [];
    do values.push(this.#value(FIELD_TYPES[field.name]));
    while (this.#skipSymbol(","));
    this.#takeSymbol(")", "`,` or `)`");
    return values;
  }

  #value(type: FieldType): Json {
    const token = this.#token;
    const value = this.#literal();
    const actual = typeof value;
    if (type === "time" && actual === "string") return this.#time(token);
    const fits = type === "any" || actual === { text: "string", number: "number", time: "string" }[type];
    if (!fits)
      throw this.#problem(token, `expected ${TYPE_WORDS[type]}, found ${token.text}`, TYPE_HINTS[type]);
    return value;
  }

  #time(token: Token): number {
    const time = parseTime(token.value as string);
    if (time === undefined) throw this.#problem(token, `not a date: ${token.text}`, TYPE_HINTS.time);
    return time;
  }

  #literal(): Json {
    const token = this.#token;
    const word = token.kind === "word" ? token.text.toLowerCase() : "";
    if (token.kind !== "string" && token.kind !== "number" && !Object.hasOwn(CONSTANTS, word)) {
      throw this.#expected("a value", "a value is a number, a text in quotes, true, false or null");
    }
    this.#at++;
    return token.kind === "word" ? CONSTANTS[word]! : token.value;
  }

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }

  #isWord(word: string): boolean {
    return this.#token.kind === "word" && this.#token.text.toLowerCase() === word;
  }

  #isSymbol(symbol: string): boolean {
    return this.#token.kind === "symbol" && this.#token.text === symbol;
  }

  #takeWord(word: string): boolean {
    const found = this.#isWord(word);
    if (found) this.#at++;
    return found;
  }

  #skipSymbol(symbol: string): boolean {
    const found = this.#isSymbol(symbol);
    if (found) this.#at++;
    return found;
  }

  #takeSymbol(symbol: string, what: string): void {
    if (!this.#skipSymbol(symbol)) throw this.#expected(what);
  }

  #expected(what: string, hint?: string): VarveError {
    const found = this.#token.kind === "end" ? "the end" : this.#token.text.slice(0, 100);
    return this.#problem(this.#token, `expected ${what}, found ${found}`, hint);
  }

  #problem(token: Token, message: string, hint?: string): VarveError {
    return problemAt(this.#text, token.position, message, hint);
  }
}

const CONSTANTS: Record<string, Json> = { true: true, false: false, null: null };

const TYPE_WORDS: Record<FieldType, string> = {
  text: "a text in quotes",
  number: "a number",
  time: "a date in quotes",
  any: "a value",
};

const TYPE_HINTS: Record<FieldType, string> = {
  text: "this field is a text: put quotes around the value",
  number: "this field is a number: leave the quotes away",
  time: "a date is like '2026-11-24', '2026-11-24 10:00' or '2026-11-24T10:00:00.123Z', in UTC unless it names a zone",
  any: "",
};
