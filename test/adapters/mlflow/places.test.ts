import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openClient } from "../../../adapters/mlflow/client.ts";
import { openMlflow } from "../../../adapters/mlflow/open.ts";
import type { MlflowClient } from "../../../adapters/mlflow/protocol.ts";
import type { BackendPlace, StorageBackend } from "../../../engine/main.ts";
import { failure, failureWithHint } from "../../helpers/errors.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { madeBy } from "./made.ts";
import { bytesOf, fileValue, fresh, keepIn } from "./values.ts";

/** Finding, naming and removing what is in MLflow. */
const test = suite("places in MLflow");

let backend: StorageBackend;
let client: MlflowClient;
let bytes: Buffer;

test.before(async () => {
  backend = await openMlflow({ trackingUri: mlflowUrl() });
  client = await openClient({ trackingUri: mlflowUrl() });
});
test.before.each(() => {
  bytes = Buffer.from(fresh("bytes of a model"));
});
test.after(async () => {
  client.close();
  await backend.close();
});

const keepNew = (given: object = {}) => keepIn(backend, fileValue(bytes), { storeId: fresh("s"), ...given });

async function post<T>(path: string, body: object): Promise<T> {
  const answer = await fetch(`${mlflowUrl()}/api/2.0/mlflow/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return (await answer.json()) as T;
}

test("what is no URI of a model, or names none that is there, is refused", async () => {
  const none = [
    "",
    "clf",
    "models:",
    "models:/",
    "models:/clf",
    "models:/clf/three",
    "models:/a/b/c",
    "models:/clf@",
  ];
  for (const uri of [...none, "runs:/x", "s3://bucket/x", "file:///etc", "models:/clf/Production"])
    await failureWithHint(backend.resolve(uri), "INVALID_ARGUMENT");
  const name = fresh("clf");
  const missing = [`models:/${name}/1`, `models:/${name}@best`, `models:/${name}/latest`];
  for (const uri of [...missing, `models:/m-${"0".repeat(32)}`, `runs:/${"0".repeat(32)}/model`])
    await failureWithHint(backend.resolve(uri), "NOT_FOUND");
  const place = await keepNew({ name });
  await failureWithHint(backend.resolve(`models:/${name}@best`), "NOT_FOUND");
  await failureWithHint(backend.resolve(`models:/${name}/2`), "NOT_FOUND");
  await failureWithHint(backend.resolve(`runs:/${place.runId}/other`), "NOT_FOUND");
});

test("a folder of a run, as MLflow 2 has kept models, is found, read, and its bytes stay when it is removed", async () => {
  const { run } = await post<{ run: { info: Record<string, string> } }>("runs/create", {
    experiment_id: "0",
    start_time: 1,
  });
  const { run_id: runId, artifact_uri: uri } = run.info;
  const files = client.artifacts(`${uri}/old/model`);
  const MLmodel = Buffer.from("flavors: {sklearn: {}, python_function: {}}");
  await files.put("MLmodel", MLmodel.byteLength, () =>
    fileValue(MLmodel).pieces(fileValue(MLmodel).files[0]!),
  );
  const place = await backend.resolve(`runs:/${runId}/old/model`);
  assert.equal([place.flavor, place.runId, place.modelId], ["sklearn", runId, undefined]);
  assert.equal(await backend.list(place), [{ path: "MLmodel", size: MLmodel.byteLength }]);
  assert.ok((await bytesOf(backend, place, "MLmodel")).equals(MLmodel));
  await failureWithHint(
    Promise.resolve().then(() => backend.checkAlias(place, "best")),
    "NOT_SUPPORTED",
  );
  await backend.remove(place);
  assert.is((await backend.list(place)).length, 1);
});

test("what was removed in MLflow is NOT_FOUND, whatever was removed", async () => {
  const first = await keepNew();
  await client.registry.deleteVersion(first.registeredName as string, "1");
  await failureWithHint(backend.list(first), "NOT_FOUND");
  await failureWithHint(bytesOf(backend, first, "model.onnx"), "NOT_FOUND");
  await failureWithHint(backend.describe(first), "NOT_FOUND");
  bytes = Buffer.from(fresh("others"));
  const second = await keepNew();
  await client.artifacts(second.artifactUri as string).remove("model.onnx");
  await failureWithHint(backend.list(second), "NOT_FOUND");
  const error = await failureWithHint(bytesOf(backend, second, "model.onnx"), "NOT_FOUND");
  assert.match(error.message, /model\.onnx of models:/);
});

test("removing one of two versions leaves the other whole; the last one takes the bytes with it", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { aliases: ["best"] } };
  const first = await keepNew(given);
  const second = await keepNew({ ...given, version: 2 });
  await backend.remove(first);
  assert.equal(await madeBy(client, given.storeId), { runs: 2, models: 1, versions: 1 });
  assert.ok((await bytesOf(backend, second, "model.onnx")).equals(bytes));
  assert.equal((await client.registry.get(given.name))!.aliases, { best: "2" });
  await backend.remove(first);
  await backend.remove(second);
  await backend.remove(second);
  assert.equal(await madeBy(client, given.storeId), { runs: 2, models: 0, versions: 0 });
  assert.equal(await client.artifacts(second.artifactUri as string).list(), []);
  assert.equal((await client.registry.get(given.name))!.aliases, {});
});

test("a version that somebody else has registered for the same model keeps its bytes", async () => {
  const place = await keepNew();
  const name = fresh("theirs");
  await post("registered-models/create", { name });
  await post("model-versions/create", { name, source: `models:/${place.modelId}`, model_id: place.modelId });
  await backend.remove(place);
  const theirs = await backend.resolve(`models:/${name}/1`);
  assert.ok((await bytesOf(backend, theirs, "model.onnx")).equals(bytes));
});

/** As MLflow copies a version: it names that, not the model. */
async function copyOf(place: BackendPlace, withTags: boolean): Promise<BackendPlace> {
  const from = place.registeredName as string;
  const { tags } = (await client.registry.getVersion(from, "1"))!;
  const pairs = Object.entries(tags).map(([key, value]) => ({ key, value }));
  const name = fresh("copy");
  await post("registered-models/create", { name });
  const made = { name, source: `models:/${from}/1`, ...(withTags && { tags: pairs }) };
  await post("model-versions/create", made);
  return backend.resolve(`models:/${name}/1`);
}

async function isGone(place: BackendPlace): Promise<void> {
  assert.is(await client.models.get(place.modelId as string), undefined);
  assert.equal(await client.artifacts(place.artifactUri as string).list(), []);
}

test("a copy of a version keeps its bytes, whatever it says of itself", async () => {
  const place = await keepNew();
  const copy = await copyOf(place, false);
  assert.is(copy.modelId, place.modelId);
  await backend.remove(place);
  assert.ok((await bytesOf(backend, copy, "model.onnx")).equals(bytes));
  assert.is((await client.models.get(place.modelId as string))!.status, "READY");
  await backend.remove(copy);
  await isGone(place);
});

test("a copy of a copy keeps the bytes when that is gone, and is nobody's orphan", async () => {
  const storeId = fresh("s");
  const place = await keepNew({ storeId });
  const staging = await copyOf(place, true);
  const production = await copyOf(staging, true);
  await client.registry.deleteVersion(staging.registeredName as string, "1");
  await backend.remove(place);
  assert.ok((await bytesOf(backend, production, "model.onnx")).equals(bytes));
  assert.is((await client.models.get(place.modelId as string))!.status, "READY");
  assert.equal(await backend.orphans(storeId, [], Date.now() + 10_000), []);
  await backend.remove(production);
  await isGone(place);
});

test("a registered model that was made again under the same name is somebody else's", async () => {
  const place = await keepNew();
  const name = place.registeredName as string;
  await fetch(`${mlflowUrl()}/api/2.0/mlflow/registered-models/delete`, {
    method: "DELETE",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name }),
  });
  bytes = Buffer.from(fresh("others"));
  const theirs = await keepNew({ mlflow: { registeredModelName: name } });
  assert.is(theirs.registeredVersion, place.registeredVersion);
  await backend.remove(place);
  assert.ok((await bytesOf(backend, theirs, "model.onnx")).equals(bytes));
});

test("an alias points at the version, and is only taken away from it", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf") };
  const first = await keepNew(given);
  const second = await keepNew({ ...given, version: 2 });
  await backend.setAlias(first, "best");
  assert.is((await backend.resolve(`models:/${given.name}@best`)).registeredVersion, "1");
  await backend.setAlias(second, "best");
  await backend.deleteAlias(first, "best");
  assert.is((await backend.resolve(`models:/${given.name}@best`)).registeredVersion, "2");
  await backend.deleteAlias(second, "best");
  await backend.deleteAlias(second, "best");
  await failure(backend.resolve(`models:/${given.name}@best`), "NOT_FOUND");
  for (const alias of ["latest", "v3", "a b"])
    await failureWithHint(
      Promise.resolve().then(() => backend.checkAlias(first, alias)),
      "INVALID_ARGUMENT",
    );
  await backend.remove(first);
  await failureWithHint(backend.setAlias(first, "best"), "NOT_FOUND");
});

test("a registry server on the same database has a place of its own", async () => {
  const registryUri = mlflowUrl().replace("127.0.0.1", "localhost");
  const both = await openMlflow({ trackingUri: mlflowUrl(), registryUri });
  const place = await keepIn(both, fileValue(bytes));
  assert.equal([place.trackingUri, place.registryUri], [mlflowUrl(), registryUri]);
  assert.ok(both.has(place));
  assert.not(backend.has(place));
  assert.ok((await bytesOf(both, place, "model.onnx")).equals(bytes));
  await both.remove(place);
  await both.close();
});

test("what MLflow says of a model is told", async () => {
  const place = await keepNew({ mlflow: { aliases: ["best"], tags: { team: "a" }, params: { C: 1 } } });
  const told = (await backend.describe(place)) as Record<string, Record<string, unknown>>;
  assert.equal(told.version!.aliases, ["best"]);
  assert.is((told.version!.tags as Record<string, string>).team, "a");
  assert.equal([told.model!.status, told.run!.status], ["READY", "FINISHED"]);
  assert.equal(told.run!.params, { C: "1" });
  await post("runs/delete", { run_id: place.runId });
  const later = (await backend.describe(place)) as Record<string, Record<string, unknown>>;
  assert.is(later.run!.status, "deleted");
});

if (hasService("mlflow", "places in MLflow")) test.run();
