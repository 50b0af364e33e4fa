/** The configuration: which items there are, where a value comes from, and the file in the home that keeps them. */

import { randomBytes } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { Json, JsonObject, StoreOptions } from "./api.ts";
import type { ConfigItem, Items } from "./config-items.ts";
import {
  anchored,
  CONFIG_ITEMS,
  check,
  DEFAULTS,
  fits,
  isConfigItem,
  optionName,
  parseConfigValue,
} from "./config-items.ts";
import { fromSystemError, VarveError } from "./errors.ts";

export type { ConfigItem } from "./config-items.ts";
export { CONFIG_ITEMS, isConfigItem, parseConfigValue, parseSessionValue } from "./config-items.ts";
export { redactUrl, SECRET_NAME, withoutSecrets } from "./secrets.ts";

/** One item with its value (undefined: none) and where that came from. */
export interface ConfigEntry {
  item: "home" | ConfigItem;
  value: Json | undefined;
  origin: "option" | "environment" | "file" | "default";
  /** The name of the environment variable, or the path of the file. */
  from?: string;
}

type Overrides = Partial<StoreOptions>;
type Variables = Record<string, string | undefined>;

/** What stands in for the process in {@link resolveConfig} and {@link loadConfig}. */
export interface ConfigSources {
  env?: Variables;
  cwd?: string;
}

export function configFilePath(home: string): string {
  return join(home, "config.json");
}

function variableNames(item: ConfigItem): string[] {
  const name = item.toUpperCase();
  return name.startsWith("MLFLOW_") ? [`VARVE_${name}`, name] : [`VARVE_${name}`];
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
