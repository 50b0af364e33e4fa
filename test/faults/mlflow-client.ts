import type { Fault } from "./fault.ts";

const NETWORK = "adapters/mlflow/network.test.ts";
const ANSWERS = "adapters/mlflow/answers.test.ts";
const SETTINGS = "adapters/mlflow/settings.test.ts";
const MULTIPART = "adapters/mlflow/multipart.test.ts";
const CLIENT = "adapters/mlflow/client.test.ts";

/** The client of MLflow's server. Those of the network need the server that `test/services/start.ts` starts. */
export const mlflowClientFaults: Fault[] = [
  {
    name: "mlflow client: nothing is sent again",
    file: "adapters/mlflow/transport.ts",
    text: "if (!failure.isTransient || tries >= triesMax)",
    replacement: "if (tries >= 0)",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: what can't be a success is sent again",
    file: "adapters/mlflow/transport.ts",
    text: "if (!failure.isTransient || tries >= triesMax)",
    replacement: "if (tries >= triesMax)",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a create is sent again without looking for what it may have made",
    file: "adapters/mlflow/transport.ts",
    text: "if (found !== undefined) return found;",
    replacement: "",
    tests: [NETWORK],
  },
  {
    name: "mlflow client: what a run has made can't be told twice",
    file: "adapters/mlflow/runs.ts",
    text: "      if (missing.length === modelIds.length) throw error;\n",
    replacement: "      throw error;\n",
    tests: [NETWORK],
  },
  {
    name: "mlflow client: an upload that is refused is sent to its end",
    file: "adapters/mlflow/http.ts",
    text: "    if (isOver) return;\n",
    replacement: "",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: folders without files are listed without end",
    file: "adapters/mlflow/artifacts.ts",
    text: "        count++;\n        if (entry.isFolder) folders.push({ path: entry.path, depth: folder.depth + 1 });\n        else files",
    replacement:
      "        if (entry.isFolder) folders.push({ path: entry.path, depth: folder.depth + 1 });\n        else if (count++ >= 0) files",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a location leads out of the artifacts",
    file: "adapters/mlflow/artifact-route.ts",
    text: 'if (names.some((name) => name === "." || name === "..")) throw',
    replacement: "if (names.length === 0) throw",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a storage of any kind is asked, with any headers",
    file: "adapters/mlflow/multipart.ts",
    text: "&& Object.entries(headers).every(canBeSent)",
    replacement: "",
    tests: [MULTIPART],
  },
  {
    name: "mlflow client: an upload keeps something of each piece",
    file: "adapters/mlflow/http.ts",
    text: "    await new Promise<void>((resolve) => {\n      goOn = resolve;\n      if (isOver) resolve();\n    });\n",
    replacement: '    await Promise.race([once(outgoing, "drain"), answered]);\n',
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: another host that the server names gets the credentials",
    file: "adapters/mlflow/client.ts",
    text: "isTrusted = [this.#tracking, this.#registry].some(({ origin }) => origin === location.origin),",
    replacement: "isTrusted = true,",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: the storage of an upload in parts gets the credentials",
    file: "adapters/mlflow/client.ts",
    text: "this.#transport(storageLocation(url), false)",
    replacement: "this.#transport(storageLocation(url), true)",
    tests: [MULTIPART],
  },
  {
    name: "mlflow client: a server is left alone no longer than usual",
    file: "adapters/mlflow/transport.ts",
    text: "const asked = patience.obeysRetryAfter ? failure.retryAfter : undefined;",
    replacement: "const asked = undefined as number | undefined;",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a page is taken for an answer without anything in it",
    file: "adapters/mlflow/transport.ts",
    text: "throw notMlflow(this.location.uri, doing, error);",
    replacement: "value = {};",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a download that broke begins anew behind what it gave",
    file: "adapters/mlflow/resume.ts",
    text: "let skip = answer.status === 206 ? 0 : given;",
    replacement: "let skip = 0;",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a download that broke is asked for from its first byte",
    file: "adapters/mlflow/resume.ts",
    text: "...(given > 0 && tag && {",
    replacement: "...(given < 0 && tag && {",
    tests: [NETWORK],
  },
  {
    name: "mlflow client: an upload that is shorter than was said passes",
    file: "adapters/mlflow/http.ts",
    text: '  if (rest !== 0) throw new SourceError("source", { cause: otherLength() });\n',
    replacement: "",
    tests: [CLIENT],
  },
  {
    name: "mlflow client: an upload in parts that is shorter than was said is completed",
    file: "adapters/mlflow/multipart.ts",
    text: "      if (rest !== 0) throw otherLength();\n",
    replacement: "",
    tests: [MULTIPART],
  },
  {
    name: "mlflow client: an upload in parts that has failed is not ended",
    file: "adapters/mlflow/multipart.ts",
    text: 'await this.#end("abort", upload, { upload_id: begun.id }).catch(() => {});',
    replacement: "",
    tests: [MULTIPART],
  },
  {
    name: "mlflow client: who reads slowly is taken for a server that is silent",
    file: "adapters/mlflow/http.ts",
    text: "if (isWaitingForUs(outgoing, incoming)) outgoing.setTimeout(silenceMax);\n      else ",
    replacement: "",
    tests: [NETWORK],
  },
  {
    name: "mlflow client: a silent server is waited for",
    file: "adapters/mlflow/http.ts",
    text: "if (incoming) return incoming.readableLength > 0;",
    replacement: "return true;",
    tests: [NETWORK],
  },
  {
    name: "mlflow client: only the first page of a search is read",
    file: "adapters/mlflow/pages.ts",
    text: "if (token === undefined) return;",
    replacement: "return;",
    tests: [CLIENT],
  },
  {
    name: "mlflow client: a name of a listing leads elsewhere",
    file: "adapters/mlflow/artifacts.ts",
    text: "!/[/\\\\\\0]/.test(name)",
    replacement: "name.length > 0",
    tests: [ANSWERS],
  },
  {
    name: "mlflow client: a location past the server is taken for one behind it",
    file: "adapters/mlflow/artifact-route.ts",
    text: "const scheme = ELSEWHERE.exec(uri)?.[1];",
    replacement: "return { ...tracking, path: uri };\n  const scheme = ELSEWHERE.exec(uri)?.[1];",
    tests: [SETTINGS],
  },
  {
    name: "mlflow client: the root of all artifacts is a folder like another",
    file: "adapters/mlflow/artifact-route.ts",
    text: 'if (names.length > 0) return names.join("/");',
    replacement: 'return names.join("/");',
    tests: [SETTINGS],
  },
  {
    name: "mlflow client: an alias that is not there is a failure",
    file: "adapters/mlflow/registry.ts",
    text: 'if (errorCodeOf(error) === "INVALID_PARAMETER_VALUE") return undefined;\n',
    replacement: "",
    tests: [CLIENT],
  },
  {
    name: "mlflow client: a token goes before user and password",
    file: "adapters/mlflow/environment.ts",
    text: "if (user && password) return basic(user, password);",
    replacement: "if (user && password && !environment.MLFLOW_TRACKING_TOKEN) return basic(user, password);",
    tests: [SETTINGS],
  },
];
