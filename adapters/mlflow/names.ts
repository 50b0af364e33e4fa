import { VarveError } from "../../engine/main.ts";

/** What MLflow takes as names, tags and parameters. What it would refuse, cut off or could not find again is refused before. */

/** Of runs and registered models: databases have columns of this width. */
const NAME_MAX = 250;
const EXPERIMENT_MAX = 500;
const ALIAS_MAX = 255;
const KEY_MAX = 250;
/** Longer ones are cut off without a word. */
const TAG_MAX = 8000;
const PARAM_MAX = 6000;
const COUNT_MAX = 100;
/** Of keys: MLflow makes paths of them. */
const KEY = /^[\w\-. :/]+$/;
const ALIAS = /^[\p{L}\p{N}_-]+$/u;
/** A URI that names a logged model looks so. */
const MODEL_ID = /^m-[0-9a-f]{32}$/;
/** Such a tag is the store's own, or tells what MLflow itself does. */
const OWN_TAG = /^(varve\.|mlflow\.(modelVersions|runName|user|parentRunId)$)/;

export function refusedOption(option: string, problem: string, hint: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `mlflow.${option} ${problem}`, {
    hint,
    details: { option: `mlflow.${option}` },
  });
}

/** @throws INVALID_ARGUMENT for what is no text that a database takes, or is empty or too long */
export function takeText(option: string, given: unknown, lengthMax: number): string {
  if (typeof given !== "string" || given.trim() === "")
    throw refusedOption(option, "must be a text, and not empty", "leave it away for the default");
  if (given.length > lengthMax)
    throw refusedOption(option, `is longer than ${lengthMax} characters`, "MLflow keeps no longer one");
  return checkCharacters(option, given);
}

function checkCharacters(option: string, text: string): string {
  if (text.isWellFormed() && !text.includes("\0")) return text;
  throw refusedOption(option, "has a zero byte, or half of a character", "use whole characters of Unicode");
}

export function takeExperiment(given: unknown): string {
  return takeText("experiment", given, EXPERIMENT_MAX);
}

export function takeRunName(given: unknown): string {
  return takeText("runName", given, NAME_MAX);
}

export function takeRegisteredName(given: unknown): string {
  const option = "registeredModelName";
  const name = takeText(option, given, NAME_MAX);
  const hint = "use letters, digits, `.`, `_` and `-`";
  // `models:/name/3` and `models:/name@alias` could not be read, and filters can't hold both quotes.
  if (/[/:@%#?"'`\\\p{C}]/u.test(name)) throw refusedOption(option, `can't be ${JSON.stringify(name)}`, hint);
  if (MODEL_ID.test(name))
    throw refusedOption(option, "looks like the id of a logged model", "use a name that no id looks like");
  if (/^\.+$|^\s|\s$/.test(name)) throw refusedOption(option, `can't be ${JSON.stringify(name)}`, hint);
  return name;
}

/** What it is called where none is given: letters and digits of any script stay, so that two names hardly become one. */
export function registeredNameOf(artifactName: string): string {
  return artifactName.replace(/[^\p{L}\p{M}\p{N}._-]/gu, "-");
}

/** Of the logged model, and in `runs:/…/name`: it has fewer characters than a registered one. */
export function modelNameOf(registeredName: string): string {
  return registeredName.replace(/[^A-Za-z0-9_-]/gu, "-");
}

export function takeAlias(option: string, given: unknown): string {
  const alias = takeText(option, given, ALIAS_MAX);
  if (!ALIAS.test(alias)) {
    throw refusedOption(
      option,
      `can't be ${JSON.stringify(alias)}`,
      "an alias of MLflow has letters, digits, `_` and `-`",
    );
  }
  if (/^(latest|v\d+)$/i.test(alias)) {
    throw refusedOption(
      option,
      `can't be ${JSON.stringify(alias)}`,
      "MLflow keeps `latest` and `v1`, `v2`, … for itself",
    );
  }
  return alias;
}

function takeKey(option: string, key: string): void {
  takeText(option, key, KEY_MAX);
  const isPath = !/^\/|\/\/|\/$|^\s|\s$/.test(key) && !key.split("/").some((part) => /^\.{1,2}$/.test(part));
  if (KEY.test(key) && isPath) return;
  const hint = "MLflow takes letters, digits, `_`, `-`, `.`, `:`, spaces, and `/` between parts";
  throw refusedOption(option, `has the name ${JSON.stringify(key)}`, hint);
}

function entriesOf(option: string, given: unknown): [string, unknown][] {
  const isPlain = typeof given === "object" && given !== null && !Array.isArray(given);
  if (!isPlain) throw refusedOption(option, "must be an object", 'for example { team: "vision" }');
  const entries = Object.entries(given);
  if (entries.length <= COUNT_MAX) return entries;
  throw refusedOption(option, `has more than ${COUNT_MAX} entries`, "MLflow takes no more at once");
}

/** @throws INVALID_ARGUMENT that names the option and the key */
export function takeTags(option: string, given: unknown): Record<string, string> {
  const entries = entriesOf(option, given).map(([key, value]): [string, string] => {
    takeKey(option, key);
    if (OWN_TAG.test(key)) {
      const hint = "these tags tell what finds the model again; use another name";
      throw refusedOption(option, `can't have ${JSON.stringify(key)}`, hint);
    }
    if (typeof value !== "string")
      throw refusedOption(`${option}.${key}`, "must be a text", "tags are texts: use `String(value)`");
    return [key, takeValue(`${option}.${key}`, value, TAG_MAX)];
  });
  return Object.fromEntries(entries);
}

export function takeParams(option: string, given: unknown): Record<string, string> {
  const entries = entriesOf(option, given).map(([key, value]): [string, string] => {
    takeKey(option, key);
    if (!["string", "number", "boolean"].includes(typeof value)) {
      const hint = "a parameter is a text, a number, true or false";
      throw refusedOption(`${option}.${key}`, `can't be ${typeof value}`, hint);
    }
    return [key, takeValue(`${option}.${key}`, String(value), PARAM_MAX)];
  });
  return Object.fromEntries(entries);
}

function takeValue(option: string, value: string, lengthMax: number): string {
  if (value.length <= lengthMax) return checkCharacters(option, value);
  const hint = "MLflow cuts longer ones off";
  throw refusedOption(option, `is longer than ${lengthMax} characters`, hint);
}
