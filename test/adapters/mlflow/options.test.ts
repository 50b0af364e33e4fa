import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { TakenOptions } from "../../../adapters/mlflow/options.ts";
import { takeOptions } from "../../../adapters/mlflow/options.ts";
import { failureWithHint } from "../../helpers/errors.ts";

/** What a save may say of MLflow, before anything is sent. */
const test = suite("options for MLflow");

const take = (given: unknown, name = "clf") => takeOptions(name, given, "file");

async function refused(given: unknown, words: RegExp, kind: "file" | "directory" = "file"): Promise<void> {
  const error = await failureWithHint(() => takeOptions("clf", given, kind), "INVALID_ARGUMENT");
  assert.match(error.message, words);
}

test("nothing given is MLflow's own experiment and the artifact's name", () => {
  const expected: TakenOptions = {
    experiment: "Default",
    registeredName: "clf",
    aliases: [],
    tags: {},
    params: {},
  };
  assert.equal(take(undefined), expected);
  assert.equal(take({}), expected);
});

test("a name of an artifact that MLflow refuses gets dashes", () => {
  assert.is(take({}, "team/vision model é@1").registeredName, "team-vision-model-é-1");
  assert.is(take({ registeredModelName: "Ärzte modell.2" }).registeredName, "Ärzte modell.2");
});

test("what is given is copied, each alias once, and parameters are texts", () => {
  const given = {
    experiment: "iris",
    runName: "first",
    aliases: ["champion", "best-1", "champion"],
    tags: { team: "vision", "a/b": "" },
    params: { C: 0.5, solver: "lbfgs", balanced: true },
    inputExample: [[1, 2]],
  };
  const taken = take(given);
  given.tags.team = "changed";
  given.inputExample[0]![0] = 7;
  given.aliases.push("later");
  assert.equal(taken.aliases, ["champion", "best-1"]);
  assert.equal(taken.tags, { team: "vision", "a/b": "" });
  assert.equal(taken.params, { C: "0.5", solver: "lbfgs", balanced: "true" });
  assert.equal(taken.inputExample, [[1, 2]]);
});

test("a misspelt option is refused with those that there are", async () => {
  const error = await failureWithHint(() => take({ registered_model_name: "x" }), "INVALID_ARGUMENT");
  assert.match(error.hint!, /registeredModelName/);
  await refused([], /must be an object/);
});

test("names that MLflow refuses, or its URIs can't tell, are refused", async () => {
  for (const name of ["", " ", "a/b", "a:b", "a@b", "..", " a", "a\nb", "a'b", "x".repeat(251), 3])
    await refused({ registeredModelName: name }, /registeredModelName/);
  await refused({ registeredModelName: `m-${"0".repeat(32)}` }, /looks like the id/);
  await failureWithHint(() => take({}, `m-${"0".repeat(32)}`), "INVALID_ARGUMENT");
  for (const experiment of ["", "x".repeat(501), "a\0b", "\ud800"])
    await refused({ experiment }, /mlflow\.experiment/);
  for (const runName of ["", "x".repeat(251), null]) await refused({ runName }, /mlflow\.runName/);
});

test("aliases that MLflow refuses are refused", async () => {
  for (const alias of ["latest", "LATEST", "v1", "V22", "a b", "a.b", "", "x".repeat(256), 7])
    await refused({ aliases: ["fine", alias] }, /mlflow\.aliases\[1\]/);
  await refused({ aliases: "champion" }, /must be an array/);
});

test("tags and parameters that MLflow refuses or cuts off are refused, and those of the store's own", async () => {
  for (const key of ["", "a%b", "../a", "/a", "a//b", "a/./b", "é", "x".repeat(251), "a=b"])
    await refused({ tags: { [key]: "1" } }, /mlflow\.tags/);
  for (const key of ["varve.digest", "mlflow.runName", "mlflow.modelVersions"])
    await refused({ tags: { [key]: "1" } }, /can't have/);
  await refused({ tags: { n: 1 } }, /mlflow\.tags\.n must be a text/);
  await refused({ tags: { n: "x".repeat(8001) } }, /longer than 8000/);
  await refused({ params: { n: "x".repeat(6001) } }, /longer than 6000/);
  await refused({ params: { n: null } }, /mlflow\.params\.n/);
  await refused({ params: ["C"] }, /must be an object/);
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, index) => [`n${index}`, "1"]));
  await refused({ tags: many }, /more than 100/);
});

test("a folder tells its signature and example itself", async () => {
  const inputs = [{ dtype: "float32", shape: [-1, 4] }];
  await refused({ signature: { inputs } }, /for a folder/, "directory");
  await refused({ inputExample: [[1]] }, /for a folder/, "directory");
});

test("signatures are what MLflow knows", async () => {
  const tensor = { name: "X", dtype: "float32", shape: [-1, 4] };
  const { signature } = take({ signature: { inputs: [tensor], outputs: [{ type: "long" }] } });
  assert.is(
    signature!.inputs,
    '[{"name":"X","type":"tensor","tensor-spec":{"dtype":"float32","shape":[-1,4]}}]',
  );
  assert.is(signature!.outputs, '[{"type":"long","required":true}]');
  const bad: [unknown, RegExp][] = [
    [{}, /is empty/],
    [{ input: [tensor] }, /signature\.input is no field/],
    [{ inputs: [] }, /not empty/],
    [{ inputs: [{ ...tensor, dtype: "float" }] }, /inputs\[0\]\.dtype/],
    [{ inputs: [{ ...tensor, shape: [1.5] }] }, /inputs\[0\]\.shape/],
    [{ inputs: [{ ...tensor, shape: [-2] }] }, /inputs\[0\]\.shape/],
    [{ inputs: [tensor, { name: "y", type: "long" }] }, /both/],
    [{ inputs: [tensor, tensor] }, /twice/],
    [{ inputs: [{ ...tensor, name: undefined }, tensor] }, /some fields only/],
    [{ inputs: [{ type: "number" }] }, /no type of MLflow/],
    [{ params: [{ name: "t", type: "double" }] }, /default/],
    [{ params: [{ type: "double", default: 1 }] }, /name/],
  ];
  for (const [given, words] of bad) await refused({ signature: given }, words);
});

test("an example is a tensor, tensors by name, or rows", async () => {
  for (const example of [[[1, 2]], [1], { a: [[1]], b: ["x"] }, [{ a: 1, b: null }, { a: 2 }]])
    assert.equal(take({ inputExample: example }).inputExample, example);
  for (const example of [3, "text", null, {}, [[1], [1, 2]], [[Number.NaN]], [1n], [null], [[1], 2]])
    await refused({ inputExample: example }, /inputExample/);
  const itself: unknown[] = [];
  itself.push(itself);
  await refused({ inputExample: itself }, /inputExample/);
  await refused({ inputExample: ["x".repeat(5_000_000)] }, /longer than/);
});

test.run();
