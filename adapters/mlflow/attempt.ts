import { createHash, randomUUID } from "node:crypto";
import type { BackendSave, BackendValue } from "../../engine/main.ts";
import type { TakenOptions } from "./options.ts";

/** What a save writes on all that it makes, so that it is found again: nothing else says what belongs together. */
export const TAGS = {
  /** The store's id. */
  store: "varve.store",
  /** Of the artifact. */
  name: "varve.name",
  version: "varve.version",
  /** `sha256:…` of the value. */
  digest: "varve.digest",
  /** What else the files of the model depend on. */
  definition: "varve.definition",
  /** One save, however often it is repeated. */
  attempt: "varve.attempt",
} as const;

/** Goes up when the files that are written for a model of ONNX change. */
const FORMAT = 1;

export function digestOf(value: BackendValue): string {
  return `sha256:${Buffer.from(value.digest).toString("hex")}`;
}

function hashOf(content: unknown): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 32);
}

/** Of two values with the same digest and the same definition, all files are the same. */
export function definitionOf(value: BackendValue, taken: TakenOptions): string {
  if (value.kind === "directory") return "folder";
  return hashOf([FORMAT, taken.signature ?? null, taken.inputExample ?? null]);
}

/** The same for a save that is repeated as it was, and for none beside it: a run can't be given other parameters. */
export function attemptOf(value: BackendValue, save: BackendSave, definition: string): string {
  const { storeId, name, version, isAgain } = save;
  const { experiment, runName, registeredName, tags, params } = save.options as TakenOptions;
  const given = [experiment, runName ?? null, registeredName, Object.entries(tags), Object.entries(params)];
  const again = isAgain ? randomUUID() : null;
  return hashOf([storeId, name, version, digestOf(value), definition, given, again]);
}
