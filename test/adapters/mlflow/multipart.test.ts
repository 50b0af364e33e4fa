import { randomBytes } from "node:crypto";
import { inspect } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { VarveError } from "../../../engine/main.ts";
import { failureWithHint } from "../../helpers/errors.ts";
import "../../helpers/whole-suites.ts";
import { type Answer, type Asked, answering, bytesOf, endAll, openTest, piecesOf } from "./support.ts";

const test = suite("mlflow: files that go past the server");
test.after.each(endAll);

const CREDENTIALS = { MLFLOW_TRACKING_TOKEN: "hunter2" };
/** Small files are enough. */
const SMALL = {
  MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE: "1000",
  MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE: "1000",
};
const FOLDER = "mlflow-artifacts:/0/a";
const MPU = "/api/2.0/mlflow-artifacts/mpu";

interface Served {
  url: string;
  asked: Asked[];
  storage: Asked[];
  files: Map<string, Buffer>;
}

/** A server before a storage, as MLflow is before one of a cloud. */
async function served(
  offered: Answer,
  answer: (asked: Asked) => Answer | undefined = () => undefined,
  ofStorage: (asked: Asked, times: number) => Answer | undefined = () => undefined,
): Promise<Served> {
  const files = new Map<string, Buffer>();
  const storage = await answering((asked) => {
    const refused = ofStorage(asked, storage.asked.length);
    if (refused) return refused;
    if (asked.method === "GET") return { body: files.get(asked.path)! };
    files.set(asked.path, asked.body);
    return { headers: { etag: `"${asked.body.byteLength}"` }, body: "" };
  });
  const server = await answering((asked) => {
    const own = answer(asked);
    if (own) return own;
    if (asked.path.endsWith("/server-info")) return offered;
    if (asked.path.includes("/presigned/"))
      return { body: { url: `${storage.url}/large?sig=s%2Fs`, headers: { "x-sent": "1" } } };
    if (!asked.path.startsWith(`${MPU}/create`)) return {};
    const { num_parts } = JSON.parse(String(asked.body));
    const credentials = Array.from({ length: num_parts }, (_, i) => ({
      url: `${storage.url}/part?sig=s%2Fs&n=${i + 1}`,
      part_number: i + 1,
      headers: { "x-sent": "1" },
    }));
    return { body: { upload_id: "u", credentials } };
  });
  return { url: server.url, asked: server.asked, storage: storage.asked, files };
}

const OFFERED = { body: { multipart_uploads_enabled: true, multipart_downloads_enabled: true } };
const paths = (asked: Asked[]) => asked.map(({ method, path }) => `${method} ${path}`);

test("a large file goes to the storage in parts, and the server gets none of it", async () => {
  const { url, asked, storage } = await served(OFFERED);
  const client = await openTest(url, { ...CREDENTIALS, ...SMALL });
  const bytes = randomBytes(4500);
  await client.artifacts(FOLDER).put("b/large.bin", bytes.byteLength, piecesOf(bytes, 777));
  assert.equal(paths(asked), [
    "GET /api/3.0/mlflow/server-info",
    `POST ${MPU}/create/0/a/b`,
    `POST ${MPU}/complete/0/a/b`,
  ]);
  assert.equal(JSON.parse(String(asked[1]!.body)), { path: "large.bin", num_parts: 5 });
  const parts = [1, 2, 3, 4, 5].map((n) => ({
    part_number: n,
    etag: n === 5 ? '"500"' : '"1000"',
    url: storage[0]!.headers.host && `http://${storage[0]!.headers.host}/part?sig=s%2Fs&n=${n}`,
  }));
  assert.equal(JSON.parse(String(asked[2]!.body)), { path: "large.bin", upload_id: "u", parts });
  const sent = storage.sort((a, b) => (a.path < b.path ? -1 : 1));
  assert.ok(Buffer.concat(sent.map(({ body }) => body)).equals(bytes));
  for (const { headers } of storage) {
    assert.is(headers.authorization, undefined);
    assert.is(headers["x-sent"], "1");
  }
});

test("a small file, and one for a server that offers nothing, go through the server", async () => {
  for (const [offered, size] of [
    [OFFERED, 999],
    [{ body: {} }, 1000],
    [{ status: 404, body: "<html>" }, 1000],
    [{ status: 400, body: "" }, 1000],
    [{ body: "<html>" }, 1000],
  ] as [Answer, number][]) {
    const { url, asked, storage } = await served(offered);
    const client = await openTest(url, SMALL);
    await client.artifacts(FOLDER).put("f", size, piecesOf(Buffer.alloc(size)));
    assert.is(paths(asked).at(-1), "PUT /api/2.0/mlflow-artifacts/artifacts/0/a/f");
    assert.is(storage.length, 0);
  }
});

test("a server that offers it and can't is used as one that does not offer it", async () => {
  for (const status of [404, 501]) {
    const { url, asked } = await served(OFFERED, ({ path }) =>
      path.startsWith(MPU) || path.includes("/presigned/")
        ? { status, body: { error_code: "NOT_IMPLEMENTED" } }
        : undefined,
    );
    const artifacts = (await openTest(url, SMALL)).artifacts(FOLDER);
    await artifacts.put("f", 2000, piecesOf(Buffer.alloc(2000)));
    await bytesOf(artifacts.get("f"));
    assert.equal(
      paths(asked).filter((path) => path.endsWith("artifacts/0/a/f")),
      ["PUT", "GET"].map((method) => `${method} /api/2.0/mlflow-artifacts/artifacts/0/a/f`),
    );
  }
});

test("a storage that can't be asked is told, without what is signed", async () => {
  for (const target of [
    {},
    { url: "no url?sig=secret" },
    { url: "file:///etc/passwd?sig=secret" },
    { url: "http://127.0.0.1:1/f?sig=secret", headers: { "x-sent": "secret\r\nx: y" } },
    { url: "http://127.0.0.1:1/f?sig=secret", headers: { "x sent": "1" } },
  ]) {
    const { url } = await served(OFFERED, ({ path }) => {
      if (path.includes("/presigned/")) return { body: target };
      const credentials = [1, 2].map((part_number) => ({ part_number, ...target }));
      return path.startsWith(MPU) ? { body: { upload_id: "u", credentials } } : undefined;
    });
    const artifacts = (await openTest(url, SMALL)).artifacts(FOLDER);
    for (const [call, name] of [
      [artifacts.put("f", 2000, piecesOf(Buffer.alloc(2000))), "UPLOAD"],
      [bytesOf(artifacts.get("f")), "DOWNLOAD"],
    ] as const) {
      const error = await failureWithHint(call, "UNAVAILABLE");
      assert.match(error.hint!, `MULTIPART_${name}=false`);
      assert.not.match(inspect(error), /secret/);
    }
  }
});

test("a part that fails is sent again, and what fails for good is ended", async () => {
  const bytes = randomBytes(3000);
  const passing = await served(OFFERED, undefined, (_, times) => (times === 2 ? { status: 503 } : undefined));
  const client = await openTest(passing.url, SMALL);
  await client.artifacts(FOLDER).put("f", 3000, piecesOf(bytes));
  assert.is(passing.storage.length, 4);
  assert.ok(Buffer.concat([...passing.files].sort().map(([, part]) => part)).equals(bytes));
  const refusing = await served(OFFERED, undefined, () => ({ status: 403, body: "<Error>hunter2</Error>" }));
  const refused = await openTest(refusing.url, { ...SMALL, ...CREDENTIALS });
  const error = await failureWithHint(
    refused.artifacts(FOLDER).put("f", 3000, piecesOf(bytes)),
    "UNAUTHORIZED",
  );
  assert.not.match(String((error as VarveError).message), /sig|hunter2/);
  assert.is(paths(refusing.asked).at(-1), `POST ${MPU}/abort/0/a`);
});

test("a file that is not as long as it was is not completed", async () => {
  for (const size of [2500, 3001, 5000]) {
    const { url, asked } = await served(OFFERED);
    const client = await openTest(url, SMALL);
    await failureWithHint(client.artifacts(FOLDER).put("f", size, piecesOf(Buffer.alloc(3000))), "CONFLICT");
    assert.is(paths(asked).at(-1), `POST ${MPU}/abort/0/a`);
  }
});

test("a download comes from the storage, without credentials of the server", async () => {
  const { url, storage, files } = await served(OFFERED);
  const bytes = randomBytes(100_000);
  files.set("/large?sig=s%2Fs", bytes);
  const client = await openTest(url, CREDENTIALS);
  assert.ok((await bytesOf(client.artifacts(FOLDER).get("f"))).equals(bytes));
  assert.is(storage[0]!.headers.authorization, undefined);
  assert.is(storage[0]!.headers["x-sent"], "1");
});

test.run();
