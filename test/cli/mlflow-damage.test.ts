import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openClient } from "../../adapters/mlflow/client.ts";
import type { MlflowClient } from "../../adapters/mlflow/protocol.ts";
import { fresh } from "../adapters/mlflow/values.ts";
import { CommandLine, documentsOf, type Outcome } from "../helpers/command-line.ts";
import { mlflowUrl } from "../services/mlflow.ts";
import { hasService } from "../services/services.ts";

const NAME = "what happened in MLflow, told on the command line";
const test = suite(NAME);

let line: CommandLine;
let client: MlflowClient;
let file: string;

test.before.each(async () => {
  line = await CommandLine.inNewFolder();
  file = join(line.folder, "clf.onnx");
  client = await openClient({ trackingUri: mlflowUrl() });
});
test.after.each(async () => {
  client.close();
  await line.remove();
});

/** Of a store in its home, and of one whose metadata are in a database. */
for (const where of ["home", "database"]) {
  const varve = (...args: string[]): Promise<Outcome> => {
    const database = where === "home" ? {} : { VARVE_DATABASE_URL: `sqlite:///${line.folder}/metadata.db` };
    return line.varve(args, { env: { MLFLOW_TRACKING_URI: mlflowUrl(), ...database } });
  };
  const saved = async (name: string): Promise<{ artifactUri: string; registeredName: string }> => {
    writeFileSync(file, fresh("bytes of a model"));
    assert.is((await varve("save", name, file)).exitCode, 0);
    const [{ mlflow, mlflowNow }] = documentsOf(await varve("show", name, "--json"));
    return { artifactUri: mlflowNow.model.artifactUri, registeredName: mlflow.registeredName };
  };

  test(`${where}: verify, get and show tell what was changed there and what was removed`, async () => {
    const [changed, removed, whole] = [fresh("changed"), fresh("removed"), fresh("whole")];
    const { artifactUri } = await saved(changed);
    const { registeredName } = await saved(removed);
    await saved(whole);
    assert.is((await varve("verify", "--full")).exitCode, 0);
    await client.artifacts(artifactUri).put("model.onnx", 2, async function* () {
      yield Buffer.from("no");
    });
    await client.registry.deleteVersion(registeredName, "1");
    const verified = await varve("verify", "--full");
    assert.is(verified.exitCode, 5);
    const told = verified.stdout.split("\n");
    assert.ok(told.includes(`blob: model.onnx of ${changed}:0 was changed in MLflow`), verified.stdout);
    assert.ok(told.some((each) => each.startsWith("missing: ") && each.endsWith(`(${removed}:0)`)));
    assert.match(verified.stdout, /^2 problems: /m);
    assert.is((await varve("get", changed)).exitCode, 5);
    assert.is((await varve("get", removed)).exitCode, 3);
    const shown = await varve("show", removed);
    assert.is(shown.exitCode, 0);
    assert.match(shown.stdout, `there now  the model of ${removed}:0 was removed in MLflow`);
  });

  test(`${where}: repair puts a model there again from another store, and tells what it can't`, async () => {
    const [first, second] = [fresh("first"), fresh("second")];
    const { artifactUri } = await saved(first);
    const other = join(line.folder, "other");
    const copied = await line.varve(["save", "copy", file, "--home", other]);
    assert.is(copied.exitCode, 0, copied.stderr);
    const { artifactUri: lost } = await saved(second);
    for (const uri of [artifactUri, lost]) await client.artifacts(uri).remove("model.onnx");
    const repaired = await varve("repair", "--from", other);
    assert.is(repaired.exitCode, 5, "one has no copy anywhere");
    assert.match(repaired.stdout, new RegExp(`^repaired missing: .*${first}:0`, "m"));
    assert.match(repaired.stdout, new RegExp(`^left missing: .*${second}:0`, "m"));
    assert.is((await varve("get", first)).exitCode, 0);
  });
}

if (hasService("mlflow", NAME)) test.run();
