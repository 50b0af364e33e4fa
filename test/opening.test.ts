import { lstatSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openStore } from "../adapters/main.ts";
import type { StoreOptions } from "../engine/api.ts";
import { failure, failureWithHint } from "./helpers/errors.ts";
import { newFolder } from "./helpers/folders.ts";
import { closeAll } from "./helpers/stores.ts";

const test = suite("opening a store of other places");
test.after.each(closeAll);

test("options that are items of the configuration are checked as there, and nothing is made", async () => {
  const folder = newFolder();
  const home = join(folder, "home");
  const wrong: object[] = [
    { artifactStorageDir: 5 },
    { artifactStorageDir: "" },
    { databaseUrl: {} },
    { storageOptions: "region" },
    { loggingFile: 1 },
    { loggingLevel: "loud" },
    { defaultMlModelsStorageBackend: "s3" },
  ];
  for (const options of wrong) {
    const error = await failure(openStore({ home, ...options } as StoreOptions), "CONFIG");
    assert.match(error.message, Object.keys(options)[0]!);
  }
  for (const artifactStorageDir of ["file:values", "file:/values"])
    await failureWithHint(openStore({ home: newFolder(), artifactStorageDir }), "CONFIG");
  assert.equal(readdirSync(folder), []);
});

test("a home that is a file, or below one, is refused for values elsewhere too", async () => {
  const folder = newFolder();
  const file = join(folder, "file");
  writeFileSync(file, "");
  const artifactStorageDir = join(folder, "values");
  await failureWithHint(openStore({ home: file, artifactStorageDir }), "INVALID_ARGUMENT");
  await failure(openStore({ home: join(file, "home"), artifactStorageDir }), "IO");
  assert.equal(readdirSync(folder), ["file"]);
});

/** A link to nothing is to who looks as what is not there yet, and to who writes as what is there already. */
test("a configuration that is there when the empty one is made stays", async () => {
  const home = newFolder();
  const values = join(newFolder(), "values");
  const path = join(home, "config.json");
  symlinkSync(join(home, "none"), path);
  for (const options of [{}, { artifactStorageDir: values }]) {
    await (await openStore({ home, environment: false, ...options })).close();
    assert.ok(lstatSync(path).isSymbolicLink());
    assert.equal(
      readdirSync(home).filter((name) => name.endsWith(".tmp")),
      [],
    );
  }
});

test.run();
