/** The configuration: which items there are, where a value comes from, and the file in the home that keeps them. */

import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Json, JsonObject, StoreOptions } from "./api.ts";
import { fromSystemError, VarveError } from "./errors.ts";

/** What an item's value may be: one of the words listed, or a text, a path or URL, a number of bytes, a JSON object. */
type Kind = "text" | "path" | "size" | "object" | readonly string[];

const KINDS = {
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

const DEFAULTS: Items = {
  durability: "durable",
  min_free_space: 64 * 1024 ** 2,
  cache_size: 64 * 1024 ** 2,
  logging_level: "info",
};

/** One item with its value (undefined: none) and where that came from. */
export interface ConfigEntry {
  item: "home" | ConfigItem;
  value: Json | undefined;
  origin: "option" | "environment" | "file" | "default";
  /** The name of the environment variable, or the path of the file. */
  from?: string;
}

type Overrides = Partial<StoreOptions>;
type Items = Partial<Record<ConfigItem, Json>>;
type Variables = Record<string, string | undefined>;

/** What stands in for the process in {@link resolveConfig} and {@link loadConfig}. */
export interface ConfigSources {
  env?: Variables;
  cwd?: string;
}

export function isConfigItem(text: string): text is ConfigItem {
  return Object.hasOwn(KINDS, text);
}

export function configFilePath(home: string): string {
  return join(home, "config.json");
}

/** The item's name among `StoreOptions`. */
function optionName(item: string): keyof StoreOptions {
  return item.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()) as keyof StoreOptions;
}

function variableNames(item: ConfigItem): string[] {
  const name = item.toUpperCase();
  return name.startsWith("MLFLOW_") ? [`VARVE_${name}`, name] : [`VARVE_${name}`];
}

function expectation(kind: Kind): string {
  if (typeof kind !== "string") return `one of ${kind.join(", ")}`;
  return kind === "size" ? "a number of bytes" : kind === "object" ? "a JSON object" : `a ${kind}`;
}

function fits(kind: Kind, value: unknown): boolean {
  if (typeof kind !== "string") return typeof value === "string" && kind.includes(value);
  if (kind === "size") return Number.isSafeInteger(value) && (value as number) >= 0;
  if (kind === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  return typeof value === "string" && value !== "";
}

/** @throws CONFIG that names the place and the item, never the value: it may be a secret. */
function check(item: ConfigItem, value: unknown, place: string): Json {
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

function anchored(item: ConfigItem, value: Json, folder: string): Json {
  const isUrl = typeof value === "string" && /^[a-z][a-z0-9+.-]+:/i.test(value);
  return KINDS[item] === "path" && !isUrl ? resolve(folder, value as string) : value;
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

/** Only the position of the mistake: the parser's own message quotes the text, which may hold a secret. */
function parseFile(text: string, file: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    const position = /position \d+/.exec((error as Error).message)?.[0];
    throw new VarveError("CONFIG", `${file} is not valid JSON${position ? ` (at ${position})` : ""}`, {
      hint: 'correct it, or replace it by {} to start from the defaults; each item is written as "name": value',
      details: { file },
    });
  }
}

function readFileObject(home: string): JsonObject {
  const file = configFilePath(home);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    // ENOTDIR: the home itself is no folder; opening the store says so better.
    if (["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return {};
    throw fromSystemError(error, `reading ${file}`);
  }
  const content = parseFile(text, file);
  if (fits("object", content)) return content as JsonObject;
  throw new VarveError("CONFIG", `${file} must be a JSON object`, { details: { file } });
}

function checkFileObject(content: JsonObject, file: string): Items {
  for (const [item, value] of Object.entries(content)) {
    if (!isConfigItem(item)) {
      throw new VarveError("CONFIG", `${file}: unknown item ${JSON.stringify(item)}`, {
        hint: `the items are ${CONFIG_ITEMS.join(", ")}`,
        details: { item, file },
      });
    }
    check(item, value, file);
  }
  return content as Items;
}

function fileItems(home: string): Items {
  return checkFileObject(readFileObject(home), configFilePath(home));
}

/**
 * What the home's `config.json` says, and nothing else; `{}` where there is none. Relative paths in it are taken from the home.
 * @throws CONFIG that names the file and the item
 */
export function readConfigFile(home: string): Partial<StoreOptions> {
  const folder = resolve(home);
  const entries = Object.entries(fileItems(folder)) as [ConfigItem, Json][];
  return Object.fromEntries(
    entries.map(([item, value]) => [optionName(item), anchored(item, value, folder)]),
  );
}

function nearestHome(folder: string): string | undefined {
  const candidate = join(folder, ".varve");
  if (statSync(candidate, { throwIfNoEntry: false })?.isDirectory()) return candidate;
  const parent = dirname(folder);
  return parent === folder ? undefined : nearestHome(parent);
}

/** The home: the option, VARVE_HOME, the nearest `.varve` folder at or above the current one, or `~/.varve`. */
export function resolveHome({ home: given }: Overrides = {}, sources: ConfigSources = {}): ConfigEntry {
  const { env = process.env, cwd = process.cwd() } = sources;
  const item = "home";
  if (given !== undefined && !fits("path", given))
    throw new VarveError("CONFIG", "option home must be a path");
  if (given !== undefined) return { item, value: resolve(cwd, given), origin: "option" };
  const from = "VARVE_HOME";
  if (env[from]) return { item, value: resolve(cwd, env[from]), origin: "environment", from };
  const value = nearestHome(resolve(cwd)) ?? join(env.HOME || homedir(), ".varve");
  return { item, value, origin: "default" };
}

function optionEntry(item: ConfigItem, options: Overrides, cwd: string): ConfigEntry | undefined {
  const name = optionName(item);
  if (options[name] === undefined) return undefined;
  const value = check(item, options[name], `option ${name}`);
  return { item, value: anchored(item, value, cwd), origin: "option" };
}

/** An empty variable counts as unset: that is how most shells and CI systems write "none". */
function environmentEntry(item: ConfigItem, env: Variables, cwd: string): ConfigEntry | undefined {
  const from = variableNames(item).find((name) => env[name]);
  if (from === undefined) return undefined;
  const value = parseConfigValue(item, env[from]!, `the environment variable ${from}`, cwd);
  return { item, value, origin: "environment", from };
}

function fileEntry(item: ConfigItem, file: Items, home: string): ConfigEntry | undefined {
  const value = file[item];
  if (value === undefined) return undefined;
  return { item, value: anchored(item, value, home), origin: "file", from: configFilePath(home) };
}

/**
 * Every item with its value and origin, `home` first. This and {@link loadConfig} are the only readers of the environment.
 * @throws CONFIG that names the file, variable or option, and the item
 */
export function resolveConfig(overrides: Overrides = {}, sources: ConfigSources = {}): ConfigEntry[] {
  const { env = process.env, cwd = process.cwd() } = sources;
  const first = resolveHome(overrides, sources);
  const home = first.value as string;
  const file = fileItems(home);
  const entries = CONFIG_ITEMS.map(
    (item): ConfigEntry =>
      optionEntry(item, overrides, cwd) ??
      environmentEntry(item, env, cwd) ??
      fileEntry(item, file, home) ?? { item, value: DEFAULTS[item], origin: "default" },
  );
  const entry = (item: ConfigItem) => entries.find((each) => each.item === item)!;
  if (entry("mlflow_tracking_uri").value) entry("default_ml_models_storage_backend").value ??= "mlflow";
  return [first, ...entries];
}

/**
 * The options for `openStore`: `overrides`, then the environment, then the home's file, then the defaults.
 * @throws CONFIG that names the file, variable or option, and the item
 */
export async function loadConfig(
  overrides: Overrides = {},
  sources: ConfigSources = {},
): Promise<StoreOptions> {
  const resolved = resolveConfig(overrides, sources).map(({ item, value }) => [optionName(item), value]);
  const entries = [...Object.entries(overrides), ...resolved];
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

async function replaceFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await writeFile(temporary, text, { flag: "wx", mode: 0o600, flush: true });
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw fromSystemError(error, `writing ${file}`);
  }
}

/**
 * Sets an item in the home's `config.json` (`undefined` removes it) and keeps the others. A reader sees the old file or the new one.
 * @throws CONFIG for an unknown item, a value of the wrong type, or a file with another mistake in it
 */
export async function writeConfigItem(home: string, item: string, value: Json | undefined): Promise<void> {
  const file = configFilePath(resolve(home));
  const { [item]: _, ...others } = readFileObject(resolve(home));
  const content = value === undefined ? others : { ...others, [item]: value };
  checkFileObject(content, file);
  await replaceFile(file, `${JSON.stringify(content, null, 2)}\n`);
}

/** Names of query values and storage options whose values are secrets. */
export const SECRET_NAME = /pass|pwd|secret|token|key|credential|signature|^sig$/i;

/** Everything up to the last `@` goes: a password that was not escaped may itself hold `/`, `?` or `@`. */
function withoutUser(scheme: string, rest: string): string {
  const first = rest.split(/[/?#]/, 1)[0]!;
  const plainHost = /^(\[[^\]]*\]|[^:@]*)(:\d*)?$/.test(first);
  if (plainHost || !rest.includes("@")) return scheme + rest;
  return `${scheme}***@${rest.slice(rest.lastIndexOf("@") + 1)}`;
}

/** `text` with the credentials of every URL in it replaced by `***`: the user part, and query values that are named like a secret. */
export function redactUrl(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/)(\S+)/gi, (_, scheme: string, rest: string) =>
    withoutUser(scheme, rest).replace(/([?&])([^=&#]+)=([^&#]*)/g, (pair, mark: string, name: string) =>
      SECRET_NAME.test(name) ? `${mark}${name}=***` : pair,
    ),
  );
}
