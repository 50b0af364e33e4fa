import type { Fault } from "./fault.ts";

const CHOICE = "backend/choice.test.ts";
const SAVES = "backend/saves.test.ts";
const READS = "backend/reads.test.ts";
const PURGE = "backend/purge.test.ts";
const UPKEEP = "backend/maintenance.test.ts";

/** Of values that a storage backend keeps. */
export const backendFaults: Fault[] = [
  {
    name: "backend: what is read is not compared with the digest",
    file: "engine/backend/check.ts",
    text: "if (this.#at !== this.#expected.size || !this.#hash.digest().equals(this.#expected.digest))",
    replacement: "if (this.#at !== this.#expected.size)",
    tests: [READS],
  },
  {
    name: "backend: the last piece is given before all was compared",
    file: "engine/backend/check.ts",
    text: "    if (held) yield held;\n    held = part;",
    replacement: "    yield part;",
    tests: [READS],
  },
  {
    name: "backend: the server that a row names is asked",
    file: "engine/backend/connection.ts",
    text: "if (backend.has(place)) return backend;",
    replacement: "return backend;",
    tests: [READS],
  },
  {
    name: "backend: a default without a server is taken",
    file: "engine/backend/config.ts",
    text: 'if (wanted !== "mlflow") return {',
    replacement: "if (true) return {",
    tests: [CHOICE],
  },
  {
    name: "backend: what is no model is sent where that is asked for",
    file: "engine/backend/versions.ts",
    text: 'if (choice === "asked") throw noModel();',
    replacement: "",
    tests: [CHOICE],
  },
  {
    name: "backend: options of MLflow are passed over where it keeps no models by default",
    file: "engine/backend/versions.ts",
    text: "    if (mlflow !== undefined) throw optionsOfVarve();\n    return",
    replacement: "    if (backend && mlflow !== undefined) throw optionsOfVarve();\n    return",
    tests: [CHOICE],
  },
  {
    name: "backend: options of MLflow are passed over where there is none",
    file: "engine/backend/versions.ts",
    text: "if (isMeant && !this",
    replacement: 'if (backend === "mlflow" && !this',
    tests: [CHOICE],
  },
  {
    name: "backend: a batch passes over options of MLflow",
    file: "engine/save.ts",
    text: 'if (backend === "mlflow" || mlflow !== undefined) throw notInBatch();',
    replacement: 'if (backend === "mlflow") throw notInBatch();',
    tests: [CHOICE],
  },
  {
    name: "backend: a batch keeps a model of the backend by itself",
    file: "engine/batch-queue.ts",
    text: "if (this.#keepsModels && isModel(encoded) && options.backend === undefined) throw notInBatch();",
    replacement: "",
    tests: [CHOICE],
  },
  {
    name: "backend: the version is committed before the model is kept",
    file: "engine/backend/save.ts",
    text: "const place = await backend.keep(value,",
    replacement:
      "const { digest: d, size: s, mediaType: m } = value;\n" +
      "await this.#commit(await this.#operation(name, taken, { digest: d, size: s, mediaType: m, kept: { place: {} } }));\n" +
      "const place = await backend.keep(value,",
    tests: [SAVES],
  },
  {
    name: "backend: a model stays whose commit was refused",
    file: "engine/backend/save.ts",
    text: "if (!isInDoubt(error)) await this.#takeBack(backend, place);",
    replacement: "",
    tests: [SAVES],
  },
  {
    name: "backend: a model goes whose commit may have been made",
    file: "engine/backend/save.ts",
    text: "if (!isInDoubt(error)) await",
    replacement: "await",
    tests: [SAVES],
  },
  {
    name: "backend: options are taken when they are needed",
    file: "engine/backend/versions.ts",
    text: "given: copied(mlflow)",
    replacement: "given: mlflow",
    tests: [SAVES],
  },
  {
    name: "backend: saves of one name go at the same time",
    file: "engine/backend/save.ts",
    text: "(before ?? Promise.resolve()).then(save)",
    replacement: "save()",
    tests: [SAVES],
  },
  {
    name: "backend: the file that a stream was put into stays",
    file: "engine/backend/save.ts",
    text: "await model.release();",
    replacement: "",
    tests: [SAVES],
  },
  {
    name: "backend: bytes that change while they are sent are kept",
    file: "engine/backend/model-value.ts",
    text: 'comparedPieces(pieces(call), file, () => changedWhileSaved("the model"))',
    replacement: "pieces(call)",
    tests: [SAVES],
  },
  {
    name: "backend: a name that MLflow can't carry is sent",
    file: "engine/backend/folder.ts",
    text: "if (!CARRIED.test(path))",
    replacement: "if (path === undefined)",
    tests: [READS],
  },
  {
    name: "backend: a purge takes what another version is too",
    file: "engine/backend/purge.ts",
    text: "if (isSamePlace(place, other)) return;",
    replacement: "",
    tests: [PURGE],
  },
  {
    name: "backend: a purge does not tell which bytes others need",
    file: "engine/backend/purge.ts",
    text: "if (sharesBytes(place, other)) needed.push(other);",
    replacement: "",
    tests: [PURGE],
  },
  {
    name: "backend: a purge deletes what it can't reach",
    file: "engine/backend/purge.ts",
    text: "await checkReachable(parts, target, options);",
    replacement: "",
    tests: [PURGE],
  },
  {
    name: "backend: an alias is ours before MLflow's rules are asked",
    file: "engine/backend/aliases.ts",
    text: "backend.checkAlias(place, alias);",
    replacement: "",
    tests: [PURGE],
  },
  {
    name: "backend: history forgets whose a model is",
    file: "engine/forget.ts",
    text: "return backend && valuePlace(row) !== ValuePlace.collected ? Number.POSITIVE_INFINITY : deletion;",
    replacement: "return deletion;",
    tests: [UPKEEP],
  },
  {
    name: "backend: the code of a deleted model is compacted away",
    file: "engine/operations.ts",
    text: "weak: deleted && !isKept",
    replacement: "weak: deleted",
    tests: [UPKEEP],
  },
  {
    name: "backend: what may be under way is called left behind",
    file: "engine/backend/verify.ts",
    text: "now() - ORPHAN_MILLISECONDS_MIN",
    replacement: "now() + 1",
    tests: [UPKEEP],
  },
  {
    name: "backend: whole models are removed by a repair",
    file: "engine/backend/repair.ts",
    text: "if (orphan && !orphan.isRemnant)",
    replacement: "if (orphan && orphan.place === undefined)",
    tests: [UPKEEP],
  },
  {
    name: "backend: a repair takes up what is damaged",
    file: "engine/backend/repair.ts",
    text: "isAgain: true",
    replacement: "isAgain: false",
    tests: [UPKEEP],
  },
  {
    name: "backend: purged versions can be brought back",
    file: "engine/deletes.ts",
    text: "isPurged ? ValuePlace.collected : undefined",
    replacement: "undefined",
    tests: [PURGE],
  },
];
