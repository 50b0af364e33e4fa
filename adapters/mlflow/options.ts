import type { BackendValue, Json } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { takeExample } from "./model/example.ts";
import type { WrittenSignature } from "./model/signature.ts";
import { takeSignature } from "./model/signature.ts";
import {
  refusedOption,
  registeredNameOf,
  takeAlias,
  takeExperiment,
  takeParams,
  takeRegisteredName,
  takeRunName,
  takeTags,
} from "./names.ts";

/** What a save was given for MLflow, checked, and a copy: nobody can change it any more. */
export interface TakenOptions {
  experiment: string;
  runName?: string;
  registeredName: string;
  aliases: readonly string[];
  tags: Readonly<Record<string, string>>;
  params: Readonly<Record<string, string>>;
  signature?: WrittenSignature;
  inputExample?: Json;
}

const KNOWN = [
  "experiment",
  "runName",
  "registeredModelName",
  "aliases",
  "tags",
  "params",
  "signature",
  "inputExample",
];
const ALIASES_MAX = 100;

/**
 * @param name of the artifact
 * @throws INVALID_ARGUMENT that names the option
 */
export function takeOptions(name: string, given: unknown, kind: BackendValue["kind"]): TakenOptions {
  const options = checkedObject(given);
  if (kind === "directory")
    for (const option of ["signature", "inputExample"]) checkNotGiven(option, options[option]);
  const { experiment, runName, registeredModelName, aliases, tags, params, signature, inputExample } =
    options;
  return {
    experiment: experiment === undefined ? "Default" : takeExperiment(experiment),
    ...(runName !== undefined && { runName: takeRunName(runName) }),
    registeredName: takeRegisteredName(registeredModelName ?? registeredNameOf(name)),
    aliases: aliases === undefined ? [] : takeAliases(aliases),
    tags: tags === undefined ? {} : takeTags("tags", tags),
    params: params === undefined ? {} : takeParams("params", params),
    ...(signature !== undefined && { signature: takeSignature(signature) }),
    ...(inputExample !== undefined && { inputExample: takeExample(inputExample) }),
  };
}

function checkedObject(given: unknown): Record<string, unknown> {
  if (given === undefined) return {};
  if (typeof given !== "object" || given === null || Array.isArray(given)) {
    throw new VarveError("INVALID_ARGUMENT", "mlflow must be an object", {
      hint: `it may have ${KNOWN.join(", ")}`,
      details: { option: "mlflow" },
    });
  }
  for (const key of Object.keys(given)) {
    if (KNOWN.includes(key)) continue;
    throw refusedOption(key, "is no option", `there are ${KNOWN.join(", ")}`);
  }
  return given as Record<string, unknown>;
}

/** The folder's own `MLmodel` tells it. */
function checkNotGiven(option: string, value: unknown): void {
  if (value === undefined) return;
  const hint = "it is logged as it is: give it to `save_model`, which writes the folder";
  throw refusedOption(option, "can't be given for a folder", hint);
}

function takeAliases(given: unknown): string[] {
  if (!Array.isArray(given)) throw refusedOption("aliases", "must be an array", 'for example ["production"]');
  if (given.length > ALIASES_MAX)
    throw refusedOption("aliases", `has more than ${ALIASES_MAX} entries`, "use tags for what is no name");
  return [...new Set(given.map((alias, index) => takeAlias(`aliases[${index}]`, alias)))];
}
