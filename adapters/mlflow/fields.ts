import type { JsonObject } from "./transport.ts";

/** What is empty is left out of MLflow's answers, so all has a default. */

export function text(value: unknown): string {
  return typeof value === "string" ? value : typeof value === "number" ? String(value) : "";
}

/** Empty is none. */
export function optionalText(value: unknown): string | undefined {
  return text(value) || undefined;
}

/** Numbers of 64 bits come as numbers or as text. */
export function whole(value: unknown): number {
  return Number.isSafeInteger(Number(value)) ? Number(value) : 0;
}

export function object(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

export function objects(value: unknown): JsonObject[] {
  return Array.isArray(value) ? value.map(object) : [];
}

/** Of a list of keys and values. Any key may be in it. */
export function record(value: unknown, key = "key", of = "value"): Record<string, string> {
  return Object.fromEntries(objects(value).map((each) => [text(each[key]), text(each[of])]));
}

export function pairs(
  record: Readonly<Record<string, string>> | undefined,
): { key: string; value: string }[] {
  return Object.entries(record ?? {}).map(([key, value]) => ({ key, value }));
}
