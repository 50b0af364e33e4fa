import { statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../../adapters/main.ts";
import { openClient } from "../../../adapters/mlflow/client.ts";
import type { MlflowClient } from "../../../adapters/mlflow/protocol.ts";
import type { ArtifactStore, StoreOptions } from "../../../engine/main.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import { filesUnder, newFolder, removeFolders } from "../../helpers/folders.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { PythonSide } from "./python-side.ts";
import { fresh, sha256 } from "./values.ts";

/** Whole stores on a real server, of both kinds. */
const test = suite("stores with MLflow");

let client: MlflowClient;
const opened: ArtifactStore[] = [];

test.before(async () => {
  client = await openClient({ trackingUri: mlflowUrl() });
});
test.after(() => client.close());
test.after.each(async () => {
  for (const store of opened.splice(0)) await store.close();
  removeFolders();
});

async function open(options: StoreOptions = {}): Promise<ArtifactStore> {
  const store = await openStore({ home: newFolder(), mlflowTrackingUri: mlflowUrl(), ...options });
  opened.push(store);
  return store;
}

function bytesUnder(folder: string): number {
  return filesUnder(folder).reduce((sum, path) => sum + statSync(path).size, 0);
}

const ONNX = { mediaType: "application/onnx" };
const kinds: [string, () => StoreOptions][] = [
  ["embedded", () => ({})],
  ["on a database", () => ({ databaseUrl: `sqlite:///${join(newFolder(), "meta.db")}` })],
];

for (const [kind, optionsOf] of kinds) {
  test(`${kind}: a model is saved, read, saved again over the same bytes, and purged version by version`, async () => {
    const store = await open(optionsOf());
    const name = fresh("clf");
    const bytes = Buffer.from(fresh("bytes"));
    const first = await store.save(name, bytes, { ...ONNX, mlflow: { aliases: ["best"] } });
    const second = await store.save(name, bytes, ONNX);
    assert.is(first.backend, "mlflow");
    assert.is(first.mlflow!.modelId, second.mlflow!.modelId);
    assert.is(first.digest, `sha256:${Buffer.from(sha256(bytes)).toString("hex")}`);
    assert.ok(Buffer.from((await store.load(first)) as Uint8Array).equals(bytes));
    await store.delete(first, { purge: true });
    assert.is(await client.registry.getVersion(name, "1"), undefined);
    assert.ok(Buffer.from((await store.load(second)) as Uint8Array).equals(bytes));
    await store.delete(second, { purge: true });
    assert.is(await client.models.get(second.mlflow!.modelId!), undefined);
    await failureWithHint(store.load(second), "NOT_FOUND");
  });

  test(`${kind}: what was changed or removed in MLflow is told, by reads and by verify`, async () => {
    const store = await open(optionsOf());
    const bytes = Buffer.from(fresh("bytes"));
    const saved = await store.save(fresh("clf"), bytes, ONNX);
    const { artifactUri } = (await client.models.get(saved.mlflow!.modelId!))!;
    const other = Buffer.from(bytes.map((byte) => byte ^ 1));
    await client.artifacts(artifactUri).put("model.onnx", other.byteLength, async function* () {
      yield other;
    });
    await failureWithHint(store.load(saved), "CORRUPTION");
    assert.is((await store.verify({ full: true })).problems.length, 1);
    await client.registry.deleteVersion(saved.mlflow!.registeredName!, saved.mlflow!.registeredVersion!);
    await failureWithHint(store.load(saved), "NOT_FOUND");
    assert.is((await store.verify()).problems.length, 1);
  });
}

test("the home does not grow with the model", async () => {
  const home = newFolder();
  const store = await open({ home });
  await store.save("first", Buffer.from(fresh("bytes")), ONNX);
  const before = bytesUnder(home);
  const saved = await store.save("large", Buffer.alloc(100 * 1024 * 1024, fresh("bytes")), ONNX);
  assert.is(saved.size, 100 * 1024 * 1024);
  const grown = bytesUnder(home) - before;
  assert.ok(grown < 16 * 1024, `${grown} bytes`);
});

test("a model that Python registered is adopted, verified, written to disk and saved again, and loads in Python", async () => {
  const python = await PythonSide.start(mlflowUrl());
  try {
    const name = fresh("sklearn");
    const logged = await python.call<{ predicted: number[] }>("log", name, fresh("experiment"));
    const store = await open();
    const adopted = await store.adoptMlflow("iris", `models:/${name}/1`);
    assert.equal([adopted.backend, adopted.mlflow!.flavor], ["mlflow", "sklearn"]);
    assert.equal((await store.verify()).problems, []);
    const folder = join(newFolder(), "model");
    await adopted.writeTo(folder);
    const again = await store.saveDirectory("again", folder);
    assert.is(again.digest, adopted.digest);
    assert.is.not(again.mlflow!.modelId, adopted.mlflow!.modelId);
    const expected = [logged.predicted, logged.predicted];
    assert.equal(await python.call("predict", again.mlflow!.modelUri), expected);
    await store.delete(again, { purge: true });
    assert.equal(await python.call("predict", adopted.mlflow!.modelUri), expected);
  } finally {
    python.end();
  }
});

if (hasService("mlflow", "stores with MLflow")) test.run();
