import { VarveError } from "./errors.ts";

/** What several calls check alike of what they are given. */

export function invalid(message: string, hint: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", message, { hint });
}

/**
 * A misspelt name would be one that was not given.
 * @param what ends the sentence with the name behind it: `prune has no option`
 */
export function checkNames(given: object, known: readonly string[], what: string, more = ""): void {
  for (const name of Object.keys(given)) {
    if (known.includes(name)) continue;
    throw invalid(`${what} ${JSON.stringify(name)}`, `there are ${known.join(", ")}${more}`);
  }
}

export function wholeNumber(number: unknown, name: string): number {
  if (Number.isInteger(number) && (number as number) >= 0) return number as number;
  throw invalid(`${name} must be a whole number, not ${printed(number)}`, "0 or more");
}

export function flag(value: unknown, name: string): boolean | undefined {
  if (value === undefined || typeof value === "boolean") return value;
  throw invalid(`${name} must be true or false, not ${printed(value)}`, "leave it away for the default");
}

/** @param what ends "the path of" */
export function checkPath(path: unknown, what: string, hint: string): void {
  if (typeof path === "string" && path !== "" && !path.includes("\0")) return;
  throw invalid(`the path of ${what} must be a text without a zero byte, and not empty`, hint);
}

/** An empty one would be the current folder, in which nobody wants a store by mistake. */
export function checkHome(path: unknown): void {
  checkPath(path, "the home", 'give the path of a folder, for example "./.varve"');
}

export function printed(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "object" ? Object.prototype.toString.call(value) : String(value);
}

/** Without the fields that are undefined, so that spreading it over defaults keeps those. */
export function definedOnly<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
