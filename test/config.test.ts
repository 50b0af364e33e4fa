import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  CONFIG_ITEMS,
  loadConfig,
  readConfigFile,
  resolveConfig,
  resolveHome,
  writeConfigItem,
} from "../engine/config.ts";
import { VarveError } from "../engine/errors.ts";
import { type Folders, withFolders } from "./helpers/config-folders.ts";

const test = suite<Folders>("configuration");
withFolders(test);

function write(home: string, content: unknown): string {
  const file = join(home, "config.json");
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

function refusalOf(action: () => unknown): VarveError {
  try {
    action();
  } catch (error) {
    assert.instance(error, VarveError);
    return error as VarveError;
  }
  throw new Error("it was not refused");
}

test("without anything the defaults hold", async ({ home, sources }) => {
  assert.equal(await loadConfig({}, sources), {
    home,
    durability: "durable",
    minFreeSpace: 67_108_864,
    cacheSize: 67_108_864,
    loggingLevel: "info",
  });
});

test("an option wins over the environment, that over the file, that over the default", async ({
  home,
  sources,
}) => {
  const file = write(home, { durability: "buffered", max_size: 1, cache_size: 1, min_free_space: 1 });
  Object.assign(sources.env, { VARVE_MAX_SIZE: "2", VARVE_CACHE_SIZE: "2" });
  const entries = resolveConfig({ maxSize: 3 }, sources);
  const entryOf = (item: string) => entries.find((entry) => entry.item === item);
  assert.equal(entryOf("max_size"), { item: "max_size", value: 3, origin: "option" });
  const environment = { origin: "environment", from: "VARVE_CACHE_SIZE" };
  assert.equal(entryOf("cache_size"), { item: "cache_size", value: 2, ...environment });
  assert.equal(entryOf("min_free_space"), { item: "min_free_space", value: 1, origin: "file", from: file });
  assert.equal(entryOf("logging_level"), { item: "logging_level", value: "info", origin: "default" });
  const { maxSize, cacheSize, minFreeSpace } = await loadConfig({ maxSize: 3 }, sources);
  assert.equal([maxSize, cacheSize, minFreeSpace], [3, 2, 1]);
});

test("every item can be written in the file and in the environment", ({ home, sources }) => {
  const values: Record<string, unknown> = {
    artifact_storage_dir: "s3://bucket/prefix",
    database_url: "postgresql://localhost/varve",
    storage_options: { region: "eu" },
    mlflow_tracking_uri: "http://a",
    mlflow_registry_uri: "http://b",
    default_ml_models_storage_backend: "varve",
    durability: "buffered",
    max_size: 1,
    min_free_space: 0,
    cache_size: 3,
    logging_level: "debug",
    logging_file: join(home, "log.txt"),
  };
  assert.equal(Object.keys(values), CONFIG_ITEMS as string[]);
  write(home, values);
  const valuesOf = () =>
    Object.fromEntries(
      resolveConfig({}, sources)
        .slice(1)
        .map(({ item, value }) => [item, value]),
    );
  assert.equal(valuesOf(), values);
  write(home, {});
  for (const [item, value] of Object.entries(values)) {
    sources.env[`VARVE_${item.toUpperCase()}`] = typeof value === "string" ? value : JSON.stringify(value);
  }
  assert.equal(valuesOf(), values);
});

test("options that are no items pass through, and undefined ones count as absent", async ({ sources }) => {
  const clock = () => new Date(0);
  const options = await loadConfig({ clock, readOnly: true, maxSize: undefined } as object, sources);
  assert.is(options.clock, clock);
  assert.is(options.readOnly, true);
  assert.not("maxSize" in options);
});

test("MLflow's own variables are used after Varve's, and bring MLflow as the default backend", async ({
  sources,
}) => {
  sources.env.MLFLOW_TRACKING_URI = "http://mlflow";
  sources.env.MLFLOW_REGISTRY_URI = "http://registry";
  const first = await loadConfig({}, sources);
  assert.is(first.mlflowTrackingUri, "http://mlflow");
  assert.is(first.mlflowRegistryUri, "http://registry");
  assert.is(first.defaultMlModelsStorageBackend, "mlflow");
  sources.env.VARVE_MLFLOW_TRACKING_URI = "http://own";
  sources.env.VARVE_DEFAULT_ML_MODELS_STORAGE_BACKEND = "varve";
  const second = await loadConfig({}, sources);
  assert.is(second.mlflowTrackingUri, "http://own");
  assert.is(second.defaultMlModelsStorageBackend, "varve");
});

test("the home is the option, VARVE_HOME, the nearest .varve folder above, or ~/.varve", ({
  folder,
  home,
  sources,
}) => {
  const below = join(folder, "a", "b");
  mkdirSync(below, { recursive: true });
  // A file of that name is no home.
  writeFileSync(join(folder, "a", ".varve"), "");
  assert.equal(resolveHome({}, { ...sources, cwd: below }), { item: "home", value: home, origin: "default" });
  rmSync(home, { recursive: true });
  const { HOME } = sources.env;
  assert.is(resolveHome({}, { ...sources, cwd: below }).value, join(HOME!, ".varve"));
  sources.env.VARVE_HOME = "relative";
  assert.equal(resolveHome({}, sources), {
    item: "home",
    value: join(folder, "relative"),
    origin: "environment",
    from: "VARVE_HOME",
  });
  assert.is(resolveHome({ home: "given" }, sources).value, join(folder, "given"));
  mkdirSync(home);
});

test("an empty variable counts as unset", async ({ home, sources }) => {
  Object.assign(sources.env, { VARVE_HOME: "", VARVE_MAX_SIZE: "", VARVE_DATABASE_URL: "" });
  const options = await loadConfig({}, sources);
  assert.is(options.home, home);
  assert.not("maxSize" in options);
});

test("an unknown item is a CONFIG error that names the file, the item and the items that there are", ({
  home,
}) => {
  for (const item of ["max_sise", "home", "maxSize", "__proto__"]) {
    const file = write(home, `{"${item}": 1}`);
    const { code, message, hint } = refusalOf(() => readConfigFile(home));
    assert.is(code, "CONFIG");
    assert.ok(message.includes(file) && message.includes(item), message);
    assert.match(hint!, /max_size/);
  }
});

test("a value of the wrong type is a CONFIG error that names the file and the item, not the value", ({
  home,
}) => {
  for (const [item, value] of [
    ["max_size", "10GB"],
    ["max_size", -1],
    ["max_size", 1.5],
    ["max_size", 1e300],
    ["max_size", null],
    ["database_url", 5],
    ["database_url", ""],
    ["storage_options", []],
    ["storage_options", "secret"],
    ["durability", "sometimes"],
    ["durability", ["durable"]],
    ["default_ml_models_storage_backend", "s3"],
    ["logging_level", "loud"],
  ] as const) {
    const file = write(home, { [item]: value });
    const { code, message } = refusalOf(() => readConfigFile(home));
    assert.is(code, "CONFIG");
    assert.ok(message.startsWith(`${file}: ${item} must be `), message);
    assert.not.match(message, "secret");
  }
});

test("a file that is truncated, or no object, is a CONFIG error that names it and quotes nothing", ({
  home,
}) => {
  for (const text of [
    "",
    "{",
    '{"database_url": "postgresql://u:secret',
    "{secret}",
    "[]",
    "null",
    '"secret"',
  ]) {
    const file = write(home, text);
    const error = refusalOf(() => readConfigFile(home));
    assert.is(error.code, "CONFIG");
    assert.ok(error.message.includes(file));
    assert.not.match(JSON.stringify([error.message, error.hint, error.cause]), "secret");
  }
});

test("a bad variable or option is a CONFIG error that names it", ({ sources }) => {
  sources.env.VARVE_MAX_SIZE = "huge";
  const { code, message } = refusalOf(() => resolveConfig({}, sources));
  assert.is(code, "CONFIG");
  assert.match(message, /VARVE_MAX_SIZE: max_size must be a number of bytes/);
  delete sources.env.VARVE_MAX_SIZE;
  sources.env.VARVE_STORAGE_OPTIONS = '{"secret';
  assert.not.match(refusalOf(() => resolveConfig({}, sources)).message, "secret");
  delete sources.env.VARVE_STORAGE_OPTIONS;
  assert.match(refusalOf(() => resolveConfig({ cacheSize: -1 }, sources)).message, /option cacheSize/);
  assert.is(refusalOf(() => resolveConfig({ home: 5 } as object, sources)).code, "CONFIG");
});

test("the file alone, without environment or defaults, is what belongs to the store", ({ home }) => {
  assert.equal(readConfigFile(home), {});
  assert.equal(readConfigFile(join(home, "none")), {});
  // A byte order mark does no harm.
  write(home, '\ufeff{"durability": "buffered", "mlflow_tracking_uri": "http://a"}');
  assert.equal(readConfigFile(home), { durability: "buffered", mlflowTrackingUri: "http://a" });
});

test("writing an item keeps the others, replaces the file whole, and leaves nothing else behind", async ({
  home,
}) => {
  const file = write(home, { max_size: 1 });
  await writeConfigItem(home, "durability", "buffered");
  await writeConfigItem(home, "max_size", 2);
  assert.equal(JSON.parse(readFileSync(file, "utf8")), { durability: "buffered", max_size: 2 });
  assert.is(statSync(file).mode & 0o777, 0o600);
  await writeConfigItem(home, "max_size", undefined);
  assert.equal(readConfigFile(home), { durability: "buffered" });
  assert.equal(readdirSync(home), ["config.json"]);
});

test("writing refuses what reading would refuse, and the file stays as it was", async ({ home }) => {
  const text = '{"max_size": 1}';
  const file = write(home, text);
  for (const [item, value] of [
    ["max_size", "1"],
    ["unknown", 1],
    ["__proto__", {}],
  ] as const) {
    const refused = await writeConfigItem(home, item, value).catch((error: unknown) => error);
    assert.is((refused as VarveError).code, "CONFIG");
  }
  write(home, "{");
  assert.is(
    ((await writeConfigItem(home, "max_size", 1).catch((e: unknown) => e)) as VarveError).code,
    "CONFIG",
  );
  write(home, text);
  assert.is(readFileSync(file, "utf8"), text);
});

test("writing an item mends a wrong value of that item", async ({ home }) => {
  write(home, { max_size: "1", cache_size: 1 });
  await writeConfigItem(home, "max_size", 5);
  assert.equal(readConfigFile(home), { maxSize: 5, cacheSize: 1 });
});

test("writing into a folder that is not there is an IO error", async ({ home }) => {
  const refused = await writeConfigItem(join(home, "none"), "max_size", 1).catch((error: unknown) => error);
  assert.is((refused as VarveError).code, "IO");
});

test.run();
