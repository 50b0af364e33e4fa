import { appendFileSync } from "node:fs";
import type { Logger } from "./api.ts";
import { fromSystemError } from "./errors.ts";
import { redactUrl } from "./secrets.ts";

const LEVELS = ["debug", "info", "warn", "error"] as const;

/**
 * A logger that appends lines of JSON to a file, each by one call of the system, so that those of several processes do
 * not mix. Credentials in URLs are left out. The file is made with the first line; one that can't be written is lost.
 * @param level lines below it are left out
 */
export function fileLogger(path: string, level = "info"): Logger {
  const least = LEVELS.indexOf(level as (typeof LEVELS)[number]);
  const loggers = LEVELS.map((each, rank) => [
    each,
    rank < least
      ? () => {}
      : (message: string, facts?: Record<string, unknown>) => append(path, line(each, message, facts)),
  ]);
  return quietLogger(Object.fromEntries(loggers) as unknown as Logger);
}

function line(level: string, message: string, facts: Record<string, unknown> = {}): string {
  return `${redactUrl(JSON.stringify({ time: new Date().toISOString(), level, message, ...facts }))}\n`;
}

/** A logger to which nothing that `logger` throws gets through: what a store does must not depend on who logs it. */
export function quietLogger(logger: Logger): Logger {
  const loggers = LEVELS.map((each) => [
    each,
    (message: string, facts?: Record<string, unknown>) => {
      try {
        logger[each](message, facts);
      } catch {
        // There is nobody to tell.
      }
    },
  ]);
  return Object.fromEntries(loggers) as unknown as Logger;
}

/** Makes the file where there is none. @throws IO where it can't be written to */
export function checkLogFile(path: string): void {
  append(path, "");
}

function append(path: string, text: string): void {
  try {
    appendFileSync(path, text, { mode: 0o600 });
  } catch (error) {
    throw fromSystemError(error, `writing to ${path}`);
  }
}
