/** The items of the configuration: what each may be, and how a text is one. */

import { resolve } from "node:path";
import type { Json, StoreOptions } from "./api.ts";
import { VarveError } from "./errors.ts";

/** What an item's value may be: one of the words listed, or a text, a path or URL, a number of bytes, a JSON object. */
type Kind = "text" | "path" | "size" | "object" | readonly string[];

export const KINDS = {
  artifact_storage_dir: "path",
  database_url: "text",
  storage_options: "object",
  mlflow_tracking_uri: "text",
  mlflow_registry_uri: "text",
  default_ml_models_storage_backend: ["mlflow", "varve"],
  durability: ["durable", "buffered"],
  max_size: "size",
  min_free_space: "size",
  cache_size: "size",
  logging_level: ["debug", "info", "warn", "error"],
  logging_file: "path",
} as const satisfies Record<string, Kind>;

/** An item as it is called in `config.json`. */
export type ConfigItem = keyof typeof KINDS;
export const CONFIG_ITEMS = Object.keys(KINDS) as ConfigItem[];

export const DEFAULTS: Items = {
  durability: "durable",
  min_free_space: 64 * 1024 ** 2,
  cache_size: 64 * 1024 ** 2,
  logging_level: "info",
};

/** Items with their values. */
export type Items = Partial<Record<ConfigItem, Json>>;

export function isConfigItem(text: string): text is ConfigItem {
  return Object.hasOwn(KINDS, text);
}

/** The item's name among `StoreOptions`. */
export function optionName(item: string): keyof StoreOptions {
  return item.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof StoreOptions;
}

function expectation(kind: Kind): string {
  if (typeof kind !== "string") return `one of ${kind.join(", ")}`;
  return kind === "size" ? "a number of bytes" : kind === "object" ? "a JSON object" : `a ${kind}`;
}

export function fits(kind: Kind, value: unknown): boolean {
  if (typeof kind !== "string") return typeof value === "string" && kind.includes(value);
  if (kind === "size") return Number.isSafeInteger(value) && (value as number) >= 0;
  if (kind === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === "string" && value !== "";
}

/** @throws CONFIG that names the place and the item, never the value: it may be a secret. */
export function check(item: ConfigItem, value: unknown, place: string): Json {
  if (fits(KINDS[item], value)) return value as Json;
  const message = `${place}: ${item} must be ${expectation(KINDS[item])}`;
  throw new VarveError("CONFIG", message, { details: { item, place } });
}

/** `10GB` and `10G` are 10 × 1000³, `10GiB` is 10 × 1024³; NaN when it is no size. */
function parseSize(text: string): number {
  const [, amount, prefix = "", binary] = /^(\d+(?:\.\d+)?) *(?:([kmgt])(i?))?b?$/i.exec(text.trim()) ?? [];
  const power = " kmgt".indexOf(prefix.toLowerCase()); // no prefix: "" is found at 0
  return Math.floor(Number(amount) * (binary ? 1024 : 1000) ** power);
}

/** Relative paths are taken from `folder`: also that of a database file, as SQLAlchemy writes it, `sqlite:///relative.db`. */
export function anchored(item: ConfigItem, value: Json, folder: string): Json {
  if (typeof value !== "string") return value;
  const [, sqlite, file] = /^(sqlite(?:\+\w+)?:\/\/\/)([^/?][^?]*)/i.exec(value) ?? [];
  if (item === "database_url" && file !== undefined && file !== ":memory:")
    return sqlite + resolve(folder, file) + value.slice(sqlite!.length + file.length);
  const isUrl = /^[a-z][a-z0-9+.-]+:/i.test(value);
  return KINDS[item] === "path" && !isUrl ? resolve(folder, value) : value;
}

function parsedText(item: ConfigItem, text: string): unknown {
  if (KINDS[item] === "size") return parseSize(text);
  if (KINDS[item] !== "object") return text;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * The value that `text` stands for in the environment or on the command line: sizes also as `10GB` or `64MiB`, objects as JSON,
 * a relative path from `cwd`.
 * @throws CONFIG that names `place` and the item
 */
export function parseConfigValue(item: ConfigItem, text: string, place: string, cwd = process.cwd()): Json {
  return anchored(item, check(item, parsedText(item, text), place), cwd);
}

/**
 * The value of an item that is given in a program: of its own type, or a text as in `parseConfigValue`. Undefined stands for none.
 * @throws CONFIG that names the item
 */
export function parseSessionValue(item: string, value: unknown, cwd = process.cwd()): Json | undefined {
  if (!isConfigItem(item)) {
    throw new VarveError("CONFIG", `unknown item ${JSON.stringify(item)}`, {
      hint: `the items are ${CONFIG_ITEMS.join(", ")}`,
      details: { item },
    });
  }
  if (value === undefined) return undefined;
  const place = "options.set";
  if (typeof value === "string") return parseConfigValue(item, value, place, cwd);
  return anchored(item, check(item, value, place), cwd);
}
