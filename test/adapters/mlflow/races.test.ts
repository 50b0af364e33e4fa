import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MlflowBackend } from "../../../adapters/mlflow/backend.ts";
import { openClient } from "../../../adapters/mlflow/client.ts";
import type { MlflowClient, Models } from "../../../adapters/mlflow/protocol.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { madeBy } from "./made.ts";
import { bytesOf, fileValue, fresh, keepIn } from "./values.ts";

/** What others do to the same model between two requests. */
const test = suite("races in MLflow");

let client: MlflowClient;
test.before(async () => {
  client = await openClient({ trackingUri: mlflowUrl() });
});
test.after(() => client.close());

/** A client some of whose calls of logged models do something else first. */
function racing(before: Partial<Record<"get" | "delete", () => Promise<unknown>>>): MlflowClient {
  const { models } = client;
  const raced: Models = {
    create: (...given) => models.create(...given),
    search: (...given) => models.search(...given),
    setStatus: (...given) => models.setStatus(...given),
    setTags: (...given) => models.setTags(...given),
    async get(...given) {
      await before.get?.();
      return models.get(...given);
    },
    async delete(...given) {
      await before.delete?.();
      return models.delete(...given);
    },
  };
  const { trackingUri, registryUri, experiments, runs, registry } = client;
  const artifacts = (uri: string) => client.artifacts(uri);
  return { trackingUri, registryUri, experiments, runs, registry, models: raced, artifacts, close() {} };
}

test("bytes that got a version after the versions were counted stay", async () => {
  const whole = new MlflowBackend(client);
  const value = fileValue(Buffer.from(fresh("bytes")));
  const given = { storeId: fresh("s"), name: fresh("clf") };
  const first = await keepIn(whole, value, given);
  let second: typeof first | undefined;
  const late = async () => {
    second = await keepIn(whole, value, { ...given, version: 2 });
  };
  await new MlflowBackend(racing({ delete: late })).remove(first);
  assert.is(second!.modelId, first.modelId);
  assert.is((await bytesOf(whole, second!, "model.onnx")).byteLength, value.size);
});

test("a save whose model was removed before its version was there begins again", async () => {
  const whole = new MlflowBackend(client);
  const value = fileValue(Buffer.from(fresh("bytes")));
  const given = { storeId: fresh("s"), name: fresh("clf"), mlflow: { experiment: fresh("experiment") } };
  const first = await keepIn(whole, value, given);
  let times = 0;
  const removed = async () => {
    if (times++ > 0) return;
    await client.models.delete(first.modelId as string);
    await client.artifacts(first.artifactUri as string).remove();
  };
  const second = await keepIn(new MlflowBackend(racing({ get: removed })), value, { ...given, version: 2 });
  assert.is.not(second.modelId, first.modelId);
  assert.is((await bytesOf(whole, second, "model.onnx")).byteLength, value.size);
  assert.equal((await madeBy(client, given.storeId)).models, 1);
  assert.is(await client.registry.getVersion(given.name, "2"), undefined);
});

test("what MLflow has not kept whole never becomes ready", async () => {
  const value = fileValue(Buffer.from(fresh("bytes")));
  const given = { storeId: fresh("s"), name: fresh("clf") };
  const losing: MlflowClient = {
    ...racing({}),
    artifacts(uri) {
      const artifacts = client.artifacts(uri);
      return {
        put: (path, size, pieces, options) =>
          path === "model.onnx"
            ? artifacts.put(path, 1, () => fileValue(Buffer.from("x")).pieces(value.files[0]!), options)
            : artifacts.put(path, size, pieces, options),
        get: (...asked) => artifacts.get(...asked),
        list: (...asked) => artifacts.list(...asked),
        remove: (...asked) => artifacts.remove(...asked),
      };
    },
  };
  const error = await failureWithHint(keepIn(new MlflowBackend(losing), value, given), "CORRUPTION");
  assert.match(error.message, /model\.onnx/);
  assert.equal(await madeBy(client, given.storeId), { runs: 1, models: 0, versions: 0 });
});

test("two stores that keep the same bytes at once both have them, and one removal leaves those of the other", async () => {
  const whole = new MlflowBackend(client);
  const value = fileValue(Buffer.from(fresh("bytes")));
  const mlflow = { experiment: fresh("experiment") };
  await client.experiments.ensure(mlflow.experiment);
  const [first, second] = await Promise.all(
    ["one", "two"].map((id) => keepIn(whole, value, { storeId: fresh(id), name: fresh(id), mlflow })),
  );
  await whole.remove(first!);
  assert.is((await bytesOf(whole, second!, "model.onnx")).byteLength, value.size);
});

if (hasService("mlflow", "races in MLflow")) test.run();
