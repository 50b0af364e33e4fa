import { usageError } from "./errors.ts";

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** Milliseconds of `500ms`, `30s`, `1.5m` or `2h`. */
export function parseDuration(text: string, option: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text);
  if (!found)
    throw usageError(`${option} is no time: ${JSON.stringify(text)}`, "write 500ms, 30s, 10m or 2h");
  return Number(found[1]) * MILLISECONDS[found[2]!]!;
}
