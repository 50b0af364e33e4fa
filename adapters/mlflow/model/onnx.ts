import { stringify } from "yaml";
import type { Json } from "../../../engine/main.ts";
import type { WrittenExample } from "./example.ts";
import { writtenExample } from "./example.ts";
import type { WrittenSignature } from "./signature.ts";

/** The folder that MLflow knows as a model, for one file of ONNX. */

/** What the file is called in it. */
export const ONNX_FILE = "model.onnx";
export const MLMODEL_FILE = "MLmodel";

/** Of what else is in the folder: not for the model's own bytes. */
export interface WrittenFile {
  path: string;
  bytes: Uint8Array;
}

export interface OnnxModel {
  modelId: string;
  runId: string;
  artifactUri: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  size: number;
  /** `sha256:…` */
  digest: string;
  signature?: WrittenSignature;
  inputExample?: Json;
}

/** Python's own packages, of any version: a model of ONNX needs no special one. */
const REQUIREMENTS = ["mlflow", "numpy", "onnx", "onnxruntime", "pandas"];

/**
 * All files but the model itself, `MLmodel` last: whoever finds that finds the others. The same model gives the same bytes each time, so a
 * save that was interrupted can be taken up.
 */
export function onnxFiles(model: OnnxModel): WrittenFile[] {
  const example = model.inputExample === undefined ? undefined : writtenExample(model.inputExample);
  const texts = [
    ...(example?.files ?? []),
    ...environmentFiles(),
    { path: MLMODEL_FILE, text: yaml(mlmodelOf(model, example)) },
  ];
  return texts.map(({ path, text }) => ({ path, bytes: new TextEncoder().encode(text) }));
}

/** PyYAML reads the older version of YAML, in which `yes` and `1:30` are no texts. */
function yaml(content: object): string {
  return stringify(content, { version: "1.1", lineWidth: 0 });
}

function mlmodelOf(model: OnnxModel, example: WrittenExample | undefined): object {
  const { signature } = model;
  return {
    artifact_path: model.artifactUri,
    flavors: {
      onnx: { code: null, data: ONNX_FILE, providers: ["CPUExecutionProvider"] },
      python_function: {
        data: ONNX_FILE,
        env: { conda: "conda.yaml", virtualenv: "python_env.yaml" },
        loader_module: "mlflow.onnx",
      },
    },
    metadata: { "varve.digest": model.digest },
    model_id: model.modelId,
    model_size_bytes: model.size,
    model_uuid: model.modelId,
    run_id: model.runId,
    ...(example && { saved_input_example_info: example.info }),
    ...(signature && {
      signature: {
        inputs: signature.inputs ?? null,
        outputs: signature.outputs ?? null,
        params: signature.params ?? null,
      },
    }),
    utc_time_created: new Date(model.createdAt).toISOString().replace("T", " ").replace("Z", "000"),
  };
}

function environmentFiles(): { path: string; text: string }[] {
  const pip = { pip: REQUIREMENTS };
  const conda = {
    name: "mlflow-env",
    channels: ["conda-forge"],
    dependencies: ["python>=3.10", "pip", pip],
  };
  // Of the Python that there is.
  const virtualenv = { build_dependencies: ["pip"], dependencies: ["-r requirements.txt"] };
  return [
    { path: "conda.yaml", text: yaml(conda) },
    { path: "python_env.yaml", text: yaml(virtualenv) },
    { path: "requirements.txt", text: `${REQUIREMENTS.join("\n")}\n` },
  ];
}
