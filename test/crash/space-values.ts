import type { ValueKey } from "./space-events.ts";

/** The value of a key, which tells its size: `<bytes>.<what tells it from others>`. */
export function valueOfKey(key: ValueKey): { key: ValueKey; pad: string } {
  return { key, pad: "x".repeat(Number.parseInt(key, 10)) };
}

/** The key of a value that was loaded; what is wrong with it where it has none. */
export function keyOf(value: unknown): ValueKey | { wrong: string } {
  const { key, pad } = (value ?? {}) as { key?: unknown; pad?: unknown };
  if (typeof key !== "string" || pad !== valueOfKey(key).pad)
    return { wrong: `a value that nobody saved: ${JSON.stringify(value)?.slice(0, 100)}` };
  return key;
}

/** Code that is too long to stand in the record: a blob of its own. */
export function codeOf(key: ValueKey): string {
  return `${key}\n${"c".repeat(1_000)}`;
}

export function codeKeyOf(text: string | undefined): ValueKey | undefined {
  if (text === undefined) return undefined;
  const key = text.slice(0, text.indexOf("\n"));
  return text === codeOf(key) ? key : `wrong code: ${text.slice(0, 50)}`;
}
