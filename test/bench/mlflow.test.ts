import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Mlflow, mlflowLines } from "../../bench/mlflow/mlflow.ts";
import { newFolder, removeFolders } from "../helpers/folders.ts";
import "../helpers/whole-suites.ts";
import { hasService } from "../services/services.ts";

const NAME = "the benchmark of MLflow";
const test = suite(NAME);
test.after.each(removeFolders);

const MIB = 1024 * 1024;
const main = fileURLToPath(new URL("../../bench/main.ts", import.meta.url));

test("an aim is met by speed and by memory, and missed by either", () => {
  const took = (seconds: number, memory: number) => [{ seconds, processor: 1, memory: memory * MIB }];
  const told = mlflowLines({
    size: 100 * MIB,
    ours: { upload: took(10, 149), download: took(12, 10), save: took(10, 1), load: took(5, 151) },
    python: { upload: took(10, 1), download: took(10, 1) },
  });
  assert.equal(
    told.slice(2).map((line) => /\b(met|missed)$/.exec(line)?.[1]),
    // What saves a model does more than Python's upload does.
    ["met", "missed", undefined, "missed"],
  );
});

if (hasService("mlflow", NAME)) {
  test("a model goes up and down, ours beside Python's, and nothing is left", async () => {
    const folder = newFolder();
    const [dir, json] = [join(folder, "data"), join(folder, "mlflow.json")];
    const words = ["--import", import.meta.resolve("tsx"), main, "--mlflow", "--rounds", "1"];
    const sizes = ["--large-bytes", "3000000", "--dir", dir, "--json", json];
    const { stdout } = await promisify(execFile)(process.execPath, [...words, ...sizes]);
    assert.match(stdout, /upload[\s\S]*download[\s\S]*saveFile[\s\S]*stream/);
    assert.equal(await readdir(dir), []);
    const { mlflow } = JSON.parse(await readFile(json, "utf8")) as { mlflow: Mlflow };
    for (const figures of [...Object.values(mlflow.ours), ...Object.values(mlflow.python)]) {
      assert.is(figures.length, 1);
      assert.ok(figures[0]!.seconds > 0);
    }
  });
}

test.run();
