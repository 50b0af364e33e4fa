import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfigFile, resolveConfig } from "../engine/config.ts";
import { type Folders, withFolders } from "./helpers/config-folders.ts";

const test = suite<Folders>("paths in the configuration");
withFolders(test);

function write(home: string, content: object): void {
  writeFileSync(join(home, "config.json"), JSON.stringify(content));
}

test("a relative path is taken from the home in the file, and from the current folder elsewhere", ({
  folder,
  home,
  sources,
}) => {
  write(home, { artifact_storage_dir: "values" });
  assert.equal(readConfigFile(home), { artifactStorageDir: join(home, "values") });
  assert.is(resolveConfig({}, sources)[1]!.value, join(home, "values"));
  sources.env.VARVE_ARTIFACT_STORAGE_DIR = "values";
  assert.is(resolveConfig({}, sources)[1]!.value, join(folder, "values"));
  assert.is(resolveConfig({ artifactStorageDir: "s3://b/p" }, sources)[1]!.value, "s3://b/p");
});

test("the path of a database file is taken from where the URL is written", ({ folder, home, sources }) => {
  write(home, { database_url: "sqlite:///metadata.db" });
  const entryOf = () => resolveConfig({}, sources).find(({ item }) => item === "database_url")!;
  assert.is(entryOf().value, `sqlite:///${home}/metadata.db`);
  assert.is(readConfigFile(home).databaseUrl, `sqlite:///${home}/metadata.db`);
  sources.env.VARVE_DATABASE_URL = "sqlite+pysqlite:///some/metadata.db?mode=ro";
  assert.is(entryOf().value, `sqlite+pysqlite:///${folder}/some/metadata.db?mode=ro`);
  for (const url of ["sqlite:////absolute/metadata.db", "postgresql://host/metadata.db"]) {
    sources.env.VARVE_DATABASE_URL = url;
    assert.is(entryOf().value, url);
  }
});

test.run();
