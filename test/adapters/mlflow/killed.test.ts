import { suite } from "uvu";
import * as assert from "uvu/assert";
import { MlflowBackend } from "../../../adapters/mlflow/backend.ts";
import { openClient } from "../../../adapters/mlflow/client.ts";
import type { BackendPlace, BackendValue } from "../../../engine/main.ts";
import { VarveError } from "../../../engine/main.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import { removeFolders } from "../../helpers/folders.ts";
import { mlflowUrl, ownMlflow } from "../../services/mlflow.ts";
import type { Server } from "../../services/server.ts";
import { hasService } from "../../services/services.ts";
import { BreakingBackend } from "./breaking.ts";
import { madeBy } from "./made.ts";
import { bytesOf, fileValue, fresh, keepIn } from "./values.ts";

/** MLflow's server killed with all that it has in memory; `interrupted.test.ts` has more places, and only the network broken. */
const test = suite("a killed server of MLflow");

let server: Server;

test.before(async () => {
  server = await ownMlflow();
});
test.after(async () => {
  await server.stop();
  removeFolders();
});

/** Longer than what is sent at once. */
const bytes = Buffer.alloc(8 * 1024 * 1024, "bytes of a model");

/** The call runs until the server has got a request, which it is killed in; then it is started again. */
async function killedAt<T>(
  request: RegExp,
  call: (backend: BreakingBackend["backend"]) => Promise<T>,
): Promise<void> {
  const breaking = await BreakingBackend.to(server.port);
  let killed: Promise<void> | undefined;
  breaking.onRequest = (text) => {
    if (!request.test(text)) return;
    // What was written to it is on its way.
    killed ??= new Promise((resolve) => setTimeout(resolve, 20)).then(() => server.kill());
  };
  try {
    await call(breaking.backend);
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    assert.is(error.code, "UNAVAILABLE", error.message);
  }
  assert.ok(killed, `no ${request}`);
  await killed;
  await breaking.close();
  await server.launch();
}

/** Starting one takes seconds. */
const KEEPING = [/^PUT .*model\.onnx/, /model-versions\/create/];
const REMOVING = [/^DELETE .*model-versions/];

for (const request of KEEPING) {
  test(`a save in which the server was killed at ${request.source} is completed by the same call`, async () => {
    const save = { storeId: fresh("s"), name: fresh("clf") };
    const value = fileValue(Buffer.concat([bytes, Buffer.from(save.name)]));
    await killedAt(request, (backend) => keepIn(backend, value, save));
    const whole = await BreakingBackend.to(server.port);
    const client = await openClient({ trackingUri: `http://127.0.0.1:${server.port}` });
    for await (const { name, version } of client.registry.searchVersions({ filter: `name = '${save.name}'` }))
      assert.is(
        (await readBack(whole, await whole.backend.resolve(`models:/${name}/${version}`))).byteLength,
        value.size,
      );
    const place = await keepIn(whole.backend, value, save);
    assert.is((await readBack(whole, place)).byteLength, value.size);
    assert.equal(await madeBy(client, save.storeId), { runs: 1, models: 1, versions: 1 });
    client.close();
    await whole.close();
  });
}

function readBack(from: BreakingBackend, place: BackendPlace): Promise<Buffer> {
  return bytesOf(from.backend, place, "model.onnx");
}

for (const request of REMOVING) {
  test(`a removal in which the server was killed at ${request.source} is completed by the same call`, async () => {
    const save = { storeId: fresh("s"), name: fresh("clf") };
    const value = fileValue(Buffer.concat([bytes, Buffer.from(save.name)]));
    let place!: BackendPlace;
    await killedAt(request, async (backend) => {
      place = await keepIn(backend, value, save);
      await backend.remove(place);
    });
    const whole = await BreakingBackend.to(server.port);
    const client = await openClient({ trackingUri: `http://127.0.0.1:${server.port}` });
    await whole.backend.remove(place);
    assert.equal(await madeBy(client, save.storeId), { runs: 1, models: 0, versions: 0 });
    assert.equal(await client.artifacts(place.artifactUri as string).list(), []);
    client.close();
    await whole.close();
  });
}

test("a registry on another database is refused before any byte is sent", async () => {
  const settings = { trackingUri: mlflowUrl(), registryUri: `http://127.0.0.1:${server.port}` };
  const both = await openClient(settings, { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" });
  const given = { storeId: fresh("s"), name: fresh("clf") };
  let reads = 0;
  const value: BackendValue = {
    ...fileValue(Buffer.from(given.name)),
    pieces(file) {
      reads++;
      return fileValue(Buffer.from(given.name)).pieces(file);
    },
  };
  const error = await failureWithHint(keepIn(new MlflowBackend(both), value, given), "CONFIG");
  assert.is(reads, 0);
  assert.match(error.message, /does not know the models of/);
  const client = await openClient({ trackingUri: mlflowUrl() });
  assert.equal(await madeBy(client, given.storeId), { runs: 1, models: 0, versions: 0 });
  client.close();
  both.close();
});

if (hasService("mlflow", "a killed server of MLflow")) test.run();
