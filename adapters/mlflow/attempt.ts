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

/** The same for a save that is repeated, and for none beside it. */
export function attemptOf(value: BackendValue, save: BackendSave, definition: string): string {
  const { storeId, name, version, isAgain } = save;
  return hashOf([storeId, name, version, digestOf(value), definition, isAgain ? randomUUID() : null]);
}
