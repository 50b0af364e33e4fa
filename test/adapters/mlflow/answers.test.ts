import { createServer } from "node:http";
import { inspect } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VarveErrorCode } from "../../../engine/main.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import "../../helpers/whole-suites.ts";
import { type Answer, answering, bytesOf, endAll, nothing, openTest, piecesOf } from "./support.ts";

const test = suite("mlflow: what a server answers");
test.after.each(endAll);

const CREDENTIALS = { MLFLOW_TRACKING_USERNAME: "somebody", MLFLOW_TRACKING_PASSWORD: "hunter2" };
const NO_RETRIES = { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "0" };
const PAGE = "<!doctype html><title>Welcome</title>";

const FAILURES: [what: string, answer: Answer, code: VarveErrorCode, hint: RegExp][] = [
  ["who one is", { status: 401, body: "You are not authenticated." }, "UNAUTHORIZED", /USERNAME/],
  [
    "not allowed",
    { status: 403, body: { error_code: "PERMISSION_DENIED", message: "no" } },
    "UNAUTHORIZED",
    /may/,
  ],
  ["a host", { status: 403, body: "Invalid Host header - possible" }, "CONFIG", /--allowed-hosts/],
  ["a page", { body: PAGE }, "CONFIG", /MLflow/],
  ["a list", { body: [] }, "CONFIG", /MLflow/],
  ["no such page", { status: 404, body: PAGE }, "CONFIG", /MLflow/],
  ["no such route", { status: 404, body: { detail: "Not Found" } }, "CONFIG", /MLflow/],
  ["elsewhere", { status: 302, headers: { location: "https://login.test/?secret" } }, "CONFIG", /URL/],
  [
    "no artifacts",
    { status: 503, body: { detail: "Artifact serving is disabled." } },
    "CONFIG",
    /--no-serve/,
  ],
  ["too large", { status: 413, body: PAGE }, "NOT_SUPPORTED", /proxy/],
  [
    "signed only",
    { status: 409, body: { error_code: "RESOURCE_CONFLICT", message: "use presigned" } },
    "NOT_SUPPORTED",
    /presigned/,
  ],
  ["not made", { status: 501, body: { error_code: "NOT_IMPLEMENTED" } }, "NOT_SUPPORTED", /./],
  [
    "wrong",
    { status: 400, body: { error_code: "INVALID_PARAMETER_VALUE", message: "m" } },
    "INVALID_ARGUMENT",
    /./,
  ],
  ["there already", { status: 400, body: { error_code: "RESOURCE_ALREADY_EXISTS" } }, "CONFLICT", /./],
  ["busy", { status: 429, body: { error_code: "REQUEST_LIMIT_EXCEEDED" } }, "UNAVAILABLE", /again/],
  ["broken", { status: 500, body: PAGE }, "UNAVAILABLE", /again/],
];

test("failures have the code that they are, and say what can be done", async () => {
  for (const [what, answer, code, hint] of FAILURES) {
    const { url } = await answering(() => answer);
    const client = await openTest(url, { ...CREDENTIALS, ...NO_RETRIES });
    const error = await failureWithHint(client.runs.create({ experimentId: "0" }, nothing), code);
    assert.match(error.hint!, hint, what);
    assert.not.match(error.message, /<|secret/, what);
    assert.is(error.details?.status, answer.status ?? 200, what);
  }
});

test("an answer that is as long as it likes is cut in what is told", async () => {
  const { url } = await answering(() => ({ status: 400, body: { message: `${"x".repeat(10_000)}` } }));
  const error = await failureWithHint((await openTest(url)).experiments.get("0"), "INVALID_ARGUMENT");
  assert.ok(error.message.length < 1000);
});

test("what passes is tried again, and what does not is told at once", async () => {
  for (const [status, body, times] of [
    [500, {}, 4],
    [502, PAGE, 4],
    [503, "busy", 4],
    [504, "", 4],
    [429, {}, 4],
    [408, {}, 4],
    [400, {}, 1],
    [401, {}, 1],
    [503, { detail: "Run `mlflow server` with `--serve-artifacts` to enable." }, 1],
  ] as const) {
    const { url, asked } = await answering(() => ({ status, body }));
    const client = await openTest(url, { MLFLOW_HTTP_REQUEST_MAX_RETRIES: "3" });
    await client.experiments.get("0").then(
      () => assert.unreachable(),
      () => {},
    );
    assert.is(asked.length, times, `${status} ${inspect(body)}`);
  }
});

test("a server says how long it wants to be left alone", async () => {
  const times: number[] = [];
  const busy = (retryAfter: string) => () => {
    times.push(performance.now());
    return times.length === 1
      ? { status: 429, headers: { "retry-after": retryAfter } }
      : { body: { experiment: { experiment_id: "0" } } };
  };
  const obeying = await openTest((await answering(busy("1"))).url);
  await obeying.experiments.get("0");
  assert.ok(times[1]! - times[0]! > 900);
  times.length = 0;
  const { url, asked } = await answering(busy("3600"));
  await failureWithHint((await openTest(url)).experiments.get("0"), "UNAVAILABLE");
  assert.is(asked.length, 1);
  times.length = 0;
  const other = await openTest((await answering(busy("3600"))).url, {
    MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER: "false",
  });
  assert.is((await other.experiments.get("0"))?.id, "0");
});

test("credentials and the workspace are sent to the servers that are configured", async () => {
  const [tracking, registry] = [await answering(() => ({})), await answering(() => ({}))];
  const client = await openTest(tracking.url, { ...CREDENTIALS, MLFLOW_WORKSPACE: "team" }, registry.url);
  await client.experiments.get("0");
  await client.registry.get("clf");
  await client.artifacts("mlflow-artifacts:/0/a").list();
  await client.artifacts(`${registry.url}/api/2.0/mlflow-artifacts/artifacts/0/a`).list();
  assert.equal([tracking.asked.length, registry.asked.length], [2, 2]);
  for (const { headers } of [...tracking.asked, ...registry.asked]) {
    assert.is(headers.authorization, `Basic ${Buffer.from("somebody:hunter2").toString("base64")}`);
    assert.is(headers["x-mlflow-workspace"], "team");
  }
});

test("credentials are sent to no other server, and in no error", async () => {
  const other = await answering(() => ({ status: 401, body: "who are you?" }));
  const client = await openTest("http://127.0.0.1:9", { ...CREDENTIALS, MLFLOW_WORKSPACE: "team" });
  for (const uri of [
    `${other.url.replace("http:", "mlflow-artifacts:")}/0/a`,
    `${other.url}/api/2.0/mlflow-artifacts/artifacts/0/a`,
  ]) {
    const artifacts = client.artifacts(uri);
    const bytes = Buffer.from("abc");
    for (const call of [
      () => artifacts.list(),
      () => artifacts.put("f", 3, piecesOf(bytes)),
      () => artifacts.remove(),
    ]) {
      const error = await failureWithHint(call, "UNAUTHORIZED");
      assert.match(error.hint!, /credentials go only/);
      assert.not.match(inspect(error, { depth: 10 }), /hunter2|c29tZWJvZHk/);
    }
  }
  assert.is(other.asked.length, 6);
  for (const { headers } of other.asked) {
    assert.is(headers.authorization, undefined);
    assert.is(headers["x-mlflow-workspace"], undefined);
  }
});

test("credentials of a URL are for its server, and are not told", async () => {
  const [tracking, registry] = [await answering(() => ({})), await answering(() => ({ status: 401 }))];
  const withUser = tracking.url.replace("//", "//own:p%40ss@");
  const client = await openTest(withUser, CREDENTIALS, registry.url);
  await client.experiments.get("0");
  const error = await failureWithHint(client.registry.get("clf"), "UNAUTHORIZED");
  const sent = (user: string) => `Basic ${Buffer.from(user).toString("base64")}`;
  assert.is(tracking.asked[0]!.headers.authorization, sent("own:p@ss"));
  assert.is(registry.asked[0]!.headers.authorization, sent("somebody:hunter2"));
  assert.not.match(
    inspect([error, client.trackingUri, client.registryUri], { depth: 10 }),
    /hunter2|p%40ss|p@ss/,
  );
});

test("a listing takes no name that leads elsewhere", async () => {
  for (const path of ["../x", "/etc/passwd", "..", "", "a/b"]) {
    const { url } = await answering(() => ({ body: { files: [{ path, is_dir: false }] } }));
    const client = await openTest(url);
    await failureWithHint(client.artifacts("mlflow-artifacts:/0/a").list(), "CORRUPTION");
  }
});

test("a listing that goes round in circles has an end", async () => {
  const { url } = await answering(() => ({ body: { files: [{ path: "d", is_dir: true }] } }));
  const client = await openTest(url);
  await failureWithHint(client.artifacts("mlflow-artifacts:/0/a").list(), "NOT_SUPPORTED");
});

test("a server that refuses an upload at its beginning is heard, and not sent the rest", async () => {
  const { createServer } = await import("node:http");
  for (const isCut of [false, true]) {
    const server = createServer((request, response) => {
      response.writeHead(413, isCut ? { connection: "close" } : {}).end(PAGE);
      if (isCut) setTimeout(() => request.socket.destroy(), 20);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const client = await openTest(`http://127.0.0.1:${port}`, NO_RETRIES);
    let given = 0;
    const pieces = async function* () {
      for (; given < 1000; given++) yield Buffer.alloc(1_000_000);
    };
    const putting = client.artifacts("mlflow-artifacts:/0/a").put("f", 1e9, pieces);
    await failureWithHint(putting, "NOT_SUPPORTED");
    assert.ok(given < 500, `${given}`);
    server.closeAllConnections();
    server.close();
  }
});

test("so has one of folders without files", async () => {
  const files = Array.from({ length: 100_001 }, (_, i) => ({ path: `d${i}`, is_dir: true }));
  const { url, asked } = await answering(({ path }) => ({ body: path.endsWith("%2Fa") ? { files } : {} }));
  const client = await openTest(url);
  await failureWithHint(client.artifacts("mlflow-artifacts:/0/a").list(), "NOT_SUPPORTED");
  assert.is(asked.length, 1);
});

test("a location that leads out, or nowhere, is refused before it is asked", async () => {
  const { url, asked } = await answering(() => ({}));
  const client = await openTest(url);
  for (const uri of [
    "mlflow-artifacts:/0/../b",
    "mlflow-artifacts:/0/./b",
    "mlflow-artifacts://:bad:/x",
    "http://[/api/2.0/mlflow-artifacts/artifacts/0/a",
  ])
    await failureWithHint((async () => client.artifacts(uri).list())(), "NOT_SUPPORTED");
  assert.equal(asked, []);
});

test("of an upload nothing stays in memory for each piece", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const server = createServer((asked, answer) => asked.on("end", () => answer.end()).resume());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client = await openTest(`http://127.0.0.1:${port}`, {
    MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD: "false",
  });
  const piece = Buffer.alloc(64 * 1024);
  const count = 8000;
  let first = 0;
  let last = 0;
  const pieces = async function* () {
    for (let i = 0; i < count; i++) {
      if (i === 100) first = used();
      if (i === count - 1) last = used();
      yield piece;
    }
  };
  await client.artifacts("mlflow-artifacts:/0/a").put("f", count * piece.length, pieces);
  server.close();
  const grown = (last - first) / count;
  assert.ok(grown < 150, `${grown} bytes for each`);
});

test("a server without ranges sends all again, and what was given is passed over", async () => {
  const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  let times = 0;
  const server = createServer((_, response) => {
    times++;
    if (times < 3) {
      response.write(bytes.subarray(0, times * 100_000), () => response.destroy());
    } else response.end(bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const client = await openTest(`http://127.0.0.1:${port}`, {
    MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD: "false",
  });
  const got = await bytesOf(client.artifacts("mlflow-artifacts:/0/a").get("f"));
  server.close();
  assert.ok(got.equals(bytes));
  assert.is(times, 3);
});

test.run();
