import { join } from "node:path";
import { Readable } from "node:stream";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, SaveOptions, StoreOptions } from "../../engine/main.ts";
import { openStore } from "../../engine/main.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { backendSuite, bytesOf, folderOf, ONNX } from "./support.ts";

const test = backendSuite("who keeps a value");

/** Saves that are models, and saves that are none. */
const MODELS: Record<string, (store: ArtifactStore, options: SaveOptions) => Promise<Artifact>> = {
  bytes: (store, options) => store.save("m", bytesOf("model"), { ...ONNX, ...options }),
  stream: (store, options) =>
    store.save("m", Readable.from([bytesOf("mo"), bytesOf("del")]), { ...ONNX, ...options }),
  file: (store, options) => store.saveFile("m", join(folderOf({ "clf.onnx": "model" }), "clf.onnx"), options),
  "file of that type": (store, options) =>
    store.saveFile("m", join(folderOf({ clf: "model" }), "clf"), { ...ONNX, ...options }),
  folder: (store, { mediaType: _, ...options }) =>
    store.saveDirectory("m", folderOf({ MLmodel: "flavors: {}", "data/x": "1" }), options),
};
const OTHERS: Record<string, (store: ArtifactStore, options: SaveOptions) => Promise<Artifact>> = {
  structured: (store, options) => store.save("o", { a: 1 }, options),
  bytes: (store, options) => store.save("o", bytesOf("model"), options),
  stream: (store, options) => store.save("o", Readable.from([bytesOf("model")]), options),
  file: (store, options) => store.saveFile("o", join(folderOf({ "clf.csv": "model" }), "clf.csv"), options),
  folder: (store, options) => store.saveDirectory("o", folderOf({ "in/MLmodel": "deeper" }), options),
};

type Cell = { backend: "mlflow" | "varve" } | { code: "CONFIG" | "NOT_SUPPORTED" };
const VARVE: Cell = { backend: "varve" };
const MLFLOW: Cell = { backend: "mlflow" };
const NONE: Cell = { code: "CONFIG" };
const NO_MODEL: Cell = { code: "NOT_SUPPORTED" };

/** The table of `engine/backend/README.md`: for models and for others, by what `backend` says. */
const TABLE: {
  title: string;
  options: Parameters<Parameters<Parameters<typeof test>[1]>[1]["again"]>[0];
  cells: [Cell, Cell, Cell][];
}[] = [
  {
    title: "no tracking URI",
    options: { mlflowTrackingUri: null },
    cells: [
      [VARVE, NONE, VARVE],
      [VARVE, NONE, VARVE],
    ],
  },
  {
    title: "no tracking URI, default varve",
    options: { mlflowTrackingUri: null, defaultMlModelsStorageBackend: "varve" },
    cells: [
      [VARVE, NONE, VARVE],
      [VARVE, NONE, VARVE],
    ],
  },
  {
    title: "default unset",
    options: {},
    cells: [
      [MLFLOW, MLFLOW, VARVE],
      [VARVE, NO_MODEL, VARVE],
    ],
  },
  {
    title: "default mlflow",
    options: { defaultMlModelsStorageBackend: "mlflow" },
    cells: [
      [MLFLOW, MLFLOW, VARVE],
      [VARVE, NO_MODEL, VARVE],
    ],
  },
  {
    title: "default varve",
    options: { defaultMlModelsStorageBackend: "varve" },
    cells: [
      [VARVE, MLFLOW, VARVE],
      [VARVE, NO_MODEL, VARVE],
    ],
  },
];

for (const { title, options, cells } of TABLE) {
  test(`the table, ${title}`, async (_, { again, server }) => {
    const store = await again(options);
    for (const [i, saves] of [MODELS, OTHERS].entries()) {
      for (const [j, backend] of [undefined, "mlflow" as const, "varve" as const].entries()) {
        for (const [what, save] of Object.entries(saves)) {
          const cell = cells[i]![j]!;
          const before = server.versions.size;
          const call = save(store, backend ? { backend } : {});
          if ("code" in cell) await failureWithHint(call, cell.code);
          else assert.is((await call).backend, cell.backend, `${what}, backend ${backend}`);
          const isThere = server.versions.size > before;
          assert.is(
            isThere,
            "backend" in cell && cell.backend === "mlflow",
            `${what}, backend ${backend}: sent`,
          );
        }
      }
    }
  });
}

test("default mlflow without a tracking URI is refused when the store is opened", async (_, { place }) => {
  const options = { mlflowTrackingUri: null, defaultMlModelsStorageBackend: "mlflow" as const };
  await failureWithHint(place.open(options), "CONFIG");
});

test("a file .onnx has the media type of ONNX only where MLflow keeps it", async (store) => {
  const file = join(folderOf({ "a.onnx": "model" }), "a.onnx");
  assert.is((await store.saveFile("a", file)).mediaType, "application/onnx");
  assert.is((await store.saveFile("a", file, { backend: "varve" })).mediaType, "application/octet-stream");
});

test("a batch has no models that go to MLflow", async (store, { again }) => {
  const batch = (backend?: "mlflow" | "varve") =>
    store.batch((queue) => void queue.save("m", bytesOf("x"), { ...ONNX, ...(backend && { backend }) }));
  await failureWithHint(batch(), "NOT_SUPPORTED");
  await failureWithHint(batch("mlflow"), "NOT_SUPPORTED");
  assert.is((await batch("varve"))[0]?.backend, "varve");
  const other = await again({ mlflowTrackingUri: null });
  const [artifact] = await other.batch((queue) => void queue.save("m", bytesOf("x"), ONNX));
  assert.is(artifact?.backend, "varve");
});

test("options of MLflow are refused where it keeps nothing, and nothing is sent", async (store, {
  server,
}) => {
  await failure(store.save("o", { a: 1 }, { mlflow: {} }), "INVALID_ARGUMENT");
  await failure(store.save("m", bytesOf("x"), { ...ONNX, backend: "varve", mlflow: {} }), "INVALID_ARGUMENT");
  const odd = { experimnt: "x" } as SaveOptions["mlflow"];
  await failure(store.save("m", bytesOf("x"), { ...ONNX, ...(odd && { mlflow: odd }) }), "INVALID_ARGUMENT");
  await failure(store.save("m", bytesOf("x"), { backend: "other" as "varve" }), "INVALID_ARGUMENT");
  assert.is(server.versions.size, 0);
});

test("options of MLflow are never passed over", async (store, { again }) => {
  const options = { ...ONNX, mlflow: { aliases: ["champion"] } };
  await failure(
    store.batch((batch) => {
      batch.save("m", { a: 1 }, options);
    }),
    "NOT_SUPPORTED",
  );
  const byDefault = await again({ defaultMlModelsStorageBackend: "varve" });
  for (const save of [...Object.values(MODELS), ...Object.values(OTHERS)]) {
    const { mediaType: _, ...given } = options;
    const error = await failureWithHint(save(byDefault, given), "INVALID_ARGUMENT");
    assert.match(error.hint!, /backend: "mlflow"/);
  }
  const without = await again({ mlflowTrackingUri: null });
  for (const save of Object.values(MODELS)) await failureWithHint(save(without, { mlflow: {} }), "CONFIG");
  assert.is(await without.has("m"), false);
});

test("opening a store asks nothing of MLflow", async (store, { server }) => {
  await store.save("o", 1);
  await store.load("o");
  assert.equal(server.calls, []);
});

test("the engine by itself refuses what it would send", async () => {
  const options: StoreOptions = {
    home: newFolder(),
    environment: false,
    mlflowTrackingUri: "http://127.0.0.1:1",
  };
  const store = await openStore(options);
  await failureWithHint(store.save("m", bytesOf("x"), ONNX), "NOT_SUPPORTED");
  await store.close();
});

test.run();
