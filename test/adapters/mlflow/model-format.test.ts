import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parse } from "yaml";
import { flavorOf } from "../../../adapters/mlflow/model/mlmodel.ts";
import { onnxFiles } from "../../../adapters/mlflow/model/onnx.ts";
import { takeOptions } from "../../../adapters/mlflow/options.ts";
import { failureWithHint } from "../../helpers/errors.ts";

/** The files that make a model of MLflow; `python-reads.test.ts` has MLflow itself read them. */
const test = suite("model format of MLflow");

const facts = {
  modelId: "m-00000000000000000000000000000001",
  runId: "run",
  artifactUri: "mlflow-artifacts:/1/models/m/artifacts",
  createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  size: 10,
  digest: "sha256:00",
};

function written(given: object): Record<string, string> {
  const { signature, inputExample } = takeOptions("clf", given, "file");
  const files = onnxFiles({
    ...facts,
    ...(signature && { signature }),
    ...(inputExample !== undefined && { inputExample }),
  });
  return Object.fromEntries(files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString("utf8")]));
}

test("MLmodel is the last file, and tells both flavors", () => {
  const files = written({});
  assert.equal(Object.keys(files), ["conda.yaml", "python_env.yaml", "requirements.txt", "MLmodel"]);
  const model = parse(files.MLmodel!, { version: "1.1" });
  assert.equal(Object.keys(model.flavors), ["onnx", "python_function"]);
  assert.is(model.flavors.python_function.loader_module, "mlflow.onnx");
  assert.is(model.model_id, facts.modelId);
  assert.is(model.metadata["varve.digest"], "sha256:00");
  assert.is(model.utc_time_created, "2026-01-02 03:04:05.006000");
  assert.is(flavorOf(Buffer.from(files.MLmodel!)), "onnx");
});

test("the same model gives the same bytes, so that an interrupted upload can be compared", () => {
  assert.equal(written({ inputExample: [[1]] }), written({ inputExample: [[1]] }));
});

test("a tensor, tensors by name and rows are written as MLflow's own examples are", () => {
  const tensor = written({ inputExample: [[1, 2]] });
  assert.is(tensor["input_example.json"], "[[1,2]]");
  assert.equal(JSON.parse(tensor["serving_input_example.json"]!), { inputs: [[1, 2]] });
  assert.is(parse(tensor.MLmodel!).saved_input_example_info.type, "ndarray");
  const named = written({ inputExample: { X: [[1]] } });
  assert.equal(JSON.parse(named["serving_input_example.json"]!), { inputs: { X: [[1]] } });
  const rows = written({ inputExample: [{ a: 1 }, { a: 2, b: "x" }] });
  const table = {
    columns: ["a", "b"],
    data: [
      [1, null],
      [2, "x"],
    ],
  };
  assert.equal(JSON.parse(rows["input_example.json"]!), table);
  assert.equal(JSON.parse(rows["serving_input_example.json"]!), { dataframe_split: table });
  assert.is(parse(rows.MLmodel!).saved_input_example_info.pandas_orient, "split");
});

test("the flavor of a folder is the one that is not general", async () => {
  assert.is(
    flavorOf(Buffer.from("flavors:\n  python_function: {}\n  sklearn:\n    code: null\n")),
    "sklearn",
  );
  assert.is(flavorOf(Buffer.from("flavors: {python_function: {loader_module: x}}")), "python_function");
  const none = ["", "a: [", "flavors: 3", "flavors: {}", "- flavors", "\0\x01", "a: &a [*a]\nflavors: x"];
  for (const text of none) {
    const error = await failureWithHint(() => flavorOf(Buffer.from(text)), "NOT_SUPPORTED");
    assert.match(error.message, /no model of MLflow/);
  }
});

test("a description that would grow without end is refused", async () => {
  const levels = Array.from({ length: 30 }, (_, n) => `l${n}: &l${n} [${`*l${n - 1}, `.repeat(9)}]`).slice(1);
  const text = `l0: &l0 [x]\n${levels.join("\n")}\nflavors: *l29\n`;
  await failureWithHint(() => flavorOf(Buffer.from(text)), "NOT_SUPPORTED");
});

test.run();
