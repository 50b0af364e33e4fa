import type { Fault } from "./fault.ts";

const CHECK = "adapters/mlflow/check.ts";
const NOW = "cli/mlflow-now.ts";

const DOCTOR_TEST = "cli/mlflow-doctor.test.ts";
const SERVER_TEST = "cli/mlflow.test.ts";
const WORDS_TEST = "cli/mlflow-words.test.ts";

/** Of models in MLflow, on the command line. Those of `mlflow.test.ts` need the server that `test/services/start.ts` starts. */
export const mlflowCommandLineFaults: Fault[] = [
  {
    name: "mlflow on the command line: options for MLflow are lost on what Varve keeps",
    file: "cli/mlflow-options.ts",
    text: 'if (backend === "varve") {',
    replacement: 'if (backend === "varve" && given.length === 0) {',
    tests: [WORDS_TEST],
  },
  {
    name: "mlflow on the command line: a server that can't be asked is damage",
    file: "cli/damage-text.ts",
    text: "problems.every(({ code }) => code !== undefined)",
    replacement: "problems.length === 0",
    tests: [WORDS_TEST],
  },
  {
    name: "mlflow on the command line: damage is passed over where a server can't be asked too",
    file: "cli/damage-text.ts",
    text: "problems.every(",
    replacement: "problems.some(",
    tests: [WORDS_TEST],
  },
  {
    name: "mlflow on the command line: a model that is not registered is called by its id",
    file: "cli/commands/adopt.ts",
    text: "(?:\\/[^/]+|@[^/]+)$/",
    replacement: "(?:\\/[^/]+|@[^/]+)?$/",
    tests: [WORDS_TEST],
  },
  {
    name: "mlflow on the command line: delete --purge leaves the model in MLflow",
    file: "cli/commands/delete.ts",
    text: "{ aliases, purge, ...call }",
    replacement: "{ aliases, ...call }",
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: a purge can't be gone on with",
    file: "cli/commands/delete.ts",
    text: "?? { name, ref, aliases: [], isPurgedAgain: true }",
    replacement: "?? (await store.get(ref, call))",
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: the alias is not set in MLflow",
    file: "cli/commands/alias.ts",
    text: "{ mlflow, ...call }",
    replacement: "{ mlflow: false, ...call }",
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: show fails where MLflow does not answer",
    file: NOW,
    text: 'if (name !== "VarveError") throw error;',
    replacement: "if (name !== undefined) throw error;",
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: the preview reads the whole model",
    file: "cli/preview.ts",
    text: 'if (artifact.backend === "mlflow")',
    replacement: 'if (artifact.backend !== "mlflow" && artifact.size < 0)',
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: a store in its home does not know MLflow",
    file: "cli/context.ts",
    text: "isInHome && config.mlflowTrackingUri === undefined",
    replacement: "isInHome",
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: MLflow is not told who made a model",
    file: "adapters/mlflow/origin.ts",
    text: '{ "mlflow.user": user }',
    replacement: "{ user }",
    tests: [SERVER_TEST],
  },
  {
    name: "mlflow on the command line: doctor does not ask whether files go through the server",
    file: CHECK,
    text: "if (experiment) yield",
    replacement: "if (experiment && options.onProgress) yield",
    tests: [DOCTOR_TEST],
  },
  {
    name: "mlflow on the command line: doctor takes any version",
    file: CHECK,
    text: "if (Number(major) >= MAJOR_VERSION_MIN) return text;",
    replacement: "if (Number(major) >= 0) return text;",
    tests: [DOCTOR_TEST],
  },
  {
    name: "mlflow on the command line: doctor does not ask the registry",
    file: CHECK,
    text: "await client.registry.get(NOTHING, options);",
    replacement: "",
    tests: [DOCTOR_TEST],
  },
];
