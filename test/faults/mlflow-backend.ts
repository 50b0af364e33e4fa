import type { Fault } from "./fault.ts";

const ALIASES = "adapters/mlflow/aliases.ts";
const ATTEMPT = "adapters/mlflow/attempt.ts";
const EXAMPLE = "adapters/mlflow/model/example.ts";
const KEEP = "adapters/mlflow/keep.ts";
const NAMES = "adapters/mlflow/names.ts";
const NEEDED = "adapters/mlflow/needed.ts";
const ORPHANS = "adapters/mlflow/orphans.ts";
const PLAN = "adapters/mlflow/plan.ts";
const REMOVE = "adapters/mlflow/remove.ts";
const UPLOAD = "adapters/mlflow/upload.ts";

const INTERRUPTED = "adapters/mlflow/interrupted.test.ts";
const KEEP_TEST = "adapters/mlflow/keep.test.ts";
const KILLED_TEST = "adapters/mlflow/killed.test.ts";
const OPTIONS_TEST = "adapters/mlflow/options.test.ts";
const PLACES_TEST = "adapters/mlflow/places.test.ts";
const RACES_TEST = "adapters/mlflow/races.test.ts";

/** Of models in MLflow. All but those of options need the server that `test/services/start.ts` starts. */
export const mlflowBackendFaults: Fault[] = [
  {
    name: "mlflow backend: a save that is repeated makes a run again",
    file: KEEP,
    text: "(await find()) ?? (await client.runs.create(made, find, options))",
    replacement: "await client.runs.create(made, find, options)",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: a save that is repeated makes a model again",
    file: KEEP,
    text: "(await find()) ?? (await client.models.create(made, find, options))",
    replacement: "await client.models.create(made, find, options)",
    tests: [INTERRUPTED],
  },
  {
    name: "mlflow backend: a save that is repeated makes a version again",
    file: KEEP,
    text: "(await find()) ?? (await client.registry.createVersion(made, find, options))",
    replacement: "await client.registry.createVersion(made, find, options)",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: MLmodel is sent with the other files",
    file: UPLOAD,
    text: "files.slice(0, -1).filter",
    replacement: "files.filter",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: a model is ready whatever MLflow has of it",
    file: UPLOAD,
    text: "if (wrong === undefined) return;",
    replacement: "return;",
    tests: [RACES_TEST],
  },
  {
    name: "mlflow backend: what MLflow has not kept whole is taken for the same bytes",
    file: KEEP,
    text: "if (await isKept(client.artifacts(model.artifactUri), files, options)) return model;",
    replacement: "if (files.length > 0) return model;",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: what was changed in MLflow is taken for the same bytes",
    file: UPLOAD,
    text: "if (!(await digestThere(artifacts, path, options))?.equals(digest)) return false;",
    replacement: "if (!(await digestThere(artifacts, path, options))) return false;",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: nobody looks whether the model is still there behind its version",
    file: KEEP,
    text: 'if ((await client.models.get(model.id, options))?.status !== "READY") {',
    replacement: 'if ((await client.models.get(model.id, options))?.status === "PENDING") {',
    tests: [RACES_TEST],
  },
  {
    name: "mlflow backend: a save that failed leaves its model",
    file: KEEP,
    text: "await discardModel(client, { modelId, artifactUri, model, digest: plan.digest }, options);",
    replacement: "void [discardModel, modelId, artifactUri];",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: a save that fails behind its version takes the model away",
    file: KEEP,
    text: "if (!isVisible && !isInterruption(error))",
    replacement: "if (!isInterruption(error))",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: bytes are sent that the registry can't have",
    file: KEEP,
    text: "    await checkRegistry(client, model, options);\n",
    replacement: "    void checkRegistry;\n",
    tests: [KILLED_TEST],
  },
  {
    name: "mlflow backend: whether MLflow passes the files on is asked behind the upload",
    file: KEEP,
    text: "  client.artifacts(experiment.artifactUri);\n",
    replacement: "",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: a value that is kept again is found where it was",
    file: KEEP,
    text: "if (plan.save.isAgain) return undefined;",
    replacement: "",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: an example makes no other model",
    file: ATTEMPT,
    text: "taken.inputExample ?? null",
    replacement: "null",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: names of files that MLflow can't give back are sent",
    file: PLAN,
    text: "for (const { path } of value.files) checkPath(path);",
    replacement: "void checkPath;",
    tests: [KEEP_TEST],
  },
  {
    name: "mlflow backend: bytes go while another version needs them",
    file: REMOVE,
    text: "if (await isNeeded(client, bytes, options)) return;",
    replacement: "",
    tests: [PLACES_TEST],
  },
  {
    name: "mlflow backend: bytes go although a version was made in between",
    file: REMOVE,
    text: "if (artifactUri === undefined || (await isNeeded(client, bytes, options))) return;",
    replacement: "if (artifactUri === undefined) return;",
    tests: [RACES_TEST],
  },
  {
    name: "mlflow backend: bytes go before the version that needs them",
    file: REMOVE,
    text: "  await removeVersion(client, place, options);\n",
    replacement:
      "  if (place.artifactUri) await client.artifacts(place.artifactUri).remove(undefined, options);\n  await removeVersion(client, place, options);\n",
    tests: [INTERRUPTED],
  },
  {
    name: "mlflow backend: the version of another model with the same number is removed",
    file: REMOVE,
    text: "if (!found || !(await isOf(client, found, place, options))) return;",
    replacement: "if (!found) return void isOf;",
    tests: [PLACES_TEST],
  },
  {
    name: "mlflow backend: copies of versions need no bytes",
    file: NEEDED,
    text: "const copies = [...names].map(whereCopyOf);",
    replacement: "const copies: string[] = [];\n  void whereCopyOf;",
    tests: [PLACES_TEST],
  },
  {
    name: "mlflow backend: copies of copies need no bytes",
    file: NEEDED,
    text: "if (digest !== undefined) copies.push(whereTag(TAGS.digest, digest));",
    replacement: "void [digest, whereTag, TAGS];",
    tests: [PLACES_TEST],
  },
  {
    name: "mlflow backend: copies that people have made are orphans",
    file: ORPHANS,
    text: "if (!/^models:\\/m-[0-9a-f]{32}$/.test(version.source)) continue;",
    replacement: "",
    tests: [PLACES_TEST],
  },
  {
    name: "mlflow backend: what a save under way has made is an orphan",
    file: ORPHANS,
    text: "if (ids.has(model.id) || model.createdAt >= before) continue;",
    replacement: "if (ids.has(model.id)) continue;",
    tests: [INTERRUPTED],
  },
  {
    name: "mlflow backend: models without a version are never found",
    file: ORPHANS,
    text: "[versionOrphans, modelOrphans, runOrphans]",
    replacement: "[versionOrphans, runOrphans]",
    tests: [INTERRUPTED],
  },
  {
    name: "mlflow backend: an alias that points at another version is taken away",
    file: ALIASES,
    text: "if (found?.version === version)",
    replacement: "if (found)",
    tests: [PLACES_TEST],
  },
  {
    name: "mlflow backend: aliases that MLflow keeps for itself are sent",
    file: NAMES,
    text: "if (/^(latest|v\\d+)$/i.test(alias)) {",
    replacement: "if (alias === '') {",
    tests: [OPTIONS_TEST],
  },
  {
    name: "mlflow backend: tags of the store's own are overwritten",
    file: NAMES,
    text: "if (OWN_TAG.test(key)) {",
    replacement: "if (OWN_TAG.test('')) {",
    tests: [OPTIONS_TEST],
  },
  {
    name: "mlflow backend: texts that MLflow cuts off are sent",
    file: NAMES,
    text: "if (value.length <= lengthMax) return",
    replacement: "return",
    tests: [OPTIONS_TEST],
  },
  {
    name: "mlflow backend: an example of rows of several lengths is sent",
    file: EXAMPLE,
    text: "if (shapes.some(",
    replacement: "if (shapes.length > 1e9 && shapes.some(",
    tests: [OPTIONS_TEST],
  },
];
