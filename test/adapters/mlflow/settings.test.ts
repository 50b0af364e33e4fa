import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { artifactRoute, escapedPath } from "../../../adapters/mlflow/artifact-route.ts";
import { type Environment, readAccess } from "../../../adapters/mlflow/environment.ts";
import { whereTag } from "../../../adapters/mlflow/filter.ts";
import { parseLocation } from "../../../adapters/mlflow/location.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import { newFolder } from "../../helpers/folders.ts";
import "../../helpers/whole-suites.ts";
import { endAll } from "./support.ts";

const test = suite("mlflow: how it is configured");
test.after.each(endAll);

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

async function authorization(environment: Environment, file?: string): Promise<string | undefined> {
  const home = newFolder();
  if (file !== undefined) {
    mkdirSync(join(home, ".mlflow"));
    writeFileSync(join(home, ".mlflow", "credentials"), file);
  }
  return (await readAccess({ HOME: home, ...environment })).authorization;
}

test("who one is comes from variables, from the file, and last from a token", async () => {
  const [MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD, MLFLOW_TRACKING_TOKEN] = ["u", "p", "t"];
  const file =
    "[other]\nmlflow_tracking_username = no\n[mlflow]\n# a comment\nmlflow_tracking_username = f\nmlflow_tracking_password=a=b: c\n";
  assert.is(await authorization({}), undefined);
  assert.is(await authorization({ MLFLOW_TRACKING_USERNAME, MLFLOW_TRACKING_PASSWORD }), basic("u:p"));
  assert.is(await authorization({}, file), basic("f:a=b: c"));
  assert.is(await authorization({ MLFLOW_TRACKING_USERNAME }, file), basic("u:a=b: c"));
  assert.is(await authorization({ MLFLOW_TRACKING_TOKEN }), "Bearer t");
  assert.is(await authorization({ MLFLOW_TRACKING_TOKEN }, file), basic("f:a=b: c"));
  assert.is(await authorization({ MLFLOW_TRACKING_TOKEN, MLFLOW_TRACKING_USERNAME }), "Bearer t");
});

test("what can't be done as it is asked for is refused, and what is secret is not told", async () => {
  const pem = join(newFolder(), "no.pem");
  writeFileSync(pem, "hunter2");
  for (const environment of [
    { MLFLOW_TRACKING_AUTH: "plugin" },
    { MLFLOW_TRACKING_AWS_SIGV4: "true" },
    { MLFLOW_TRACKING_TOKEN: "hunter2\n" },
    { MLFLOW_TRACKING_INSECURE_TLS: "perhaps" },
    { MLFLOW_TRACKING_INSECURE_TLS: "1", MLFLOW_TRACKING_SERVER_CERT_PATH: pem },
    { MLFLOW_TRACKING_SERVER_CERT_PATH: pem },
    { MLFLOW_TRACKING_CLIENT_CERT_PATH: "/nowhere" },
    { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "10" },
    { MLFLOW_HTTP_REQUEST_TIMEOUT: "0" },
    { MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "x" },
  ] as Environment[]) {
    const error = await failureWithHint(() => readAccess({ HOME: newFolder(), ...environment }), "CONFIG");
    assert.ok(
      Object.keys(environment).some((name) => error.message.includes(name)),
      error.message,
    );
    assert.not.match(inspect(error), "hunter2");
  }
  assert.ok(await readAccess({ HOME: newFolder(), MLFLOW_TRACKING_AWS_SIGV4: "false" }));
});

test("MLflow's variables say how often and how long", async () => {
  const { patience } = await readAccess({
    HOME: newFolder(),
    MLFLOW_HTTP_REQUEST_MAX_RETRIES: "2",
    MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "3",
    MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: "0.5",
    MLFLOW_HTTP_REQUEST_TIMEOUT: "7",
    MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: "False",
  });
  assert.equal(patience, {
    silenceMax: 7000,
    retriesMax: 2,
    refusedRetriesMax: 2,
    backoff: 3000,
    jitter: 500,
    obeysRetryAfter: false,
  });
});

test("a server is named by its URL, without what is secret", async () => {
  const at = (uri: string) => parseLocation(uri, "mlflow_tracking_uri");
  assert.equal(at("http://u:p%25@host:5000/ml/flow//"), {
    uri: "http://host:5000/ml/flow",
    origin: "http://host:5000",
    authorization: basic("u:p%"),
  });
  assert.is(at(" https://host ").uri, "https://host");
  for (const [uri, hint] of [
    ["sqlite:///mlflow.db", /mlflow server/],
    ["./mlruns", /mlflow server/],
    ["/var/mlruns", /mlflow server/],
    ["file:///var/mlruns", /mlflow server/],
    ["databricks", /Databricks/],
    ["databricks://hunter2", /Databricks/],
    ["uc:hunter2", /Databricks/],
    ["ftp://hunter2@host", /http/],
    ["http://host/?hunter2", /http/],
    ["http://u:%@host/", /%25/],
  ] as const) {
    const error = await failureWithHint(() => at(uri), "CONFIG");
    assert.match(error.hint!, hint, uri);
    assert.not.match(inspect(error, { depth: 10 }), "hunter2");
    assert.is(error.details?.item, "mlflow_tracking_uri");
  }
});

test("artifacts are behind the server, or behind one that it names", () => {
  const tracking = parseLocation("https://host:5000/ml", "t");
  const SERVICE = "/api/2.0/mlflow-artifacts/artifacts";
  for (const [uri, expected] of [
    ["mlflow-artifacts:/1/models/m/artifacts", "https://host:5000/ml 1/models/m/artifacts"],
    ["mlflow-artifacts:///1//a/", "https://host:5000/ml 1/a"],
    ["mlflow-artifacts://other:1/1/a", "https://other:1/ml 1/a"],
    [`http://other/x${SERVICE}/1/a`, "http://other/x 1/a"],
  ]) {
    const route = artifactRoute(uri!, tracking);
    assert.is(`${route.uri} ${route.path}`, expected);
  }
});

test("artifacts that don't go through a server are refused, and so is the root of all", async () => {
  const tracking = parseLocation("https://host:5000/ml", "t");
  for (const uri of [
    "s3://bucket/1",
    "gs://bucket/1",
    "dbfs:/1",
    "file:///var/mlruns/1",
    "/var/mlruns/1",
    "./mlruns/1",
    "https://host/elsewhere/1",
    "mlflow-artifacts:/",
    "mlflow-artifacts:",
    "",
  ])
    await failureWithHint(() => artifactRoute(uri, tracking), "NOT_SUPPORTED");
});

test("names are escaped, and none leads elsewhere", async () => {
  assert.is(escapedPath("1/a", "b é/c%20?"), "1/a/b%20%C3%A9/c%2520%3F");
  assert.is(escapedPath("1/a", ""), "1/a");
  for (const name of ["../b", "a/../../b", ".", "/b", "a//b", "a\\b", "a#b", "a\0b"])
    await failureWithHint(() => escapedPath("1/a", name), "INVALID_ARGUMENT");
});

test("a filter has its values in quotes, or is refused", async () => {
  assert.is(whereTag("a.b", "it's"), 'tags.`a.b` = "it\'s"');
  assert.is(whereTag("a", 'say "it"'), "tags.`a` = 'say \"it\"'");
  await failureWithHint(() => whereTag("a", `'"`), "INVALID_ARGUMENT");
  await failureWithHint(() => whereTag("a`b", "c"), "INVALID_ARGUMENT");
});

test.run();
