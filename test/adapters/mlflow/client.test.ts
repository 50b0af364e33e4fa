import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { every, whereField, whereTag } from "../../../adapters/mlflow/filter.ts";
import { failure } from "../../helpers/errors.ts";
import "../../helpers/whole-suites.ts";
import { mlflowPython, mlflowUrl } from "../../services/mlflow.ts";
import { hasService } from "../../services/services.ts";
import { all, bytesOf, endAll, newExperiment, newName, nothing, openTest, piecesOf } from "./support.ts";

const NAME = "mlflow: the client of its server";
const test = suite(NAME);
test.after.each(endAll);

if (hasService("mlflow", NAME)) {
  test("an experiment is made once", async () => {
    const { experiments } = await openTest();
    const name = newName();
    assert.is(await experiments.find(name), undefined);
    const made = await Promise.all([1, 2, 3].map(() => experiments.ensure(name)));
    assert.is(new Set(made.map(({ id }) => id)).size, 1);
    assert.match(made[0]!.artifactUri, /^mlflow-artifacts:/);
    assert.equal(await experiments.find(name), made[0]);
    assert.equal(await experiments.get(made[0]!.id), made[0]);
    assert.ok((await all(experiments.list())).some(({ id }) => id === made[0]!.id));
    assert.is(await experiments.get("987654321"), undefined);
  });

  test("an experiment that was deleted is not taken for one", async () => {
    const { experiments, trackingUri } = await openTest();
    const { id, name } = await experiments.ensure(newName());
    await fetch(`${trackingUri}/api/2.0/mlflow/experiments/delete`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ experiment_id: id }),
    });
    assert.ok((await experiments.find(name))?.isDeleted);
    await failure(() => experiments.ensure(name), "CONFLICT");
  });

  test("a run has tags, parameters and an end", async () => {
    const client = await openTest();
    const { runs } = client;
    const { id: experimentId } = await newExperiment(client);
    const run = await runs.create({ experimentId, name: "first", tags: { "varve.attempt": "a" } }, nothing);
    assert.is(run.status, "RUNNING");
    const many = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`p${i}`, `${i}`]));
    await runs.logParams(run.id, many);
    await runs.setTags(run.id, { "varve.more": "é'\"" });
    await runs.setStatus(run.id, "FINISHED");
    const found = (await runs.get(run.id))!;
    assert.equal(found.params, many);
    assert.is(found.tags["varve.more"], "é'\"");
    assert.is(found.status, "FINISHED");
    const query = { experimentIds: [experimentId], filter: whereTag("varve.attempt", "a") };
    assert.equal(
      (await all(runs.search(query))).map(({ id }) => id),
      [run.id],
    );
    await failure(() => runs.logParams(run.id, { p0: "other" }), "INVALID_ARGUMENT");
    await runs.delete(run.id);
    await runs.delete(run.id);
    assert.ok((await runs.get(run.id))?.isDeleted);
    assert.is(await runs.get("0".repeat(32)), undefined);
  });

  test("a model is pending, ready, and gone", async () => {
    const client = await openTest();
    const { models, runs } = client;
    const { id: experimentId } = await newExperiment(client);
    const run = await runs.create({ experimentId }, nothing);
    const made = { experimentId, name: "clf", runId: run.id, tags: { a: "1" }, params: { depth: "3" } };
    const model = await models.create(made, nothing);
    assert.match(model.id, /^m-[0-9a-f]{32}$/);
    assert.is(model.status, "PENDING");
    assert.is(model.runId, run.id);
    assert.equal(model.params, { depth: "3" });
    await models.setTags(model.id, { b: "2" });
    await models.setStatus(model.id, "READY");
    await runs.logOutputs(run.id, [model.id]);
    const found = (await models.get(model.id))!;
    assert.is(found.status, "READY");
    assert.is(found.tags.b, "2");
    await models.setStatus(model.id, "UPLOAD_FAILED");
    assert.is((await models.get(model.id))?.status, "UPLOAD_FAILED");
    await models.delete(model.id);
    await models.delete(model.id);
    assert.is(await models.get(model.id), undefined);
  });

  test("searches go through all pages, and all experiments where none is named", async () => {
    const client = await openTest();
    const tag = newName();
    const ids: string[] = [];
    for (const count of [51, 1]) {
      const { id: experimentId } = await newExperiment(client);
      const model = { experimentId, name: "m", tags: { "varve.test": tag } };
      for (let i = 0; i < count; i++) ids.push((await client.models.create(model, nothing)).id);
    }
    const found = await all(client.models.search({ filter: whereTag("varve.test", tag) }));
    assert.equal(found.map(({ id }) => id).sort(), ids.sort());
  });

  test("versions, their tags and their aliases", async () => {
    const client = await openTest();
    const { registry, models } = client;
    const { id: experimentId } = await newExperiment(client);
    const model = await models.create({ experimentId, name: "clf" }, nothing);
    const name = newName("registered");
    assert.is(await registry.get(name), undefined);
    assert.is(await registry.latestVersion(name), undefined);
    await Promise.all([1, 2].map(() => registry.ensure(name, { made: "here" })));
    assert.equal((await registry.get(name))?.tags, { made: "here" });
    const source = `models:/${model.id}`;
    const create = (tag: string) =>
      registry.createVersion({ name, source, modelId: model.id, tags: { tag } }, nothing);
    const [first, second] = [await create("a"), await create("b")];
    assert.equal([first.version, second.version], ["1", "2"]);
    assert.is((await registry.getVersion(name, "1"))?.modelId, model.id);
    assert.is(await registry.artifactUri(name, "1"), model.artifactUri);
    assert.is((await registry.latestVersion(name))?.version, "2");
    await registry.setVersionTag(name, "1", "tag", "c");
    const where = every(whereField("name", name), whereTag("tag", "c"));
    assert.equal(
      (await all(registry.searchVersions({ filter: where }))).map(({ version }) => version),
      ["1"],
    );
    await registry.setAlias(name, "best", "1");
    assert.is((await registry.findAlias(name, "best"))?.version, "1");
    assert.equal((await registry.get(name))?.aliases, { best: "1" });
    await failure(() => registry.setAlias(name, "v1", "1"), "INVALID_ARGUMENT");
    await failure(() => registry.setAlias(name, "none", "9"), "NOT_FOUND");
    for (let i = 0; i < 2; i++) await registry.deleteAlias(name, "best");
    assert.is(await registry.findAlias(name, "best"), undefined);
    for (let i = 0; i < 2; i++) await registry.deleteVersion(name, "2");
    assert.is(await registry.getVersion(name, "2"), undefined);
    assert.is(await registry.artifactUri(name, "2"), undefined);
  });

  test("files come back as they went, by any name and of any size", async () => {
    const client = await openTest();
    const artifacts = client.artifacts(`${(await newExperiment(client)).artifactUri}/folder`);
    assert.equal(await artifacts.list(), []);
    const files = new Map<string, Buffer>([
      ["MLmodel", Buffer.from("flavors: {}")],
      ["empty", Buffer.alloc(0)],
      ["deep/er/large.bin", randomBytes(3_000_001)],
      ["with space & 100%.txt", Buffer.from("1")],
      ["été.txt", Buffer.from("2")],
    ]);
    for (const [path, bytes] of files) await artifacts.put(path, bytes.byteLength, piecesOf(bytes));
    await artifacts.put("MLmodel", 3, piecesOf(Buffer.from("new")));
    files.set("MLmodel", Buffer.from("new"));
    assert.equal(
      await artifacts.list(),
      [...files]
        .map(([path, { byteLength: size }]) => ({ path, size }))
        .sort((a, b) => (a.path < b.path ? -1 : 1)),
    );
    for (const [path, bytes] of files) assert.ok((await bytesOf(artifacts.get(path))).equals(bytes), path);
    for (let i = 0; i < 2; i++) await artifacts.remove("deep/er/large.bin");
    await failure(() => bytesOf(artifacts.get("deep/er/large.bin")), "NOT_FOUND");
    for (let i = 0; i < 2; i++) await artifacts.remove();
    assert.equal(await artifacts.list(), []);
  });

  test("who stops reading ends the download", async () => {
    const client = await openTest();
    const artifacts = client.artifacts((await newExperiment(client)).artifactUri);
    const bytes = randomBytes(5_000_000);
    await artifacts.put("large", bytes.byteLength, piecesOf(bytes));
    for await (const piece of artifacts.get("large")) {
      assert.ok(bytes.subarray(0, piece.byteLength).equals(piece));
      break;
    }
    assert.ok((await bytesOf(artifacts.get("large"))).equals(bytes));
  });

  test("an upload that is not as long as was said leaves nothing that is as long", async () => {
    const client = await openTest(undefined, {
      MLFLOW_HTTP_REQUEST_TIMEOUT: "5",
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0",
    });
    const artifacts = client.artifacts((await newExperiment(client)).artifactUri);
    for (const size of [10, 1_000_000, 1])
      await failure(() => artifacts.put("f", size, piecesOf(Buffer.from("abcde"))), "CONFLICT");
    const listed = await artifacts.list();
    assert.ok(listed.every(({ size }) => size! < 5));
  });

  test("what the source of an upload fails with is told as it is", async () => {
    const client = await openTest();
    const artifacts = client.artifacts((await newExperiment(client)).artifactUri);
    const failing = new Error("the disk is broken");
    const source = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(100);
      throw failing;
    };
    const error = await artifacts.put("f", 200, source).catch((caught) => caught);
    assert.is(error, failing);
  });

  test("Python reads what was uploaded, and what Python uploads is read", async () => {
    const client = await openTest();
    const { id: experimentId } = await newExperiment(client);
    const run = await client.runs.create({ experimentId }, nothing);
    const artifacts = client.artifacts(run.artifactUri);
    const bytes = randomBytes(100_000);
    await artifacts.put("a/b.bin", bytes.byteLength, piecesOf(bytes));
    const script = `
import sys, mlflow, hashlib
run = sys.argv[1]
path = mlflow.artifacts.download_artifacts(run_id=run, artifact_path="a/b.bin")
print(hashlib.sha256(open(path, "rb").read()).hexdigest())
mlflow.MlflowClient().log_text(run, "from Python", "c/d.txt")`;
    const { createHash } = await import("node:crypto");
    const digest = createHash("sha256").update(bytes).digest("hex");
    assert.match(await mlflowPython(script, [run.id]), digest);
    assert.is(String(await bytesOf(artifacts.get("c/d.txt"))), "from Python");
  });

  test("the URL of the server may end in a slash, and names who is let in", async () => {
    const client = await openTest(`${mlflowUrl().replace("//", "//user:secret@")}/`);
    assert.is(client.trackingUri, mlflowUrl());
    assert.is(client.registryUri, mlflowUrl());
    assert.ok(await client.experiments.get("0"));
  });
}

test.run();
