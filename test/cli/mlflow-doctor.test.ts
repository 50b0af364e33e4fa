import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf } from "../helpers/command-line.ts";
import { mlflowUrl } from "../services/mlflow.ts";
import { hasService } from "../services/services.ts";

const test = suite("varve doctor and MLflow");
let line: CommandLine;
let server: Server | undefined;
test.before.each(async () => {
  line = await CommandLine.inNewFolder();
  await line.varve(["init"]);
});
test.after.each(async () => {
  await line.remove();
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});

interface Answer {
  status?: number;
  text: string;
}

/** A server that answers to a path as it is told, and to others as one of MLflow that has nothing. */
async function serverWith(answers: Record<string, Answer>, seen: IncomingMessage[] = []): Promise<string> {
  const location = "mlflow-artifacts:/0";
  const experiment = {
    experiment_id: "0",
    name: "Default",
    artifact_location: location,
    lifecycle_stage: "active",
  };
  const all: Record<string, Answer> = {
    "/version": { text: "3.17.2" },
    "/api/2.0/mlflow/experiments/get-by-name": { text: JSON.stringify({ experiment }) },
    "/api/2.0/mlflow-artifacts/artifacts": { text: "{}" },
    ...answers,
  };
  server = createServer((request, response) => {
    seen.push(request);
    const { status = 200, text } = all[request.url!.split("?")[0]!] ?? {
      status: 404,
      text: '{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"there is none"}',
    };
    response.writeHead(status).end(text);
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Found {
  exitCode: number | null;
  texts: string[];
  failure: { text: string; hint?: string } | undefined;
  all: string;
}

async function doctor(url: string, more: Record<string, string> = {}): Promise<Found> {
  const outcome = await line.varve(["doctor", "--json"], { env: { MLFLOW_TRACKING_URI: url, ...more } });
  const found = documentsOf(outcome).filter(({ check }) => check === "mlflow");
  return {
    exitCode: outcome.exitCode,
    texts: found.filter(({ state }) => state === "ok").map(({ text }) => text),
    failure: found.find(({ state }) => state === "failed"),
    all: outcome.stdout + outcome.stderr,
  };
}

test("nothing is asked where no MLflow is configured", async () => {
  const documents = documentsOf(await line.varve(["doctor", "--json"]));
  assert.is(documents.filter(({ check }) => check === "mlflow").length, 0);
});

test("a server that has what is needed: its version, credentials, route of files, registry, and the default", async () => {
  const url = await serverWith({});
  const { exitCode, texts } = await doctor(url);
  assert.is(exitCode, 0);
  assert.equal(texts, [
    `MLflow 3.17.2 at ${url}`,
    "it answers when asked without credentials",
    "files of the experiment Default go through it (mlflow-artifacts:/0)",
    "models are registered there too",
    "models are kept by mlflow, unless a save says otherwise",
  ]);
});

test("the credentials of the URL are used, and never told", async () => {
  const seen: IncomingMessage[] = [];
  const url = (await serverWith({}, seen)).replace("//", "//ada:secret7@");
  const { texts, all } = await doctor(url);
  assert.ok(texts.includes("it answers when asked with user and password"));
  assert.is(seen.at(-1)!.headers.authorization, `Basic ${Buffer.from("ada:secret7").toString("base64")}`);
  assert.not.match(all, "secret7");
});

test("another server for the registry is named and asked", async () => {
  const url = await serverWith({});
  const { exitCode, failure, all } = await doctor(url, { MLFLOW_REGISTRY_URI: "http://127.0.0.1:1" });
  assert.is(exitCode, 8, all);
  assert.match(failure!.text, "http://127.0.0.1:1");
});

for (const [what, answers, exitCode, text, hint] of [
  [
    "a proxy's page",
    { "/version": { text: "<html>Welcome</html>" } },
    1,
    /no JSON/,
    /URL of an MLflow server/,
  ],
  ["an old server", { "/version": { text: "2.22.1" } }, 1, /MLflow 2\.22\.1 .* too old/, /MLflow 3/],
  [
    "a refused host",
    {
      "/api/2.0/mlflow/experiments/get-by-name": {
        status: 403,
        text: "Invalid Host header - possible DNS rebinding attack",
      },
    },
    1,
    /Invalid Host header/,
    /--allowed-hosts/,
  ],
  [
    "refused credentials",
    { "/api/2.0/mlflow/experiments/get-by-name": { status: 401, text: "You are not authenticated" } },
    8,
    /401/,
    /MLFLOW_TRACKING_USERNAME/,
  ],
  [
    "files past the server",
    {
      "/api/2.0/mlflow/experiments/get-by-name": {
        text: '{"experiment":{"experiment_id":"0","name":"Default","artifact_location":"s3://bucket/0","lifecycle_stage":"active"}}',
      },
    },
    1,
    /s3:/,
    /through the server/,
  ],
  [
    "a server that passes on no files",
    {
      "/api/2.0/mlflow-artifacts/artifacts": {
        status: 503,
        text: '{"detail":"Endpoint disabled due to the mlflow server running in `--no-serve-artifacts` mode."}',
      },
    },
    1,
    /no-serve-artifacts/,
    /without --no-serve-artifacts/,
  ],
] as const) {
  test(`${what}: told, with what to do`, async () => {
    const found = await doctor(await serverWith(answers));
    assert.is(found.exitCode, exitCode, found.all);
    assert.match(found.failure!.text, text);
    assert.match(found.failure!.hint!, hint);
  });
}

test("no server there, and a URL that can be none", async () => {
  const gone = await doctor("http://127.0.0.1:1");
  assert.is(gone.exitCode, 8);
  assert.match(gone.failure!.text, "no answer from http://127.0.0.1:1");
  const wrong = await doctor("sqlite:///mlflow.db");
  assert.is(wrong.exitCode, 1);
  assert.match(wrong.failure!.hint!, "mlflow server");
});

if (hasService("mlflow", "varve doctor and a real MLflow")) {
  test("a real server: all is well", async () => {
    const { exitCode, texts, all } = await doctor(mlflowUrl());
    assert.is(exitCode, 0, all);
    assert.is(texts.length, 5);
    assert.match(texts[0]!, /^MLflow 3\.\d+\.\d+ at /);
  });
}

test.run();
