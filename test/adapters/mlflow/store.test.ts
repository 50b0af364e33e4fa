import { statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../../../adapters/main.ts";
import type { ArtifactStore, StoreOptions } from "../../../engine/main.ts";
import { filesUnder, newFolder, removeFolders } from "../../helpers/folders.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { PythonSide } from "./python-side.ts";
import { fresh } from "./values.ts";

/** What a store has at home of a model, and models that go through Varve from Python to Python. */
const test = suite("a store with MLflow");

const opened: ArtifactStore[] = [];

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

if (hasService("mlflow", "a store with MLflow")) test.run();
