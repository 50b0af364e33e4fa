import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failureWithHint } from "../../helpers/errors.ts";
import { newFolder } from "../../helpers/folders.ts";
import "../../helpers/whole-suites.ts";
import { mlflowUrl, ownMlflow } from "../../services/mlflow.ts";
import type { Server } from "../../services/server.ts";
import { hasService } from "../../services/services.ts";
import { bytesOf, endAll, newExperiment, newRelay, nothing, openTest, piecesOf } from "./support.ts";

const NAME = "mlflow: servers that are killed, and that let not everybody in";
const test = suite(NAME);
const servers: Server[] = [];
test.after.each(async () => {
  for (const server of servers.splice(0)) await server.stop();
  await endAll();
});

async function own(options?: string[], environment?: Record<string, string>): Promise<Server> {
  const server = await ownMlflow(options, environment);
  servers.push(server);
  return server;
}

if (hasService("mlflow", NAME)) {
  test("a server that is killed in the middle of an upload is waited for, and has all of it", async () => {
    const server = await own();
    const patient = {
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: "9",
      MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: "0.2",
    };
    const client = await openTest(mlflowUrl(server.port), patient);
    const { artifactUri, id } = await newExperiment(client);
    const artifacts = client.artifacts(artifactUri);
    const bytes = randomBytes(6_000_000);
    let begun = 0;
    const pieces = async function* () {
      begun++;
      for await (const piece of piecesOf(bytes)()) {
        yield piece;
        if (begun === 1) await sleep(20);
      }
    };
    const uploading = artifacts.put("f", bytes.byteLength, pieces);
    await sleep(300);
    await server.kill();
    await server.launch();
    await uploading;
    assert.ok(begun > 1);
    assert.ok((await bytesOf(artifacts.get("f"))).equals(bytes));
    assert.equal(await artifacts.list(), [{ path: "f", size: bytes.byteLength }]);
    // What it had been told before is there, and new things are made.
    assert.ok(await client.runs.create({ experimentId: id }, nothing));
  });

  test("a server that asks who one is, and for which host it is meant", async () => {
    const server = await own(["--app-name", "basic-auth", "--allowed-hosts", "127.0.0.1:{port}"], {
      MLFLOW_FLASK_SERVER_SECRET_KEY: "a test's",
      MLFLOW_AUTH_ADMIN_PASSWORD: "long enough 1",
    });
    const url = mlflowUrl(server.port);
    const user = { MLFLOW_TRACKING_USERNAME: "admin", MLFLOW_TRACKING_PASSWORD: "long enough 1" };
    const admin = await openTest(url, user);
    const experiment = await newExperiment(admin);
    await admin.artifacts(experiment.artifactUri).put("f", 3, piecesOf(Buffer.from("abc")));
    for (const environment of [{}, { ...user, MLFLOW_TRACKING_PASSWORD: "wrong" }]) {
      const stranger = await openTest(url, environment);
      const error = await failureWithHint(stranger.experiments.get("0"), "UNAUTHORIZED");
      assert.match(error.hint!, "MLFLOW_TRACKING_USERNAME");
      const artifacts = stranger.artifacts(experiment.artifactUri);
      await failureWithHint(artifacts.put("f", 3, piecesOf(Buffer.from("abc"))), "UNAUTHORIZED");
      await failureWithHint(bytesOf(artifacts.get("f")), "UNAUTHORIZED");
    }
    await fetch(`${url}/api/2.0/mlflow/users/create`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Basic ${Buffer.from("admin:long enough 1").toString("base64")}`,
      },
      body: JSON.stringify({ username: "reader", password: "long enough 2" }),
    });
    const reader = await openTest(url, {
      MLFLOW_TRACKING_USERNAME: "reader",
      MLFLOW_TRACKING_PASSWORD: "long enough 2",
    });
    assert.is((await reader.experiments.get(experiment.id))?.name, experiment.name);
    await failureWithHint(reader.runs.create({ experimentId: experiment.id }, nothing), "UNAUTHORIZED");
    const relay = await newRelay(server.port);
    const elsewhere = await openTest(mlflowUrl(relay.port), user);
    const error = await failureWithHint(elsewhere.experiments.get("0"), "CONFIG");
    assert.match(error.hint!, "--allowed-hosts");
  });
}

test("a server is spoken to in secret where it is known, and by nobody who does not want it to be", async () => {
  const folder = newFolder();
  const [key, certificate, both] = ["key.pem", "certificate.pem", "both.pem"].map((name) =>
    join(folder, name),
  );
  const options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"];
  const names = ["-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", ...options, ...names, "-keyout", key!, "-out", certificate!], {
    stdio: "ignore",
  });
  const [keyText, certificateText] = [key!, certificate!].map((path) => readFileSync(path, "utf8"));
  const { writeFileSync } = await import("node:fs");
  writeFileSync(both!, `${keyText}${certificateText}`);
  let isKnown: boolean | undefined;
  const server = createServer(
    {
      key: keyText,
      cert: certificateText,
      ca: certificateText,
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => {
      isKnown = (request.socket as unknown as { authorized: boolean }).authorized;
      response.end(JSON.stringify({ experiment: { experiment_id: "0" } }));
    },
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const url = `https://127.0.0.1:${port}`;
  try {
    const unknown = await failureWithHint((await openTest(url)).experiments.get("0"), "CONFIG");
    assert.match(unknown.hint!, "MLFLOW_TRACKING_SERVER_CERT_PATH");
    const known = await openTest(url, { MLFLOW_TRACKING_SERVER_CERT_PATH: certificate! });
    assert.is((await known.experiments.get("0"))?.id, "0");
    assert.is(isKnown, false);
    const unchecked = await openTest(url, { MLFLOW_TRACKING_INSECURE_TLS: "true" });
    assert.is((await unchecked.experiments.get("0"))?.id, "0");
    const signed = await openTest(url, {
      MLFLOW_TRACKING_SERVER_CERT_PATH: certificate!,
      MLFLOW_TRACKING_CLIENT_CERT_PATH: both!,
    });
    await signed.experiments.get("0");
    assert.is(isKnown, true);
    const plain = await openTest(url.replace("https", "http"), { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" });
    await plain.experiments.get("0").then(
      () => assert.unreachable(),
      ({ code }) => assert.match(code, /CONFIG|UNAVAILABLE/),
    );
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a server that does not speak in secret is told from one that is not known", async () => {
  const { createServer: plainServer } = await import("node:http");
  const server = plainServer((_, response) => response.end("{}"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client = await openTest(`https://127.0.0.1:${port}`);
  const error = await failureWithHint(client.experiments.get("0"), "CONFIG");
  server.close();
  assert.match(error.hint!, "https://");
});

test.run();
