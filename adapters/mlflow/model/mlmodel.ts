import { parseDocument } from "yaml";
import type { BackendFile, BackendValue, CallOptions } from "../../../engine/main.ts";
import { VarveError } from "../../../engine/main.ts";
import { MLMODEL_FILE } from "./onnx.ts";

/** A description is short; what is longer is none, and not to be parsed. */
const MLMODEL_MAX = 16 * 1024 * 1024;
/** Whatever else can load it, this can: it says little. */
const GENERAL_FLAVOR = "python_function";

/** What a folder says of itself. */
export interface FolderModel {
  file: BackendFile;
  /** Such as `sklearn`. */
  flavor: string;
}

/** @throws NOT_SUPPORTED for what MLflow could not load */
export async function readFolderModel(value: BackendValue, options?: CallOptions): Promise<FolderModel> {
  const file = value.files.find(({ path }) => path === MLMODEL_FILE);
  if (!file) throw noModel("it has no file MLmodel at its top");
  return { file, flavor: flavorOf(await readShort(value.pieces(file, options))) };
}

/** The bytes of an `MLmodel`. @throws NOT_SUPPORTED where they are so many that it can't be one */
export async function readShort(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const read: Uint8Array[] = [];
  let size = 0;
  for await (const piece of pieces) {
    size += piece.byteLength;
    if (size > MLMODEL_MAX) throw noModel("its MLmodel is longer than 16 MiB");
    read.push(Uint8Array.from(piece));
  }
  return Buffer.concat(read);
}

/** @throws NOT_SUPPORTED */
export function flavorOf(bytes: Uint8Array): string {
  const flavors = Object.keys(flavorsOf(bytes));
  const flavor = flavors.find((name) => name !== GENERAL_FLAVOR) ?? flavors[0];
  if (flavor === undefined) throw noModel("its MLmodel has no flavors");
  return flavor;
}

function flavorsOf(bytes: Uint8Array): object {
  // Aliases could make it any size.
  const document = parseDocument(Buffer.from(bytes).toString("utf8"), { version: "1.1", logLevel: "silent" });
  if (document.errors[0]) throw noModel("its MLmodel is no YAML", document.errors[0]);
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw noModel("its MLmodel is no YAML", error);
  }
  const flavors = isObject(content) ? (content as { flavors?: unknown }).flavors : undefined;
  if (isObject(flavors)) return flavors;
  throw noModel("its MLmodel has no flavors");
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function noModel(why: string, cause?: unknown): VarveError {
  return new VarveError("NOT_SUPPORTED", `this is no model of MLflow: ${why}`, {
    hint: 'save it with `backend: "varve"`, or save the folder that `mlflow.<flavor>.save_model` has written',
    cause,
  });
}
