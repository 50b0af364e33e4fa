import { problemAt } from "./problem.ts";

export type TokenKind = "word" | "string" | "number" | "symbol" | "end";

export interface Token {
  kind: TokenKind;
  /** As it stands in the text. */
  text: string;
  /** What a string or number stands for; else the text. */
  value: string | number;
  /** Where it begins, in UTF-16 code units. */
  position: number;
}

const SPACE = /\s+/y;
const WORD = /[\p{L}_$][\p{L}\p{N}_$-]*/uy;
const NUMBER = /-?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?/y;
const SYMBOL = /!=|<=|>=|[=<>(),.]/y;
const WHAT_MAY_FOLLOW_A_NUMBER = /[\s=<>!(),]|$/y;

const ESCAPES: Record<string, string> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
  "/": "/",
};

/** Cuts a text into tokens; the last one is the end. */
export function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  for (;;) {
    at += match(SPACE, text, at)?.length ?? 0;
    const token = tokenAt(text, at);
    tokens.push(token);
    if (token.kind === "end") return tokens;
    at += token.text.length;
  }
}

function match(expression: RegExp, text: string, at: number): string | undefined {
  expression.lastIndex = at;
  return expression.exec(text)?.[0];
}

function tokenAt(text: string, position: number): Token {
  if (position >= text.length) return { kind: "end", text: "", value: "", position };
  const first = text[position]!;
  if (first === "'" || first === '"') return stringAt(text, position, first);
  const number = match(NUMBER, text, position);
  if (number !== undefined) return numberToken(text, position, number);
  const word = match(WORD, text, position);
  if (word !== undefined) return { kind: "word", text: word, value: word, position };
  const symbol = match(SYMBOL, text, position);
  if (symbol !== undefined) return { kind: "symbol", text: symbol, value: symbol, position };
  const character = String.fromCodePoint(text.codePointAt(position)!);
  throw problemAt(text, position, `${JSON.stringify(character)} has no meaning here`);
}

function numberToken(text: string, position: number, number: string): Token {
  const behind = position + number.length;
  if (match(WHAT_MAY_FOLLOW_A_NUMBER, text, behind) === undefined) {
    throw problemAt(
      text,
      behind,
      "a number ends here, and something else begins",
      "put a space between them, or quotes around a key or text that begins with a digit",
    );
  }
  const value = Number(number);
  if (Number.isFinite(value)) return { kind: "number", text: number, value, position };
  throw problemAt(text, position, "the number is too large");
}

function stringAt(text: string, position: number, quote: string): Token {
  let value = "";
  let at = position + 1;
  for (;;) {
    const character = text[at];
    if (character === undefined) {
      throw problemAt(text, position, "the text that begins here has no end", `end it with ${quote}`);
    }
    if (character === quote) return { kind: "string", text: text.slice(position, at + 1), value, position };
    if (character === "\\") {
      const escaped = escapeAt(text, at);
      value += escaped.value;
      at += escaped.length;
    } else {
      value += character;
      at++;
    }
  }
}

function escapeAt(text: string, position: number): { value: string; length: number } {
  const kind = text[position + 1] ?? "";
  const simple = Object.hasOwn(ESCAPES, kind) ? ESCAPES[kind] : undefined;
  if (simple !== undefined) return { value: simple, length: 2 };
  const unicode = /^u(?:([0-9a-fA-F]{4})|\{([0-9a-fA-F]{1,6})\})/.exec(
    text.slice(position + 1, position + 10),
  );
  const code = unicode && Number.parseInt(unicode[1] ?? unicode[2]!, 16);
  if (unicode && code! <= 0x10ffff) {
    return { value: String.fromCodePoint(code!), length: 1 + unicode[0].length };
  }
  throw problemAt(
    text,
    position,
    "there is no such escape",
    "there are \\\\ \\' \\\" \\/ \\n \\t \\r \\uXXXX and \\u{XXXXXX}; write \\\\ for a backslash",
  );
}
