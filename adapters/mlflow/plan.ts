import { createHash } from "node:crypto";
import type { BackendFile, BackendSave, BackendValue, CallOptions } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import { attemptOf, definitionOf, digestOf, TAGS } from "./attempt.ts";
import { readFolderModel } from "./model/mlmodel.ts";
import { MLMODEL_FILE, ONNX_FILE, onnxFiles } from "./model/onnx.ts";
import type { TakenOptions } from "./options.ts";
import type { LoggedModel } from "./protocol.ts";
import type { Upload } from "./upload.ts";

/** A save as it will be made, known before anything is sent. */
export interface Plan {
  value: BackendValue;
  save: BackendSave;
  taken: TakenOptions;
  digest: string;
  definition: string;
  attempt: string;
  /** On all that is made. */
  tags: Record<string, string>;
  flavor: string;
  /** Of a value that is one file: its path in the model. */
  file?: string;
}

/** Others are stored under other names, or can't be read any more: MLflow's server decodes them, and answers with them in headers. */
const PATH = /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/;

/** @throws NOT_SUPPORTED for what MLflow can't keep */
export async function planOf(value: BackendValue, save: BackendSave, options: CallOptions): Promise<Plan> {
  for (const { path } of value.files) checkPath(path);
  const flavor = value.kind === "file" ? "onnx" : (await readFolderModel(value, options)).flavor;
  const taken = save.options as TakenOptions;
  const digest = digestOf(value);
  const definition = definitionOf(value, taken);
  const attempt = attemptOf(value, save, definition);
  const tags = {
    ...taken.tags,
    [TAGS.store]: save.storeId,
    [TAGS.name]: save.name,
    [TAGS.version]: String(save.version),
    [TAGS.digest]: digest,
    [TAGS.definition]: definition,
    [TAGS.attempt]: attempt,
  };
  const file = value.kind === "file" ? { file: ONNX_FILE } : {};
  return { value, save, taken, digest, definition, attempt, tags, flavor, ...file };
}

function checkPath(path: string): void {
  const isWritable = PATH.test(path) && !path.split("/").some((part) => part === "." || part === "..");
  if (isWritable) return;
  throw new VarveError("NOT_SUPPORTED", `MLflow can't keep a file called ${JSON.stringify(path)}`, {
    hint: 'name it with letters of ASCII, digits, `.`, `_` and `-`, or save it with `backend: "varve"`',
    details: { path },
  });
}

/** All files of the model, `MLmodel` last. The same ones for the same model each time. */
export function uploadsOf(plan: Plan, model: LoggedModel): Upload[] {
  const { value, taken } = plan;
  const own = value.files.map((file) => fileUpload(value, file));
  if (value.kind === "directory")
    return [
      ...own.filter(({ path }) => path !== MLMODEL_FILE),
      own.find(({ path }) => path === MLMODEL_FILE)!,
    ];
  const written = onnxFiles({
    modelId: model.id,
    runId: model.runId ?? "",
    artifactUri: model.artifactUri,
    createdAt: model.createdAt,
    size: value.size,
    digest: plan.digest,
    ...(taken.signature && { signature: taken.signature }),
    ...(taken.inputExample !== undefined && { inputExample: taken.inputExample }),
  });
  const made = written.map(({ path, bytes }) => ({
    path,
    size: bytes.byteLength,
    digest: createHash("sha256").update(bytes).digest(),
    pieces: () => once(bytes),
  }));
  return [...own.map((upload) => ({ ...upload, path: ONNX_FILE })), ...made];
}

function fileUpload(value: BackendValue, file: BackendFile): Upload {
  const { path, size, digest } = file;
  return { path, size, digest, pieces: (options) => value.pieces(file, options) };
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.byteLength > 0) yield bytes;
}
