import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openClient } from "../../../adapters/mlflow/client.ts";
import { openMlflow } from "../../../adapters/mlflow/open.ts";
import type { MlflowClient } from "../../../adapters/mlflow/protocol.ts";
import { places } from "../../../adapters/places.ts";
import type { ArtifactStore, Directory, Places, StorageBackend, StoreOptions } from "../../../engine/main.ts";
import { openStore, VarveError } from "../../../engine/main.ts";
import { all, bytesOf, folderOf, ONNX, textOf } from "../../backend/support.ts";
import { failure, failureWithHint } from "../../helpers/errors.ts";
import { newFolder } from "../../helpers/folders.ts";
import { closeAll, openTestStore, track } from "../../helpers/stores.ts";
import { endAll, servicePlace } from "../../metadata/support.ts";
import { mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { madeBy } from "./made.ts";
import { PythonSide } from "./python-side.ts";
import { fresh } from "./values.ts";

/** Whole stores over a server of MLflow, wherever their metadata are. */
const NAME = "stores whose models are in MLflow";
const test = suite(NAME);
test.after.each(async () => {
  await closeAll();
  await endAll();
});

const KINDS: Record<string, () => Promise<StoreOptions>> = {
  embedded: async () => ({}),
  sqlite: async () => ({ databaseUrl: `sqlite:///${join(newFolder(), "metadata.db")}` }),
};

async function openIn(options: StoreOptions): Promise<ArtifactStore> {
  const settings = { environment: false as const, mlflowTrackingUri: mlflowUrl(), ...options };
  return track(await openStore(settings, places));
}

interface Context {
  /** What the store is in. */
  options: StoreOptions;
  client: MlflowClient;
}

type Run = (store: ArtifactStore, context: Context) => Promise<void>;

function eachKind(title: string, run: Run, kinds = Object.keys(KINDS)): void {
  for (const [kind, optionsOf] of Object.entries(KINDS).filter(([name]) => kinds.includes(name)))
    test(`${kind}: ${title}`, async () => {
      const options = { home: newFolder(), ...(await optionsOf()) };
      const client = await openClient({ trackingUri: mlflowUrl() }, {});
      try {
        await run(await openIn(options), { options, client });
      } finally {
        client.close();
      }
    });
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}

function allTests(): void {
  eachKind("bytes, streams and files come back as they were, in every way", async (store) => {
    const name = fresh("clf");
    const bytes = randomBytes(3_000_000);
    const file = join(folderOf({ "clf.onnx": "of a file" }), "clf.onnx");
    const tags = { stage: "dev" };
    const mlflow = {
      experiment: fresh("experiment"),
      runName: "first",
      tags,
      params: { depth: 3, fast: true },
    };
    const saved = await store.save(name, new Uint8Array(bytes), { ...ONNX, mlflow });
    assert.equal([saved.backend, saved.digest, saved.size], ["mlflow", sha256(bytes), bytes.length]);
    assert.equal(
      [saved.mlflow?.registeredName, saved.mlflow?.registeredVersion, saved.mlflow?.flavor],
      [name, "1", "onnx"],
    );
    assert.ok(saved.mlflow?.modelId && saved.mlflow.runId && saved.mlflow.experimentId);
    const pieces = [bytes.subarray(0, 1000), bytes.subarray(1000)];
    await store.save(name, Readable.from(pieces), { ...ONNX, mlflow: { experiment: mlflow.experiment } });
    await store.saveFile(name, file);
    assert.is(sha256(await store.load(`${name}:0`)), saved.digest);
    assert.is(
      (await store.get(`${name}:1`)).mlflow?.modelId,
      saved.mlflow.modelId,
      "the same bytes are sent once",
    );
    assert.is(await store.load(name).then(textOf), "of a file");
    const artifact = await store.get(`${name}:0`);
    assert.equal(await artifact.bytes({ start: 2_999_990 }), new Uint8Array(bytes.subarray(2_999_990)));
    assert.is(sha256(Buffer.concat(await all(artifact.stream()))), saved.digest);
    const target = join(newFolder(), "out.onnx");
    await artifact.writeTo(target);
    assert.is(sha256(readFileSync(target)), saved.digest);
    await failure(
      store.save(name, bytesOf("x"), { ...ONNX, mlflow: { experimnt: "x" } as object }),
      "INVALID_ARGUMENT",
    );
    await failure(store.save(name, { a: 1 }, { backend: "mlflow" }), "NOT_SUPPORTED");
  });

  eachKind("a folder with an MLmodel comes back as a directory", async (store, { options }) => {
    const name = fresh("folder");
    const files = {
      MLmodel: "flavors: {python_function: {loader_module: x}}\n",
      "data/a.txt": "1",
      "data/b.txt": "1",
    };
    const saved = await store.saveDirectory(name, folderOf(files));
    assert.is(saved.backend, "mlflow");
    const own = await store.saveDirectory(`${name}/own`, folderOf(files), { backend: "varve" });
    assert.equal([saved.digest, saved.size], [own.digest, own.size]);
    const again = await openIn({ ...options, readOnly: true });
    const directory = await again.load<Directory>(name);
    assert.equal(await all(directory.list()), await all((await again.load<Directory>(`${name}/own`)).list()));
    assert.is(textOf(await directory.read("data/b.txt")), "1");
    const target = join(newFolder(), "out");
    await saved.writeTo(target);
    assert.is(readFileSync(join(target, "MLmodel"), "utf8"), files.MLmodel);
    await failure(
      store.saveDirectory(name, folderOf(files), { mlflow: { inputExample: [1] } }),
      "INVALID_ARGUMENT",
    );
  });

  eachKind(
    "what is changed or removed there is told by reads and by verify, and repaired",
    async (store, { client }) => {
      const name = fresh("damaged");
      await store.save(name, bytesOf(`${name} one`), ONNX);
      await store.save(name, bytesOf(`${name} two`), ONNX);
      assert.equal((await store.verify({ full: true })).problems, []);
      const [first, second] = await all(store.versions(name));
      const uriOf = async (id: string) => (await client.models.get(id))!.artifactUri;
      const artifacts = client.artifacts(await uriOf(first!.mlflow!.modelId!));
      await artifacts.put("model.onnx", name.length + 4, async function* () {
        yield bytesOf(`${name} ONE`);
      });
      await client.registry.deleteVersion(
        second!.mlflow!.registeredName!,
        second!.mlflow!.registeredVersion!,
      );
      await client.models.delete(second!.mlflow!.modelId!);
      await failureWithHint(store.load(`${name}:0`), "CORRUPTION");
      const { problems } = await store.verify({ full: true });
      assert.ok(
        problems.some(({ kind, refs }) => kind === "blob" && refs?.includes(`${name}:0`)),
        JSON.stringify(problems),
      );
      const source = await openTestStore(newFolder());
      await source.save("copy", bytesOf(`${name} one`));
      await source.save("copy", bytesOf(`${name} two`));
      const report = await store.repair({ from: source });
      assert.equal(report.notRepaired, []);
      assert.is(await store.load(`${name}:0`).then(textOf), `${name} one`);
      assert.is(await store.load(`${name}:1`).then(textOf), `${name} two`);
      assert.equal((await store.verify({ full: true })).problems, []);
    },
  );

  eachKind("a delete leaves the model, and purges take all of it", async (store, { client }) => {
    const name = fresh("purged");
    for (const text of ["same", "same", "other"]) await store.save(name, bytesOf(`${name} ${text}`), ONNX);
    assert.equal(await madeBy(client, store.id), { runs: 3, models: 2, versions: 3 });
    await store.delete(`${name}:2`);
    assert.is((await madeBy(client, store.id)).versions, 3);
    await store.delete(`${name}:0`, { purge: true });
    assert.is(await store.load(`${name}:1`).then(textOf), `${name} same`);
    await store.delete(`${name}:1`, { purge: true });
    await store.delete(`${name}:2`, { purge: true });
    const { models, versions } = await madeBy(client, store.id);
    assert.equal([models, versions], [0, 0]);
    await failure(store.undelete(`${name}:1`), "NOT_FOUND");
  });

  eachKind("aliases are MLflow's too, where that is asked for", async (store, { client }) => {
    const name = fresh("aliased");
    await store.save(name, bytesOf("model"), { ...ONNX, mlflow: { aliases: ["from-save"] } });
    await store.setAlias(name, "champion", 0, { mlflow: true });
    const aliases = async () => (await client.registry.get(name))?.aliases;
    assert.equal(await aliases(), { "from-save": "1", champion: "1" });
    await failure(store.setAlias(name, "v1", 0, { mlflow: true }), "INVALID_ARGUMENT");
    await store.deleteAlias(name, "champion", { mlflow: true });
    assert.equal([await aliases(), await store.aliases(name)], [{ "from-save": "1" }, {}]);
  });

  eachKind("a session goes over to MLflow, and away from it", async (_, { options }) => {
    const { openSessionWith } = await import("../../../engine/session.ts");
    const session = await openSessionWith((given) => openStore(given, places), {
      ...options,
      environment: false,
    });
    const backends: string[] = [];
    const name = fresh("session");
    const save = async () => backends.push((await session.store.save(name, bytesOf("x"), ONNX)).backend);
    await save();
    await session.options.set("mlflow_tracking_uri", mlflowUrl());
    await save();
    await session.options.set("default_ml_models_storage_backend", "varve");
    await save();
    await failure(
      session.options.set({ mlflow_tracking_uri: undefined, default_ml_models_storage_backend: "mlflow" }),
      "CONFIG",
    );
    await session.close();
    assert.equal(backends, ["varve", "mlflow", "varve"]);
  });

  eachKind(
    "what a save has left whose commit was cut off is taken up by the repeated one",
    async (_, { options, client }) => {
      let isCut = true;
      const cutting: Places = {
        ...places,
        async openMetadata(url, given) {
          const metadata = await places.openMetadata(url, given);
          const commit = metadata.commit.bind(metadata);
          const lost = new VarveError("UNAVAILABLE", "the process ended", { outcome: "unknown" });
          metadata.commit = (units, call) => (isCut ? Promise.reject(lost) : commit(units, call));
          return metadata;
        },
      };
      const settings = { environment: false as const, mlflowTrackingUri: mlflowUrl(), ...options };
      const store = track(await openStore(settings, cutting));
      const name = fresh("cut");
      const save = () => store.save(name, bytesOf(name), ONNX);
      assert.is((await failure(save(), "UNAVAILABLE")).outcome, "unknown");
      isCut = false;
      assert.is((await save()).mlflow?.registeredVersion, "1");
      assert.equal(await madeBy(client, store.id), { runs: 1, models: 1, versions: 1 });
    },
    ["sqlite"],
  );
}

let python: PythonSide;
let backend: StorageBackend;

function pythonTests(): void {
  test.before(async () => {
    python = await PythonSide.start(mlflowUrl());
    backend = await openMlflow({ trackingUri: mlflowUrl() });
  });
  test.after(async () => {
    python.end();
    await backend.close();
  });

  eachKind(
    "Python loads what the store saved, and the store what Python logged",
    async (store) => {
      const name = fresh("iris");
      const path = join(newFolder(), "iris.onnx");
      const expected = await python.call<number[][]>("convert", path);
      const saved = await store.saveFile(name, path);
      await store.setAlias(name, "champion", 0, { mlflow: true });
      const found = await python.call<number[][]>("load_onnx", `models:/${name}@champion`);
      assert.is(found.length, expected.length);
      for (const [i, row] of expected.entries()) assert.ok(Math.abs(found[i]![0]! - row[0]!) < 1e-5);
      assert.is(saved.digest, sha256(readFileSync(path)));
      const logged = fresh("logged");
      const { modelId } = await python.call<{ modelId: string }>("log", logged, fresh("experiment"));
      const adopted = await store.adoptMlflow("team/adopted", `models:/${logged}/1`);
      assert.equal([adopted.mlflow?.modelId, adopted.mlflow?.flavor], [modelId, "sklearn"]);
      const download = async () => {
        const uri = `models:/${logged}/1`;
        // Written by Python where it downloads to.
        const { registered_model_meta: _, ...found } = await python.call<Record<string, string>>(
          "download",
          uri,
        );
        return found;
      };
      const digests = await download();
      const directory = await store.load<Directory>("team/adopted");
      const listed = await all(directory.list());
      assert.equal(Object.fromEntries(listed.map(({ path: of, digest }) => [of, digest!.slice(7)])), digests);
      await store.delete("team/adopted:0");
      assert.equal(await download(), digests);
      assert.equal((await store.verify({ full: true })).problems, []);
    },
    ["embedded"],
  );
}

if (hasService("mlflow", NAME)) {
  if (hasService("postgresql", NAME))
    KINDS.postgresql = async () => ({ databaseUrl: (await servicePlace("postgresql")).url });
  allTests();
  pythonTests();
}

test.run();
