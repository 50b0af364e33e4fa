import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { places } from "../../adapters/places.ts";
import { openStore } from "../../engine/main.ts";
import { CommandLine, documentsOf, errorOf } from "../helpers/command-line.ts";
import { damageText, marked, segmentsOf } from "../helpers/damage.ts";
import { ModelServer } from "../helpers/model-server.ts";

const test = suite<{ line: CommandLine }>("the words for models in MLflow");

test.before.each(async (context) => {
  const line = await CommandLine.inNewFolder();
  context.line = line;
  writeFileSync(join(line.folder, "clf.onnx"), "no matter what");
  writeFileSync(join(line.folder, "signature.json"), '{"inputs": [');
});
test.after.each(({ line }) => line.remove());

/** It takes nothing, and nobody waits for it. */
const NOBODY = { MLFLOW_TRACKING_URI: "http://127.0.0.1:1" };

for (const words of [
  ["--mlflow-experiment", "iris"],
  ["--mlflow-run-name", "first"],
  ["--mlflow-registered-model-name", "clf"],
  ["--mlflow-alias", "champion"],
  ["--mlflow-tag", "a=1"],
  ["--mlflow-param", "a=1"],
  ["--mlflow-signature", "signature.json"],
  ["--mlflow-input-example", "signature.json"],
]) {
  test(`${words[0]} and --backend varve exclude each other`, async ({ line }) => {
    const outcome = await line.varve(["save", "clf", "clf.onnx", "--backend", "varve", ...words, "--json"], {
      env: NOBODY,
    });
    assert.is(outcome.exitCode, 2);
    assert.match(errorOf(outcome).message, words[0]!);
  });
}

test("an unknown backend, a pair that is none, a file that is no JSON: before anything is opened", async ({
  line,
}) => {
  for (const [words, message] of [
    [["--backend", "s3"], /--backend needs one of varve, mlflow/],
    [["--mlflow-tag", "a"], /--mlflow-tag needs key=value/],
    [["--mlflow-param", "=1"], /--mlflow-param needs key=value/],
    [["--mlflow-signature", join(line.folder, "signature.json")], /--mlflow-signature .* is not JSON/],
    [["--mlflow-input-example", "-"], /needs a file, not stdin/],
  ] as const) {
    const outcome = await line.varve(["save", "clf", join(line.folder, "clf.onnx"), ...words, "--json"]);
    assert.is(outcome.exitCode, 2, outcome.stderr);
    assert.match(errorOf(outcome).message, message);
    assert.is((await line.varve(["list"])).exitCode, 3, "a store was made");
  }
});

test("a model stays here with --backend varve, and where no MLflow is configured", async ({ line }) => {
  const file = join(line.folder, "clf.onnx");
  const [asked] = documentsOf(
    await line.varve(["save", "a", file, "--backend", "varve", "--json"], { env: NOBODY }),
  );
  const [unasked] = documentsOf(await line.varve(["save", "b", file, "--json"]));
  for (const document of [asked, unasked]) {
    assert.is(document.backend, "varve");
    assert.not.ok("mlflow" in document);
  }
  assert.equal(
    documentsOf(await line.varve(["list", "--json"])).map(({ backend }) => backend),
    ["varve", "varve"],
  );
});

test("an adopted model needs a name where its URI has none", async ({ line }) => {
  for (const uri of [`models:/m-${"0".repeat(32)}`, "runs:/0123/model", "models:/clf", "clf"]) {
    const outcome = await line.varve(["adopt", uri, "--json"], { env: NOBODY });
    assert.is(outcome.exitCode, 2, uri);
    assert.match(errorOf(outcome).hint!, "varve adopt <uri> <name>");
  }
});

test("that MLflow can't be asked is no damage: verify and repair end with 8, and with 5 where there is some", async ({
  line,
}) => {
  const server = new ModelServer(NOBODY.MLFLOW_TRACKING_URI);
  const options = { home: line.home, environment: false as const, mlflowTrackingUri: server.uri };
  const store = await openStore(options, server.over(places));
  await store.save("clf", Buffer.from("model"), { mediaType: "application/onnx" });
  await store.save("table", marked(1));
  await store.close();
  for (const words of [["verify"], ["repair", "--dry-run"]]) {
    const outcome = await line.varve(words);
    assert.is(outcome.exitCode, 8, outcome.stderr);
    assert.match(outcome.stdout, /backend: what MLflow keeps was not looked at.*clf:0/);
  }
  damageText(segmentsOf(line.home)[0]!, "MARK-0001");
  for (const words of [["verify"], ["repair", "--dry-run"]]) assert.is((await line.varve(words)).exitCode, 5);
});

test.run();
