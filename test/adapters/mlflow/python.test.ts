import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMlflow } from "../../../adapters/mlflow/open.ts";
import type { BackendPlace, StorageBackend } from "../../../engine/main.ts";
import { newFolder, removeFolders } from "../../helpers/folders.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { PythonSide } from "./python-side.ts";
import { bytesOf, fileValue, folderValue, fresh, keepIn, sha256 } from "./values.ts";

/** Both directions, with MLflow's own library on the other side. */
const test = suite("MLflow's Python library");

const IRIS = {
  signature: {
    inputs: [{ name: "X", dtype: "float32", shape: [-1, 4] }],
    outputs: [
      { name: "label", dtype: "int64", shape: [-1] },
      { name: "probabilities", dtype: "float32", shape: [-1, 3] },
    ],
  },
  inputExample: [[5.1, 3.5, 1.4, 0.2]],
};

let python: PythonSide;
let backend: StorageBackend;

test.before(async () => {
  python = await PythonSide.start(mlflowUrl());
  backend = await openMlflow({ trackingUri: mlflowUrl() });
});
test.after(async () => {
  python.end();
  await backend.close();
  removeFolders();
});

function isNear(found: number[][], expected: number[][]): void {
  assert.is(found.length, expected.length);
  for (const [row, numbers] of expected.entries())
    for (const [column, number] of numbers.entries())
      assert.ok(Math.abs(found[row]![column]! - number) < 1e-5, `${row}, ${column}: ${found[row]![column]}`);
}

test("a model of scikit-learn, converted to ONNX, is loaded by every URI and predicts the same", async () => {
  const path = join(newFolder(), "iris.onnx");
  const expected = await python.call<number[][]>("convert", path);
  const name = fresh("iris");
  const bytes = readFileSync(path);
  const mlflow = { ...IRIS, experiment: fresh("experiment"), aliases: ["champion"], params: { C: 1 } };
  const place = await keepIn(backend, fileValue(bytes), { name, mlflow });
  const uris = [
    `models:/${name}/1`,
    `models:/${name}@champion`,
    `models:/${name}/latest`,
    `models:/${place.modelId}`,
    `runs:/${place.runId}/${name}`,
  ];
  for (const uri of uris) {
    isNear(await python.call("load_onnx", uri), expected);
    isNear(await python.call("load_pyfunc", uri), expected);
    const files = await python.call<Record<string, string>>("download", uri);
    assert.is(files["model.onnx"], Buffer.from(sha256(bytes)).toString("hex"), uri);
    const resolved = await backend.resolve(uri);
    assert.is(resolved.modelId, place.modelId);
    assert.is(resolved.flavor, "onnx");
    assert.ok((await bytesOf(backend, resolved, "model.onnx")).equals(bytes));
  }
  assert.ok((await bytesOf(backend, place, "model.onnx")).equals(bytes));
});

test("signature and example show in MLflow's own information", async () => {
  const path = join(newFolder(), "iris.onnx");
  await python.call("convert", path);
  const place = await keepIn(backend, fileValue(readFileSync(path)), { mlflow: IRIS });
  const info = await python.call<Record<string, unknown>>("info", place.modelUri);
  assert.equal(info.inputs, [
    { type: "tensor", "tensor-spec": { dtype: "float32", shape: [-1, 4] }, name: "X" },
  ]);
  assert.is((info.outputs as unknown[]).length, 2);
  assert.is(info.kind, "ndarray");
  // By the name that the signature gives it.
  const [[first]] = (info.example as { X: [[number]] }).X;
  assert.ok(Math.abs(first - 5.1) < 1e-6);
  assert.equal(info.flavors, ["onnx", "python_function"]);
  assert.is(
    (info.metadata as Record<string, string>)["varve.digest"],
    `sha256:${Buffer.from(sha256(readFileSync(path))).toString("hex")}`,
  );
});

async function writeTo(folder: string, place: BackendPlace): Promise<void> {
  for (const { path } of await backend.list(place)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), await bytesOf(backend, place, path));
  }
}

test("a model that Python registered is found by every URI, read, and kept again as a folder", async () => {
  const name = fresh("sklearn");
  const logged = await python.call<{ runId: string; modelId: string; predicted: number[] }>(
    "log",
    name,
    fresh("experiment"),
  );
  const uris = [
    `models:/${name}/1`,
    `models:/${name}/latest`,
    `models:/${logged.modelId}`,
    `runs:/${logged.runId}/model`,
  ];
  for (const uri of uris) {
    const place = await backend.resolve(uri);
    assert.is(place.modelId, logged.modelId, uri);
    assert.is(place.flavor, "sklearn");
  }
  const adopted = await backend.resolve(uris[0]!);
  const folder = newFolder();
  await writeTo(folder, adopted);
  assert.equal(
    (await backend.list(adopted)).map(({ path }) => path).sort(),
    folderValue(folder)
      .files.map(({ path }) => path)
      .sort(),
  );
  const again = await keepIn(backend, folderValue(folder), { name: fresh("again") });
  assert.is.not(again.modelId, logged.modelId);
  assert.is(again.flavor, "sklearn");
  const expected = [logged.predicted, logged.predicted];
  assert.equal(await python.call("predict", again.modelUri), expected);
  assert.equal(await python.call("predict", `models:/${again.modelId}`), expected);
  const files = await python.call<Record<string, string>>("download", again.modelUri);
  for (const { path, digest } of folderValue(folder).files)
    assert.is(files[path], Buffer.from(digest).toString("hex"), path);
});

test("a model whose last version but one was removed still loads in Python", async () => {
  const path = join(newFolder(), "iris.onnx");
  const expected = await python.call<number[][]>("convert", path);
  const name = fresh("iris");
  const given = { name, mlflow: { experiment: fresh("experiment") } };
  const value = fileValue(readFileSync(path));
  const first = await keepIn(backend, value, given);
  const second = await keepIn(backend, value, { ...given, version: 2 });
  assert.is(first.modelId, second.modelId);
  await backend.remove(first);
  isNear(await python.call("load_pyfunc", `models:/${name}/2`), expected);
  isNear(await python.call("load_pyfunc", `models:/${name}/latest`), expected);
});

if (hasService("mlflow", "MLflow's Python library")) test.run();
