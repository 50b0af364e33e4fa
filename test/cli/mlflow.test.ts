import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openClient } from "../../adapters/mlflow/client.ts";
import { fresh } from "../adapters/mlflow/values.ts";
import {
  CommandLine,
  type CommandOptions,
  documentsOf,
  errorOf,
  type Outcome,
} from "../helpers/command-line.ts";
import { mlflowUrl } from "../services/mlflow.ts";
import { Relay } from "../services/relay.ts";
import { hasService, portOf } from "../services/services.ts";

const NAME = "models in MLflow, on the command line";
const test = suite(NAME);

let line: CommandLine;
let file: string;
let bytes: string;
/** Of an artifact; in MLflow it has a dash. */
let name: string;
/** A server that nobody is at: it is not waited for. */
const NOBODY = { MLFLOW_TRACKING_URI: "http://127.0.0.1:1" };

test.before.each(async () => {
  line = await CommandLine.inNewFolder();
  file = join(line.folder, "clf.onnx");
  bytes = fresh("bytes of a model");
  writeFileSync(file, bytes);
  name = fresh("cli/clf");
  // The retries of a server that is not there would take seconds.
  process.env.MLFLOW_HTTP_REQUEST_MAX_RETRIES = "0";
});
test.after.each(async () => {
  delete process.env.MLFLOW_HTTP_REQUEST_MAX_RETRIES;
  await line.remove();
});

function varve(args: string[], options: CommandOptions = {}): Promise<Outcome> {
  return line.varve(args, { ...options, env: { MLFLOW_TRACKING_URI: mlflowUrl(), ...options.env } });
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into documents of every form
async function documentOf(args: string[], options?: CommandOptions): Promise<any> {
  const outcome = await varve([...args, "--json"], options);
  assert.is(outcome.exitCode, 0, outcome.stderr);
  return documentsOf(outcome)[0];
}

/** What MLflow has of a version, or nothing. */
async function versionInMlflow(registered: string, version: string) {
  const client = await openClient({ trackingUri: mlflowUrl() });
  try {
    return await client.registry.getVersion(registered, version);
  } finally {
    client.close();
  }
}

const registered = () => name.replace("/", "-");

test("save hands on all that MLflow is to know, and get gives the bytes back", async () => {
  const signature = {
    inputs: [{ dtype: "float32", shape: [-1, 4] }],
    outputs: [{ dtype: "int64", shape: [-1] }],
  };
  writeFileSync(join(line.folder, "signature.json"), JSON.stringify(signature));
  writeFileSync(join(line.folder, "example.json"), "[[5.1, 3.5, 1.4, 0.2]]");
  const model = registered();
  const words = [
    ...["--backend", "mlflow", "--mlflow-experiment", fresh("flowers"), "--mlflow-run-name", "first"],
    ...["--mlflow-registered-model-name", `${model}-x`, "--mlflow-alias", "champion", "best"],
    ...["--mlflow-tag", "team=a", "stage=dev", "--mlflow-param", "C=0.5"],
    ...["--mlflow-signature", join(line.folder, "signature.json")],
    ...["--mlflow-input-example", join(line.folder, "example.json")],
  ];
  const saved = await documentOf(["save", name, file, ...words]);
  assert.is(saved.backend, "mlflow");
  assert.is(saved.mediaType, "application/onnx");
  assert.is(saved.mlflow.modelUri, `models:/${model}-x/1`);
  const { mlflowNow } = await documentOf(["show", name]);
  assert.equal(mlflowNow.version.aliases, ["best", "champion"]);
  assert.is(mlflowNow.version.tags.team, "a");
  assert.is(mlflowNow.model.tags.stage, "dev");
  assert.equal([mlflowNow.model.params, mlflowNow.run.name], [{ C: "0.5" }, "first"]);
  assert.is((await varve(["get", name])).stdout, bytes);
  const client = await openClient({ trackingUri: mlflowUrl() });
  const paths = (await client.artifacts(mlflowNow.model.artifactUri).list()).map(({ path }) => path);
  client.close();
  assert.ok(paths.includes("input_example.json"));
});

test("MLflow is told who made it and with what, unless the store is to keep nothing of that", async () => {
  await documentOf(["save", name, file]);
  const { environment, mlflowNow } = await documentOf(["show", name]);
  assert.is(mlflowNow.model.tags["mlflow.user"], environment.user);
  assert.is(mlflowNow.model.tags["mlflow.source.name"], environment.script);
});

test("show tells both sides, and what MLflow does not say now", async () => {
  await varve(["save", name, file, "--mlflow-alias", "champion", "--tag", "stage=dev"]);
  const there = await varve(["show", name]);
  assert.match(there.stdout, `in MLflow  models:/${registered()}/1 at ${mlflowUrl()}`);
  assert.match(there.stdout, /^ {2}there now {2}ready, alias champion$/m);
  assert.match(there.stdout, /^ {2}tags +stage=dev$/m);
});

test("show of a server that does not answer: the store's facts, a line on the server's, exit code 0", async () => {
  await varve(["save", name, file]);
  // The same server by the address that is in the store is not asked either: it is another one by name.
  for (const env of [NOBODY, { MLFLOW_TRACKING_URI: "" }]) {
    const outcome = await varve(["show", name], { env });
    assert.is(outcome.exitCode, 0, outcome.stderr);
    assert.match(outcome.stdout, `in MLflow  models:/${registered()}/1`);
    assert.match(outcome.stdout, /^ {2}there now {2}not known: .+$/m);
    const document = await documentOf(["show", name], { env });
    assert.ok(document.mlflowNow.error.code);
    assert.is(document.backend, "mlflow");
  }
});

test("what can't be had from MLflow ends the command with 8, before anything is made", async () => {
  const outcome = await varve(["save", name, file, "--json"], { env: NOBODY });
  assert.is(outcome.exitCode, 8);
  assert.is(errorOf(outcome).code, "UNAVAILABLE");
  assert.match(errorOf(outcome).hint!, /running/);
  assert.is((await varve(["list"])).stdout, "");
  const unconfigured = await line.varve(["save", name, file, "--backend", "mlflow", "--json"]);
  assert.is(errorOf(unconfigured).code, "CONFIG");
  assert.match(errorOf(unconfigured).hint!, /mlflow_tracking_uri/i);
  assert.is(unconfigured.exitCode, 1);
});

test("options for MLflow of what it would not keep are refused, and what is no model too", async () => {
  const value = ["save", name, "--value", "1", "--json"];
  const options = await varve([...value, "--mlflow-alias", "champion"]);
  assert.is(options.exitCode, 2, options.stderr);
  const asked = await varve([...value, "--backend", "mlflow"]);
  assert.is(errorOf(asked).code, "NOT_SUPPORTED");
  assert.is((await documentOf(["save", name, "--value", "1"])).backend, "varve");
});

test("a folder of a model goes there as it is, and comes back", async () => {
  const folder = join(line.folder, "model");
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(folder, "MLmodel"), "flavors:\n  own:\n    data: data/weights\n");
  writeFileSync(join(folder, "data/weights"), bytes);
  const saved = await documentOf(["save", name, folder]);
  assert.equal([saved.backend, saved.mlflow.flavor], ["mlflow", "own"]);
  assert.match((await varve(["list", "--tree", `${name}:0`])).stdout, /data\/\n +weights/);
  await varve(["get", name, "-o", join(line.folder, "back")]);
  assert.is(readFileSync(join(line.folder, "back/data/weights"), "utf8"), bytes);
});

test("adopt takes a registered model under its own name, or another, and leaves it where it is", async () => {
  await varve(["save", name, file]);
  const uri = `models:/${registered()}/1`;
  assert.is((await varve(["adopt", uri])).stdout, `${registered()}:0\n`);
  const other = await documentOf(["adopt", uri, "other", "--tag", "stage=dev", "--input", name]);
  assert.equal([other.ref, other.tags, other.inputs], ["other:0", { stage: "dev" }, [`${name}:0`]]);
  assert.is(other.mlflow.modelUri, uri);
  assert.is((await varve(["get", "other", "--file", "model.onnx"])).stdout, bytes);
  const missing = await varve(["adopt", `models:/${registered()}/9`, "--json"]);
  assert.is(missing.exitCode, 3, missing.stderr);
});

test("an alias is MLflow's too with --mlflow, and only then", async () => {
  await varve(["save", name, file]);
  const aliasesThere = async () => (await documentOf(["show", name])).mlflowNow.version.aliases;
  await varve(["alias", `${name}:0`, "here"]);
  assert.equal(await aliasesThere(), []);
  const { exitCode } = await varve(["alias", `${name}:0`, "champion", "--mlflow"]);
  assert.is(exitCode, 0);
  assert.equal(await aliasesThere(), ["champion"]);
  await varve(["alias", name, "champion", "--delete", "--mlflow"]);
  assert.equal(await aliasesThere(), []);
  assert.equal((await documentOf(["show", name])).aliases, ["here"]);
});

test("delete leaves the model in MLflow; --purge asks, tells and removes it", async () => {
  for (let version = 0; version < 2; version++) await varve(["save", name, file]);
  await varve(["delete", `${name}:0`, "--yes"]);
  assert.ok(await versionInMlflow(registered(), "1"));
  const dry = await varve(["delete", `${name}:1`, "--purge", "--dry-run"]);
  assert.match(
    dry.stdout,
    `would delete ${name}:1\nwould remove models:/${registered()}/2 and its files from MLflow`,
  );
  assert.ok(await versionInMlflow(registered(), "2"));
  assert.is(
    (await varve(["delete", `${name}:1`, "--purge"])).exitCode,
    2,
    "without a terminal it needs --yes",
  );
  const asked = await varve(["delete", `${name}:1`, "--purge"], {
    terminal: ["stdin", "stderr"],
    stdin: "n\n",
  });
  assert.match(asked.stderr, `${name}:1 (models:/${registered()}/2 at ${mlflowUrl()})`);
  assert.match(asked.stderr, "and what MLflow has of it, for good?");
  const done = await documentOf(["delete", `${name}:1`, "--purge", "--yes"]);
  assert.equal([done.deleted, done.purged[0].registeredVersion], [[`${name}:1`], "2"]);
  assert.is(await versionInMlflow(registered(), "2"), undefined);
  assert.is((await varve(["undelete", `${name}:1`])).exitCode, 3);
});

test("a purge that MLflow does not answer to is gone on with by the same command", async () => {
  const relay = await Relay.to(portOf("mlflow")!);
  const through = { env: { MLFLOW_TRACKING_URI: mlflowUrl(relay.port) } };
  const words = ["delete", `${name}:0`, "--purge", "--yes", "--json"];
  try {
    await varve(["save", name, file], through);
    relay.fate = () => "cut";
    const cut = await varve(words, through);
    assert.is(cut.exitCode, 8, cut.stderr);
    assert.match(errorOf(cut).message, `${name}:0 is deleted, but MLflow still has its model`);
    assert.match(errorOf(cut).hint!, `varve delete ${name}:0 --purge`);
    relay.fate = () => "pass";
    assert.ok(await versionInMlflow(registered(), "1"));
    assert.is((await varve(words, through)).exitCode, 0);
    assert.is(await versionInMlflow(registered(), "1"), undefined);
    assert.is((await varve(words, through)).exitCode, 0, "once more");
    assert.is((await varve(["delete", `${name}:7`, "--purge", "--yes"])).exitCode, 3, "there was never one");
  } finally {
    await relay.close();
  }
});

test("show waits for a silent server no longer than is bearable", async () => {
  const relay = await Relay.to(portOf("mlflow")!);
  const through = { env: { MLFLOW_TRACKING_URI: mlflowUrl(relay.port) } };
  try {
    await varve(["save", name, file], through);
    relay.cut();
    relay.isSilent = true;
    const outcome = await varve(["show", name], through);
    assert.is(outcome.exitCode, 0);
    assert.match(outcome.stdout, /^ {2}there now {2}not known: no answer within 3 s$/m);
  } finally {
    await relay.close();
  }
});

if (hasService("mlflow", NAME)) test.run();
