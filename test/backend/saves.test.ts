import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import * as assert from "uvu/assert";
import { places } from "../../adapters/places.ts";
import type { ArtifactStore, Directory, Places, SaveOptions } from "../../engine/main.ts";
import { openStore, VarveError } from "../../engine/main.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder, openFilesUnder } from "../helpers/folders.ts";
import { track } from "../helpers/stores.ts";
import { all, backendSuite, bytesOf, folderOf, ONNX, sha256, textOf } from "./support.ts";

const test = backendSuite("saves that a backend keeps");

const save = (store: ArtifactStore, text: string, options: SaveOptions = {}) =>
  store.save("team/clf", bytesOf(text), { ...ONNX, ...options });

test("an artifact says what it is and where it is, whoever reads it", async (store, { again, server }) => {
  const tags = { stage: "dev" };
  const options = {
    tags,
    metadata: { accuracy: 0.9 },
    code: "let x;",
    mlflow: { registeredModelName: "clf" },
  };
  await store.save("data", { a: 1 });
  const saved = await save(store, "model", { ...options, inputs: ["data"] });
  assert.is(saved.backend, "mlflow");
  assert.is(saved.digest, sha256("model"));
  assert.equal([saved.size, saved.mediaType, saved.version], [5, "application/onnx", 0]);
  assert.equal(saved.mlflow, {
    ...{ trackingUri: server.uri, modelUri: "models:/clf/1", modelId: "m-1" },
    ...{ registeredName: "clf", registeredVersion: "1", flavor: "onnx" },
  });
  assert.equal([saved.tags, saved.metadata, saved.inputs], [tags, { accuracy: 0.9 }, ["data:0"]]);
  const plain = (of: unknown) => JSON.parse(JSON.stringify(of));
  const other = await again();
  assert.equal(plain(await other.get("team/clf")), plain(saved));
  assert.equal(plain(await all(other.versions("team/clf"))), [plain(saved)]);
  assert.equal(plain((await all(other.list({ name: "team/*" })))[0]), plain(saved));
  assert.equal(plain((await all(other.list({ digest: saved.digest })))[0]), plain(saved));
  assert.equal(
    (await other.lineage("data")).nodes.map(({ ref }) => ref),
    ["data:0", "team/clf:0"],
  );
  assert.not.ok("mlflow" in (await other.get("data")));
});

test("the same bytes again are a new version over the same model", async (store, { server }) => {
  await save(store, "model");
  const again = await save(store, "model");
  assert.equal([again.version, again.mlflow?.modelId, again.mlflow?.registeredVersion], [1, "m-1", "2"]);
  assert.is(server.models.size, 1);
});

test("saves of one name go one after another, those of others beside them", async (store, { server }) => {
  const names = ["a", "a", "b", "a"];
  const saved = await Promise.all(names.map((name, i) => store.save(name, bytesOf(`${i}`), ONNX)));
  assert.equal(
    saved.map(({ ref }) => ref),
    ["a:0", "a:1", "b:0", "a:2"],
  );
  assert.equal(server.asked.sort(), ["a:0", "a:1", "a:2", "b:0"], "each knew what it would be");
  for (const { ref, mlflow } of saved)
    assert.is(
      await store.load(ref).then(textOf),
      String(server.file(`${mlflow?.registeredName}/${mlflow?.registeredVersion}`)),
    );
});

test("a value is taken at the call, and a large one that changes is a conflict", async (store, {
  server,
}) => {
  const small = bytesOf("model");
  const options = { ...ONNX, mlflow: { registeredModelName: "as-given" } };
  const saving = store.save("a", small, options);
  small.fill(0);
  options.mlflow.registeredModelName = "changed";
  const saved = await saving;
  assert.equal([saved.digest, saved.mlflow?.registeredName], [sha256("model"), "as-given"]);
  const large = new Uint8Array(3 * 1024 * 1024).fill(1);
  server.beforeKeep = () => large.fill(2);
  await failureWithHint(store.save("b", large, ONNX), "CONFLICT");
  await failure(store.get("b"), "NOT_FOUND");
});

test("a file or folder that changes while it is saved is a conflict, and nothing stays", async (store, {
  server,
}) => {
  const folder = folderOf({ MLmodel: "flavors", "a.onnx": "model" });
  server.beforeKeep = () => writeFileSync(join(folder, "a.onnx"), "mODEL");
  await failureWithHint(store.saveFile("a", join(folder, "a.onnx")), "CONFLICT");
  writeFileSync(join(folder, "a.onnx"), "model");
  const { message } = await failureWithHint(store.saveDirectory("a", folder), "CONFLICT");
  assert.match(message, /a\.onnx/);
  assert.equal([server.versions.size, await store.has("a")], [0, false]);
});

test("a stream is read to its end first, and leaves no file behind", async (store, { server }) => {
  const { TMPDIR } = process.env;
  const temporary = newFolder();
  process.env.TMPDIR = temporary;
  const saved = await store.save("s", Readable.from([bytesOf("mo"), bytesOf("del")]), ONNX);
  assert.is(saved.digest, sha256("model"));
  async function* failing() {
    yield bytesOf("mo");
    throw new Error("gone");
  }
  await failure(store.save("s", failing(), ONNX), "IO");
  server.fail("keep");
  await failure(store.save("s", Readable.from([bytesOf("x")]), ONNX), "UNAVAILABLE");
  if (TMPDIR === undefined) delete process.env.TMPDIR;
  else process.env.TMPDIR = TMPDIR;
  assert.equal(readdirSync(temporary), []);
});

test("a backend that can't be closed keeps no home open", async (store, { place, server }) => {
  await save(store, "model");
  server.fail("close");
  await failure(store.close(), "UNAVAILABLE");
  // SQLite's driver lets go of its files when garbage is collected.
  if (place.kind === "embedded") assert.equal(openFilesUnder(place.home), []);
});

test("what can be refused is refused before anything is sent", async (store, { server }) => {
  await save(store, "one");
  server.calls.length = 0;
  await failure(save(store, "two", { ifVersion: "absent" }), "CONFLICT");
  await failure(save(store, "two", { ifVersion: 3 }), "CONFLICT");
  await failure(save(store, "two", { inputs: ["nothing"] }), "NOT_FOUND");
  await failure(store.saveFile("f", "/nowhere/at/all.onnx"), "INVALID_ARGUMENT");
  assert.not.ok(server.calls.includes("keep"));
  await save(store, "two", { ifVersion: 0 });
});

test("code that can't be read is the failure of the save, before anything is sent", async (store, {
  server,
}) => {
  const code = { file: "/nowhere/at/all.ts" };
  await failure(save(store, "one", { code }), "INVALID_ARGUMENT");
  await failure(save(store, "one", { code, inputs: ["nothing"] }), "NOT_FOUND");
  await failure(store.saveDirectory("d", folderOf({ MLmodel: "flavors" }), { code }), "INVALID_ARGUMENT");
  const uri = server.log("theirs", { MLmodel: "flavors" });
  await failure(store.adoptMlflow("d", uri, { code }), "INVALID_ARGUMENT");
  await failure(store.adoptMlflow("d", uri, { ifVersion: 3 }), "CONFLICT");
  for (const call of ["keep", "resolve"]) assert.not.ok(server.calls.includes(call), call);
});

test("an aborted save leaves nothing", async (store, { server }) => {
  await failure(save(store, "x", { signal: AbortSignal.abort() }), "ABORTED");
  assert.equal([server.versions.size, await store.has("team/clf")], [0, false]);
});

test("a save that is aborted before its turn ends at once, and the next one still waits", async (store, {
  server,
}) => {
  let goOn = () => {};
  const held = new Promise<void>((resolve) => (goOn = resolve));
  server.beforeKeep = () => held;
  const first = save(store, "one");
  while (!server.calls.includes("keep")) await new Promise(setImmediate);
  const controller = new AbortController();
  const second = save(store, "two", { signal: controller.signal });
  // Until it waits; and no longer than this where it is not let go.
  await sleep(300);
  const late = setTimeout(goOn, 3_000);
  controller.abort();
  await failure(second, "ABORTED");
  assert.equal(server.versions.size, 0, "the first is still at it");
  clearTimeout(late);
  const third = save(store, "three");
  await sleep(300);
  assert.is(server.calls.filter((call) => call === "keep").length, 1);
  goOn();
  assert.equal([(await first).version, (await third).version], [0, 1]);
});

test("a save that the backend fails leaves no version, and is repeated", async (store, { server }) => {
  for (const step of ["keep", "kept"] as const) {
    server.fail(step);
    await failure(save(store, "model"), "UNAVAILABLE");
    assert.is(await store.has("team/clf"), false);
  }
  assert.is((await save(store, "model")).version, 0);
});

test("what the backend has is there before the version, and goes again when the commit is refused", async (store, {
  server,
  again,
}) => {
  await save(store, "one");
  const other = await again();
  server.beforeKeep = () => other.save("team/clf", { another: 1 });
  const wait = server.calls.length;
  const outcome = save(store, "two", { ifVersion: 0 });
  await failure(outcome, "CONFLICT");
  assert.equal(
    server.calls.slice(wait).filter((call) => call === "keep" || call === "remove"),
    ["keep", "remove"],
  );
  assert.equal([...server.versions.keys()], ["team-clf/1"]);
  assert.is(await store.load("team/clf:0").then(textOf), "one");
});

test("what is taken back leaves the bytes that another version needs", async (store, { server, again }) => {
  const { mlflow } = await save(store, "one");
  await store.adoptMlflow("x", `models:/${mlflow?.modelId}`);
  await store.delete("team/clf:0", { purge: true });
  const other = await again();
  server.beforeKeep = () => other.save("team/clf", { another: 1 });
  await failure(save(store, "one", { ifVersion: "absent" }), "CONFLICT");
  assert.equal([server.versions.size, server.models.size], [0, 1]);
  assert.is(textOf(await (await store.load<Directory>("x")).read("model.onnx")), "one");
});

test("a model whose commit may have been made stays", async (_, { place, server }) => {
  if (place.kind !== "sqlite") return;
  const doubt = new VarveError("UNAVAILABLE", "nobody knows", { outcome: "unknown" });
  const inDoubt: Places = {
    ...places,
    async openMetadata(url, options) {
      const metadata = await places.openMetadata(url, options);
      metadata.commit = () => Promise.reject(doubt);
      return metadata;
    },
  };
  const home = newFolder();
  const databaseUrl = `sqlite:///${join(home, "metadata.db")}`;
  const options = { home, databaseUrl, environment: false as const, mlflowTrackingUri: server.uri };
  const other = track(await openStore(options, server.over(inDoubt)));
  assert.is(await failure(save(other, "one"), "UNAVAILABLE"), doubt);
  assert.equal([...server.versions.keys()], ["team-clf/1"]);
});

test("a read-only store keeps nothing", async (store, { again, server }) => {
  await save(store, "one");
  const reader = await again({ readOnly: true });
  server.calls.length = 0;
  await failure(save(reader, "two"), "READ_ONLY");
  await failure(reader.adoptMlflow("x", "models:/team-clf/1"), "READ_ONLY");
  await failure(reader.delete("team/clf:0", { purge: true }), "READ_ONLY");
  assert.equal(server.calls, []);
  assert.is(await reader.load("team/clf").then(textOf), "one");
});

test("annotations, aliases, deletes and undeletes are those of any version", async (store, { server }) => {
  const { mlflow } = await save(store, "model");
  await store.annotate("team/clf", { tags: { a: "1" } });
  await store.setAlias("team/clf", "best", 0);
  assert.equal((await store.get("team/clf@best")).mlflow, mlflow);
  await store.delete("team/clf:0", { aliases: true });
  assert.is(await store.has("team/clf"), false);
  assert.is(server.versions.size, 1);
  await store.compact();
  const back = await store.undelete("team/clf:0");
  assert.equal([back.tags, back.aliases, back.mlflow], [{ a: "1" }, ["best"], mlflow]);
  assert.is(await back.value().then(textOf), "model");
  assert.instance(await failure(store.undelete("team/clf:1"), "NOT_FOUND"), VarveError);
});

test.run();
