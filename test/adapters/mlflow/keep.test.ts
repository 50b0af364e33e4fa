import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openClient } from "../../../adapters/mlflow/client.ts";
import { openMlflow } from "../../../adapters/mlflow/open.ts";
import type { MlflowClient } from "../../../adapters/mlflow/protocol.ts";
import type { BackendPlace, BackendValue, StorageBackend } from "../../../engine/main.ts";
import { VarveError } from "../../../engine/main.ts";
import { failure, failureWithHint } from "../../helpers/errors.ts";
import { newFolder, removeFolders } from "../../helpers/folders.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService, portOf } from "../../services/services.ts";
import { BreakingBackend } from "./breaking.ts";
import { madeBy } from "./made.ts";
import { bytesOf, fileValue, folderValue, fresh, keepIn } from "./values.ts";

/** What is in MLflow behind a save. */
const test = suite("keeping models in MLflow");

let backend: StorageBackend;
let client: MlflowClient;

test.before(async () => {
  backend = await openMlflow({ trackingUri: mlflowUrl() });
  client = await openClient({ trackingUri: mlflowUrl() });
});
test.after(async () => {
  client.close();
  await backend.close();
  removeFolders();
});

/** Nobody looks into them. A test has bytes of its own: what another has kept would not be sent again. */
let bytes: Buffer;
test.before.each(() => {
  bytes = Buffer.from(fresh("bytes of a model"));
});

test("a model has a finished run, a whole logged model and a version, all with the same tags", async () => {
  const name = fresh("clf");
  const mlflow = {
    experiment: fresh("experiment"),
    runName: "first",
    aliases: ["champion", "best"],
    tags: { team: "vision" },
    params: { C: 0.5 },
  };
  const place = await keepIn(backend, fileValue(bytes), { storeId: "s1", name, version: 7, mlflow });
  assert.is(place.modelUri, `models:/${name}/1`);
  const run = await client.runs.get(place.runId as string);
  assert.equal([run!.status, run!.name, run!.params], ["FINISHED", "first", { C: "0.5" }]);
  const model = await client.models.get(place.modelId as string);
  assert.equal([model!.status, model!.runId, model!.params], ["READY", run!.id, { C: "0.5" }]);
  const version = await client.registry.getVersion(name, "1");
  assert.is(version!.runId, run!.id);
  for (const { tags } of [run!, model!, version!]) {
    assert.is(tags.team, "vision");
    assert.equal([tags["varve.store"], tags["varve.name"], tags["varve.version"]], ["s1", name, "7"]);
    assert.match(tags["varve.digest"]!, /^sha256:[0-9a-f]{64}$/);
  }
  const { aliases } = (await client.registry.get(name))!;
  assert.equal(aliases, { champion: "1", best: "1" });
  assert.equal(await backend.list(place), [{ path: "model.onnx", size: bytes.byteLength }]);
  assert.ok((await bytesOf(backend, place, "model.onnx")).equals(bytes));
});

test("names, tags and parameters that are taken come back whole, at their longest too", async () => {
  const name = `${fresh("Ärzte modell (2)")} + x=1, & ~!`;
  const many = Object.fromEntries(Array.from({ length: 98 }, (_, index) => [`k${index}`, "v"]));
  const tags = { ...many, "linea:id": "é".repeat(8000), "a b/c-d.e": "" };
  const params = { ...many, long: "é".repeat(6000), "a b/c": " " };
  const names = {
    registeredModelName: name,
    runName: "läuft ' \" % # :/",
    experiment: fresh("' \" % # :/ é"),
  };
  const place = await keepIn(backend, fileValue(bytes), {
    mlflow: { ...names, tags, params, aliases: ["ä-1"] },
  });
  const run = (await client.runs.get(place.runId as string))!;
  const model = (await client.models.get(place.modelId as string))!;
  const version = (await client.registry.getVersion(name, "1"))!;
  assert.equal([run.name, run.params, model.params], [names.runName, params, params]);
  for (const found of [run.tags, model.tags, version.tags])
    for (const [key, value] of Object.entries(tags)) assert.is(found[key], value, key);
  for (const uri of [`models:/${name}/1`, `models:/${name}@ä-1`])
    assert.is((await backend.resolve(uri)).modelId, place.modelId);
});

test("a save that is repeated makes nothing twice", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { params: { C: 1 } } };
  const first = await keepIn(backend, fileValue(bytes), given);
  assert.equal(await keepIn(backend, fileValue(bytes), given), first);
  assert.equal(await madeBy(client, given.storeId), { runs: 1, models: 1, versions: 1 });
});

test("the same bytes are sent once: two versions stand on one logged model", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { experiment: fresh("experiment") } };
  const first = await keepIn(backend, fileValue(bytes), given);
  let reads = 0;
  const value: BackendValue = {
    ...fileValue(bytes),
    pieces(file) {
      reads++;
      return fileValue(bytes).pieces(file);
    },
  };
  const second = await keepIn(backend, value, { ...given, version: 2 });
  assert.is(reads, 0);
  assert.is(second.modelId, first.modelId);
  assert.equal([first.registeredVersion, second.registeredVersion], ["1", "2"]);
  assert.equal(await madeBy(client, given.storeId), { runs: 2, models: 1, versions: 2 });
  const other = await keepIn(backend, value, {
    ...given,
    version: 3,
    mlflow: { ...given.mlflow, inputExample: [[1]] },
  });
  assert.is.not(other.modelId, first.modelId);
});

test("what was damaged in MLflow is not taken for the same bytes", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { experiment: fresh("experiment") } };
  const first = await keepIn(backend, fileValue(bytes), given);
  await client.artifacts(first.artifactUri as string).remove("model.onnx");
  const second = await keepIn(backend, fileValue(bytes), { ...given, version: 2 });
  assert.is.not(second.modelId, first.modelId);
  assert.ok((await bytesOf(backend, second, "model.onnx")).equals(bytes));
});

test("what was changed in MLflow, in the same size, is not taken for the same bytes", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { experiment: fresh("experiment") } };
  const first = await keepIn(backend, fileValue(bytes), given);
  const changed = Buffer.alloc(bytes.byteLength, 7);
  await client
    .artifacts(first.artifactUri as string)
    .put("model.onnx", changed.byteLength, () => fileValue(changed).pieces(fileValue(changed).files[0]!));
  const second = await keepIn(backend, fileValue(bytes), { ...given, version: 2 });
  assert.is.not(second.modelId, first.modelId);
  assert.ok((await bytesOf(backend, second, "model.onnx")).equals(bytes));
});

test("a value that is kept again gets a place of its own", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { experiment: fresh("experiment") } };
  const first = await keepIn(backend, fileValue(bytes), given);
  const again = await keepIn(backend, fileValue(bytes), { ...given, isAgain: true });
  assert.is.not(again.modelId, first.modelId);
  assert.is.not(again.registeredVersion, first.registeredVersion);
});

test("MLmodel comes behind all other files, and the version behind all of them", async () => {
  const breaking = await BreakingBackend.to(portOf("mlflow")!);
  await keepIn(breaking.backend, fileValue(bytes), { mlflow: { inputExample: [[1]] } });
  await breaking.close();
  const steps = breaking.requests.flatMap((request) => {
    if (request.startsWith("PUT")) return [request.endsWith("/MLmodel") ? "MLmodel" : "file"];
    if (/^GET .*mlflow-artifacts/.test(request)) return ["list"];
    if (request.startsWith("PATCH")) return ["ready"];
    return request.includes("model-versions/create") ? ["version"] : [];
  });
  const files = Array.from({ length: 6 }, () => "file");
  assert.equal(steps, ["list", ...files, "MLmodel", "list", "ready", "version"]);
});

test("a file that changes while it is sent leaves nothing in MLflow", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf") };
  const value: BackendValue = {
    ...fileValue(bytes),
    async *pieces() {
      yield bytes.subarray(0, 4);
      throw new VarveError("CONFLICT", "it has changed");
    },
  };
  await failure(keepIn(backend, value, given), "CONFLICT");
  assert.equal(await madeBy(client, given.storeId), { runs: 1, models: 0, versions: 0 });
  const [run] = await all(
    client.runs.search({ filter: `tags.\`varve.store\` = '${given.storeId}'`, experimentIds: ["0"] }),
  );
  assert.is(run!.status, "FAILED");
  await keepIn(backend, fileValue(bytes), given);
  assert.equal(await madeBy(client, given.storeId), { runs: 1, models: 1, versions: 1 });
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

function folderOf(files: Record<string, string>): BackendValue {
  const folder = newFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, ".."), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folderValue(folder);
}

const MLMODEL = "flavors:\n  python_function: {loader_module: mine}\n  mine: {}\n";

test("a folder is kept as it is, empty files and all, and known by its flavor", async () => {
  const value = folderOf({
    MLmodel: MLMODEL,
    "data/a.bin": "a",
    "data/b/empty": "",
    "code/mine.py": "x = 1\n",
  });
  const place = await keepIn(backend, value);
  assert.is(place.flavor, "mine");
  const listed = await backend.list(place);
  assert.equal(listed.map(({ path }) => path).sort(), value.files.map(({ path }) => path).sort());
  assert.is((await bytesOf(backend, place, "data/b/empty")).byteLength, 0);
  assert.is((await bytesOf(backend, place, "MLmodel")).toString(), MLMODEL);
});

test("what MLflow can't keep is refused before anything is sent", async () => {
  const storeId = fresh("s");
  const names = ["a b", "é", "a%41", "a#b", "a?b", "a:b", "a+b", "..."];
  for (const name of names.slice(0, -1)) {
    const value = folderOf({ MLmodel: MLMODEL, [`data/${name}`]: "x" });
    const error = await failureWithHint(keepIn(backend, value, { storeId }), "NOT_SUPPORTED");
    assert.match(error.message, JSON.stringify(`data/${name}`));
  }
  for (const text of ["flavors: {}", "a: [", ""]) {
    const error = await failureWithHint(
      keepIn(backend, folderOf({ MLmodel: text }), { storeId }),
      "NOT_SUPPORTED",
    );
    assert.match(error.message, /no model of MLflow/);
  }
  await failureWithHint(keepIn(backend, folderOf({ "sub/MLmodel": MLMODEL }), { storeId }), "NOT_SUPPORTED");
  assert.equal(await madeBy(client, storeId), { runs: 0, models: 0, versions: 0 });
});

test("models of an experiment whose files are not MLflow's own to give are refused before any byte", async () => {
  const storeId = fresh("s");
  const experiment = fresh("elsewhere");
  const answer = await fetch(`${mlflowUrl()}/api/2.0/mlflow/experiments/create`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: experiment, artifact_location: "s3://bucket/models" }),
  });
  assert.ok(answer.ok);
  const error = await failureWithHint(
    keepIn(backend, fileValue(bytes), { storeId, mlflow: { experiment } }),
    "NOT_SUPPORTED",
  );
  assert.match(error.message, /s3:/);
  assert.equal(await madeBy(client, storeId), { runs: 0, models: 0, versions: 0 });
});

test("a deleted experiment is not brought back by a save", async () => {
  const experiment = fresh("experiment");
  const { id } = await client.experiments.ensure(experiment);
  await fetch(`${mlflowUrl()}/api/2.0/mlflow/experiments/delete`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ experiment_id: id }),
  });
  await failureWithHint(keepIn(backend, fileValue(bytes), { mlflow: { experiment } }), "CONFLICT");
});

test("a save that is aborted behind its version is completed by the same call", async () => {
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { aliases: ["best"] } };
  const value = fileValue(bytes);
  const breaking = await BreakingBackend.to(portOf("mlflow")!);
  const abort = new AbortController();
  breaking.onRequest = (request) => {
    if (/^POST .*alias/.test(request)) abort.abort();
  };
  const options = breaking.backend.takeOptions(given.name, given.mlflow, "file");
  const save = { storeId: given.storeId, name: given.name, version: 1, options };
  await failure(breaking.backend.keep(value, save, { signal: abort.signal }), "ABORTED");
  await breaking.close();
  const place = await keepIn(backend, value, given);
  assert.is((await client.models.get(place.modelId as string))!.status, "READY");
  assert.equal(await madeBy(client, given.storeId), { runs: 1, models: 1, versions: 1 });
});

test("a call that was aborted, and one of a closed backend, sends nothing", async () => {
  const storeId = fresh("s");
  const signal = AbortSignal.abort();
  const options = backend.takeOptions("clf", undefined, "file");
  const save = { storeId, name: "clf", version: 1, options };
  await failure(backend.keep(fileValue(bytes), save, { signal }), "ABORTED");
  const closed = await openMlflow({ trackingUri: mlflowUrl() });
  await closed.close();
  await failure(closed.keep(fileValue(bytes), save), "CLOSED");
  assert.equal(await madeBy(client, storeId), { runs: 0, models: 0, versions: 0 });
});

test("a place is known by its servers", () => {
  const place: BackendPlace = { trackingUri: mlflowUrl(), modelUri: "models:/clf/1" };
  assert.ok(backend.has(place));
  assert.not(backend.has({ ...place, trackingUri: "http://127.0.0.1:1" }));
  assert.not(backend.has({ ...place, registryUri: "http://127.0.0.1:1" }));
});

if (hasService("mlflow", "keeping models in MLflow")) test.run();
