import * as assert from "uvu/assert";
import { places } from "../../adapters/places.ts";
import type { ArtifactStore, Directory, Places } from "../../engine/main.ts";
import { openStore, VarveError } from "../../engine/main.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { track } from "../helpers/stores.ts";
import { backendSuite, bytesOf, ONNX, textOf } from "./support.ts";

const test = backendSuite("deletes and aliases that reach the backend");

const save = (store: ArtifactStore, name: string, text: string) => store.save(name, bytesOf(text), ONNX);

test("a delete leaves the model, a purge takes it for good", async (store, { server }) => {
  await save(store, "m", "one");
  await save(store, "m", "two");
  assert.equal(await store.delete("m:0"), { deleted: ["m:0"], aliases: [] });
  assert.is(server.versions.size, 2);
  await store.setAlias("m", "best", 1);
  await failure(store.delete("m:1", { purge: true }), "CONFLICT");
  assert.is(server.versions.size, 2);
  const done = await store.delete("m@best", { purge: true, aliases: true });
  assert.equal(done, { deleted: ["m:1"], aliases: ["m@best"] });
  assert.equal([...server.versions.keys()], ["m/1"]);
  await failure(store.undelete("m:1"), "NOT_FOUND");
  assert.is(await (await store.undelete("m:0")).value().then(textOf), "one");
});

test("one that was deleted before is purged by its version", async (store, { server }) => {
  await save(store, "m", "one");
  await store.delete("m:latest");
  assert.equal(await store.delete("m:0", { purge: true }), { deleted: [], aliases: [] });
  assert.equal([server.versions.size, server.models.size], [0, 0]);
  await failure(store.undelete("m:0"), "NOT_FOUND");
  assert.is((await save(store, "m", "two")).version, 1);
});

test("all versions go together, those of Varve as by any delete", async (store, { server }) => {
  await save(store, "m", "one");
  await store.save("m", { a: 1 });
  await save(store, "m", "two");
  assert.equal((await store.delete("m:all", { purge: true })).deleted, ["m:0", "m:1", "m:2"]);
  assert.is(server.versions.size, 0);
  assert.equal(await (await store.undelete("m:1")).value(), { a: 1 });
});

test("bytes that other versions need stay, and go with the last of them", async (store, { server }) => {
  for (const name of ["a", "a", "b"]) await save(store, name, "same");
  assert.equal([server.models.size, server.versions.size], [1, 3]);
  await store.delete("a:0", { purge: true });
  assert.equal([server.models.size, server.versions.size], [1, 2]);
  assert.is(await store.load("a:1").then(textOf), "same");
  await store.delete("b:latest", { purge: true });
  await store.delete("a:latest", { purge: true });
  assert.equal([server.models.size, server.versions.size], [0, 0]);
});

test("a version there that two artifacts are goes with the last of them, deleted ones that can come back included", async (store, {
  server,
}) => {
  await save(store, "m", "one");
  await store.adoptMlflow("x", "models:/m/1");
  await store.adoptMlflow("y", "models:/m/1");
  await store.delete("y:latest");
  await store.delete("m:0", { purge: true });
  await store.delete("x:0", { purge: true });
  assert.is(server.versions.size, 1, "y can still be brought back");
  await store.undelete("y:0");
  await store.delete("y:0", { purge: true });
  assert.equal([server.models.size, server.versions.size], [0, 0]);
});

test("bytes stay that a model without a version needs", async (store, { server }) => {
  const { mlflow } = await save(store, "m", "one");
  await store.adoptMlflow("x", `models:/${mlflow?.modelId}`);
  await store.delete("m:0", { purge: true });
  assert.equal([server.models.size, server.versions.size], [1, 0]);
  await store.delete("x:0", { purge: true });
  assert.is(server.models.size, 0);
});

test("what MLflow fails is said with what to do, and the repeated call does it", async (store, {
  server,
}) => {
  await save(store, "m", "one");
  server.fail("remove");
  const { message, hint } = await failureWithHint(store.delete("m:latest", { purge: true }), "UNAVAILABLE");
  assert.match(message, /m:0 is deleted, but MLflow still has/);
  assert.match(String(hint), /varve delete m:0 --purge/);
  assert.equal([await store.has("m"), server.versions.size], [false, 1]);
  assert.equal(await store.delete("m:0", { purge: true }), { deleted: [], aliases: [] });
  assert.is(server.versions.size, 0);
  await store.delete("m:0", { purge: true });
});

test("where some of many fail, all that are left are named, and no others", async (store, { server }) => {
  for (const text of ["one", "two", "three"]) await save(store, "m", text);
  server.fail("remove", new VarveError("CONFLICT", "it is protected"));
  const { message, hint, details } = await failureWithHint(
    store.delete("m:all", { purge: true }),
    "CONFLICT",
  );
  assert.match(message, /^m:0 is deleted, but MLflow still has its model/);
  assert.equal([server.versions.size, details?.refs], [1, ["m:0"]]);
  assert.match(String(hint), /`varve delete m:0 --purge`/);
  for (const text of ["four", "five"]) await save(store, "m", text);
  server.fail("remove");
  const all = await failureWithHint(store.delete("m:all", { purge: true }), "UNAVAILABLE");
  assert.match(String(all.hint), /`varve delete m:3 m:4 --purge`/);
  for (const ref of ["m:0", "m:3", "m:4"]) await store.delete(ref, { purge: true });
  assert.equal([server.models.size, server.versions.size], [0, 0]);
});

test("what is brought back while a purge looks keeps its model", async (_, { server, place }) => {
  if (place.kind !== "sqlite") return;
  let between = async () => {};
  const watched: Places = {
    ...places,
    async openMetadata(url, options) {
      const metadata = await places.openMetadata(url, options);
      const list = metadata.list.bind(metadata);
      metadata.list = async function* (query, call) {
        yield* list(query, call);
        if (query.mode === "live" && query.hints.backend) await between();
      };
      return metadata;
    },
  };
  const home = newFolder();
  const options = { home, databaseUrl: `sqlite:///${home}/metadata.db`, mlflowTrackingUri: server.uri };
  const store = track(await openStore({ ...options, environment: false }, server.over(watched)));
  await save(store, "m", "one");
  await store.adoptMlflow("a", "models:/m/1");
  await store.delete("a:0");
  between = async () => void (await store.undelete("a:0"));
  await store.delete("m:0", { purge: true });
  assert.is(textOf(await (await store.load<Directory>("a")).read("model.onnx")), "one");
});

test("where MLflow can't be asked at all, nothing is deleted", async (store, { again }) => {
  await save(store, "m", "one");
  for (const mlflowTrackingUri of [null, "http://127.0.0.1:5001"]) {
    const other = await again({ mlflowTrackingUri });
    for (const ref of ["m:latest", "m:0", "m:all"])
      await failureWithHint(other.delete(ref, { purge: true }), "CONFIG");
    assert.is(await other.has("m"), true);
  }
});

test("the row is gone before the model is", async (store, { server, again }) => {
  await save(store, "m", "one");
  const other = await again();
  let wasThere: boolean | undefined;
  const { reach } = server;
  server.reach = async function hooked(step) {
    if (step === "remove") wasThere = await other.has("m");
    reach.call(server, step);
  } as typeof reach;
  await store.delete("m:latest", { purge: true });
  await other.has("m");
  assert.is(wasThere, false);
});

test("an alias is mirrored, ours first; what MLflow would refuse is refused before", async (store, {
  server,
}) => {
  await save(store, "m", "one");
  await store.save("o", 1);
  await store.setAlias("m", "best", 0, { mlflow: true });
  assert.equal([...server.aliases], [["m@best", "1"]]);
  await failure(store.setAlias("m", "v1", 0, { mlflow: true }), "INVALID_ARGUMENT");
  await failureWithHint(store.setAlias("o", "best", 0, { mlflow: true }), "INVALID_ARGUMENT");
  await failure(store.setAlias("m", "best", 1, { mlflow: true }), "NOT_FOUND");
  assert.equal(await store.aliases("m"), { best: 0 });
  server.fail("setAlias");
  const { message } = await failureWithHint(store.setAlias("m", "next", 0, { mlflow: true }), "UNAVAILABLE");
  assert.match(message, /m@next is set, but not in MLflow/);
  assert.equal(await store.aliases("m"), { best: 0, next: 0 });
  await store.deleteAlias("m", "best", { mlflow: true });
  await store.deleteAlias("m", "next");
  assert.equal([server.aliases.size, await store.aliases("m")], [0, {}]);
  await failure(store.deleteAlias("m", "best", { mlflow: true }), "NOT_FOUND");
});

test.run();
