import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";

const test = suite<{ line: CommandLine }>("varve config");

test.before.each(async (context) => {
  context.line = await CommandLine.inNewFolder();
});
test.after.each(({ line }) => line.remove());

test("list tells every value with its origin, without a store too", async ({ line }) => {
  const env = { VARVE_MAX_SIZE: "10GB", MLFLOW_TRACKING_URI: "http://localhost:5000" };
  const { stdout, exitCode } = await line.varve(["config", "list"], { env });
  assert.is(exitCode, 0);
  assert.ok(stdout.startsWith(`home = ${line.home} (environment: VARVE_HOME)\n`));
  assert.match(stdout, /^max_size = 10000000000 \(environment: VARVE_MAX_SIZE\)$/m);
  assert.match(
    stdout,
    /^mlflow_tracking_uri = http:\/\/localhost:5000 \(environment: MLFLOW_TRACKING_URI\)$/m,
  );
  assert.match(stdout, /^database_url = none \(default\)$/m);
  assert.match(stdout, /^durability = durable \(default\)$/m);
});

test("set writes the store's file, get and list read it", async ({ line }) => {
  await line.varve(["init"]);
  assert.is((await line.varve(["config", "set", "max_size", "64MiB"])).stdout, "max_size = 67108864\n");
  await line.varve(["config", "set", "durability", "buffered"]);
  const file = join(line.home, "config.json");
  assert.equal(JSON.parse(readFileSync(file, "utf8")), { max_size: 67_108_864, durability: "buffered" });
  assert.is((await line.varve(["config", "get", "max_size"])).stdout, "67108864\n");
  const entries = documentsOf(await line.varve(["config", "list", "--json"]));
  assert.equal(
    entries.find(({ item }) => item === "durability"),
    { item: "durability", value: "buffered", origin: "file", from: file },
  );
  assert.is((await line.varve(["config", "path"])).stdout, `${file}\n`);
});

test("set --delete goes back to the default", async ({ line }) => {
  await line.varve(["init"]);
  await line.varve(["config", "set", "max_size", "5"]);
  assert.is((await line.varve(["config", "set", "max_size", "--delete"])).exitCode, 0);
  const outcome = await line.varve(["config", "get", "max_size"]);
  assert.is(outcome.exitCode, 3);
  assert.is(outcome.stdout, "");
});

test("set takes a relative path from the current folder", async ({ line }) => {
  await line.varve(["init"]);
  await line.varve(["config", "set", "logging_file", "varve.log"]);
  const [entry] = documentsOf(await line.varve(["config", "get", "logging_file", "--json"]));
  assert.is(entry.value, join(line.folder, "varve.log"));
});

test("set makes no store, and refuses unknown items, wrong values and superfluous words", async ({
  line,
}) => {
  assert.is((await line.varve(["config", "set", "max_size", "5"])).exitCode, 3);
  await line.varve(["init"]);
  for (const words of [
    ["set", "max_sise", "5"],
    ["set", "max_size", "many"],
    ["set", "durability", "sometimes"],
    ["set", "max_size"],
    ["set", "max_size", "5", "--delete"],
    ["set", "unknown", "--delete"],
    ["get"],
    ["get", "unknown"],
    ["list", "max_size"],
    ["path", "--delete"],
    ["edit"],
    [],
  ]) {
    assert.is((await line.varve(["config", ...words])).exitCode, 2, words.join(" "));
  }
  assert.is(readFileSync(join(line.home, "config.json"), "utf8"), "{}\n");
});

test("credentials are never printed", async ({ line }) => {
  await line.varve(["init"]);
  const secret = "hunter2";
  const url = `postgresql://ann:${secret}@db.example.com/varve?sslpassword=${secret}`;
  const storage = JSON.stringify({ credentials: { secretAccessKey: secret }, region: "eu" });
  const outcomes = [
    await line.varve(["config", "set", "database_url", url]),
    await line.varve(["config", "set", "storage_options", storage, "--json"]),
    await line.varve(["config", "list"]),
    await line.varve(["config", "list", "--json"]),
    await line.varve(["config", "get", "database_url"]),
    await line.varve(["config", "get", "storage_options"]),
    await line.varve(["config", "set", "durability", url]),
    await line.varve(["config", "set", url, "1"]),
    await line.varve(["config", "set", url, "1", "--json"]),
    await line.varve(["list"]),
  ];
  for (const { stdout, stderr } of outcomes) assert.not.match(stdout + stderr, secret);
  assert.is(outcomes[4]!.stdout, "postgresql://***@db.example.com/varve?sslpassword=***\n");
  assert.match(readFileSync(join(line.home, "config.json"), "utf8"), secret);
});

test("path works also where the file has a mistake, list says which", async ({ line }) => {
  await line.varve(["init"]);
  writeFileSync(join(line.home, "config.json"), '{"max_size": "1"}');
  assert.is((await line.varve(["config", "path"])).exitCode, 0);
  const listed = await line.varve(["config", "list", "--json"]);
  assert.is(listed.exitCode, 1);
  assert.match(errorOf(listed).message, /config\.json: max_size must be a number of bytes/);
});

test.run();
