/** The options of `save` that say what keeps a value, and how MLflow does. */

import type { Json, MlflowSaveOptions, MlflowSignature, SaveOptions } from "../engine/main.ts";
import type { Io } from "./context.ts";
import { usageError } from "./errors.ts";
import { parseJson } from "./json-forms.ts";
import { choiceFrom, optional, tagsFrom } from "./pairs.ts";
import { readText } from "./reading.ts";
import type { OptionValues } from "./verb.ts";

const BACKENDS = ["varve", "mlflow"] as const;

const mlflowOptions = {
  "mlflow-experiment": { kind: "text", describe: "the experiment of the model, made where there is none" },
  "mlflow-run-name": { kind: "text", describe: "the name of the run that logs the model" },
  "mlflow-registered-model-name": {
    kind: "text",
    describe: "the registered model that gets a version; by default it is called as the artifact",
  },
  "mlflow-alias": { kind: "list", describe: "aliases of the registered model that move to the new version" },
  "mlflow-tag": { kind: "list", describe: "tags of the run, the model and its version, as key=value" },
  "mlflow-param": { kind: "list", describe: "parameters of the run and the model, as key=value" },
  "mlflow-signature": {
    kind: "text",
    describe: "a file with what the model takes and gives: JSON with inputs, outputs, params",
  },
  "mlflow-input-example": { kind: "text", describe: "a file with an example of what the model takes: JSON" },
} as const;

export const backendOptions = {
  backend: {
    kind: "text",
    describe: `what keeps it: ${BACKENDS.join(" or ")}; by default MLflow keeps models where it is configured`,
  },
  ...mlflowOptions,
} as const;

type Values = OptionValues<typeof backendOptions>;

/** @throws a usage error for options that contradict each other, or a file that is no JSON */
export async function backendFrom(values: Values, io: Io): Promise<Pick<SaveOptions, "backend" | "mlflow">> {
  const backend = choiceFrom(values.backend, "backend", BACKENDS);
  const given = givenIn(values);
  if (given.length === 0) return optional("backend", backend);
  if (backend === "varve") {
    throw usageError(
      `--${given[0]} is for what MLflow keeps, and --backend is varve`,
      "leave one of both out",
    );
  }
  return { ...optional("backend", backend), mlflow: await mlflowFrom(values, io) };
}

function givenIn(values: Values): string[] {
  const names = Object.keys(mlflowOptions) as (keyof typeof mlflowOptions)[];
  return names.filter((name) => values[name] !== undefined && values[name].length > 0);
}

async function mlflowFrom(values: Values, io: Io): Promise<MlflowSaveOptions> {
  const { "mlflow-alias": aliases, "mlflow-tag": tags, "mlflow-param": params } = values;
  // What is in the files is checked by the library.
  const signature = (await jsonOf("mlflow-signature", values, io)) as MlflowSignature | undefined;
  const inputExample = (await jsonOf("mlflow-input-example", values, io)) as Json | undefined;
  return {
    ...optional("experiment", values["mlflow-experiment"]),
    ...optional("runName", values["mlflow-run-name"]),
    ...optional("registeredModelName", values["mlflow-registered-model-name"]),
    ...(aliases.length > 0 && { aliases }),
    ...(tags.length > 0 && { tags: tagsFrom(tags, "mlflow-tag") }),
    ...(params.length > 0 && { params: tagsFrom(params, "mlflow-param") }),
    ...optional("signature", signature),
    ...optional("inputExample", inputExample),
  };
}

async function jsonOf(
  option: "mlflow-signature" | "mlflow-input-example",
  values: Values,
  io: Io,
): Promise<unknown> {
  const file = values[option];
  if (file === undefined) return undefined;
  // There is one stdin, which the value may come from.
  if (file === "-") throw usageError(`--${option} needs a file, not stdin`);
  return parseJson(await readText(file, io), `--${option} ${file}`);
}
