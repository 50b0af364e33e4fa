import type { Json } from "./api.ts";

/** How filters compare JSON values: only values of the same type are equal or ordered. */

/** `null`, `boolean`, `number`, `string`, `array` or `object`. */
export function typeOf(value: Json): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "array" : typeof value;
}

export function sameType(a: Json, b: Json): boolean {
  return typeOf(a) === typeOf(b);
}

/** Deep equality; the order of keys does not matter. */
export function sameJson(a: Json, b: Json): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    return a.every((item, i) => sameJson(item, b[i]!));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key]!, b[key]!));
}

/** Negative, 0 or positive; NaN, which no comparison holds for, where the two have no order. Texts go by UTF-16 code units. */
export function compareJson(a: Json, b: Json): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (typeof a === "string" && typeof b === "string") return a < b ? -1 : a > b ? 1 : 0;
  return Number.NaN;
}
