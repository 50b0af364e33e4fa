import { chmodSync, mkdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import type { Artifact, ArtifactStore, Directory } from "../../engine/main.ts";
import { failure, failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { all, backendSuite, bytesOf, folderOf, ONNX, sha256, textOf } from "./support.ts";

const test = backendSuite("values that a backend keeps");

const KEY = "m/1";

async function bytesIn(stream: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await all(stream)).toString();
}

/** Every way to the bytes of a version. */
const READS: Record<string, (store: ArtifactStore, artifact: Artifact) => Promise<unknown>> = {
  load: (store) => store.load("m"),
  value: (_, artifact) => artifact.value(),
  bytes: (_, artifact) => artifact.bytes(),
  "a range": (_, artifact) => artifact.bytes({ start: 1, end: 2 }),
  stream: (_, artifact) => bytesIn(artifact.stream()),
  "a range of the stream": (_, artifact) => bytesIn(artifact.stream({ start: 0, end: 1 })),
  writeTo: (_, artifact) => artifact.writeTo(join(newFolder(), "out")),
};

test("the bytes are read whole, in parts, as a stream and to a file", async (store) => {
  const artifact = await store.save("m", bytesOf("0123456789"), ONNX);
  assert.equal(await store.load("m"), bytesOf("0123456789"));
  assert.equal(await artifact.value(), bytesOf("0123456789"));
  assert.equal(await artifact.bytes({ start: 2, end: 7 }), bytesOf("23456"));
  assert.equal(await artifact.bytes({ start: 10 }), bytesOf(""));
  assert.is(await bytesIn(artifact.stream({ start: 4, end: 6 })), "45");
  assert.is(await bytesIn(artifact.stream()), "0123456789");
  const file = join(newFolder(), "out.onnx");
  await artifact.writeTo(file);
  assert.is(readFileSync(file, "utf8"), "0123456789");
});

test("an empty model is one", async (store) => {
  const artifact = await store.save("m", bytesOf(""), ONNX);
  assert.equal([artifact.size, artifact.digest], [0, sha256("")]);
  assert.equal(await artifact.bytes(), bytesOf(""));
});

for (const [way, text] of Object.entries({
  longer: "0123456789x",
  shorter: "012345678",
  other: "012345678x",
  none: "",
})) {
  test(`bytes that were changed there are corruption by every read: ${way}`, async (store, { server }) => {
    const artifact = await store.save("m", bytesOf("0123456789"), ONNX);
    server.write(KEY, "model.onnx", text);
    for (const [what, read] of Object.entries(READS)) {
      const { message, hint } = await failureWithHint(read(store, artifact), "CORRUPTION");
      assert.match(`${message} ${hint}`, /m:0.*MLflow.*varve repair/s, what);
    }
  });
}

test("nothing of changed bytes is left where they were to be written", async (store, { server }) => {
  const artifact = await store.save("m", bytesOf("0123456789"), ONNX);
  server.write(KEY, "model.onnx", "012345678x");
  const folder = newFolder();
  await failure(artifact.writeTo(join(folder, "out")), "CORRUPTION");
  assert.throws(() => statSync(join(folder, "out")));
  const pieces: string[] = [];
  await failure(async () => {
    for await (const piece of artifact.stream()) pieces.push(Buffer.from(piece).toString());
  }, "CORRUPTION");
  assert.equal(pieces, ["01234"], "the last piece is given when all was compared");
});

test("a model that was removed there is not found, and says so", async (store, { server }) => {
  const artifact = await store.save("m", bytesOf("model"), ONNX);
  server.versions.clear();
  for (const read of Object.values(READS)) {
    const { message } = await failureWithHint(read(store, artifact), "NOT_FOUND");
    assert.match(message, /removed in MLflow/);
  }
});

test("only the configured server is asked", async (store, { again, server }) => {
  await store.save("m", bytesOf("model"), ONNX);
  for (const mlflowTrackingUri of [null, "http://127.0.0.1:5001"]) {
    const other = await again({ mlflowTrackingUri });
    server.calls.length = 0;
    const { hint } = await failureWithHint(other.load("m"), "CONFIG");
    assert.match(String(hint), new RegExp(server.uri));
    assert.equal((await other.get("m")).mlflow?.trackingUri, server.uri);
    assert.equal(server.calls, []);
  }
});

test("a folder is a directory with the digest that Varve gives it", async (store, { again }) => {
  const folder = folderOf({
    MLmodel: "flavors: {}",
    "data/a": "1",
    "data/b": "1",
    "code/run.sh": "#!/bin/sh",
  });
  chmodSync(join(folder, "code/run.sh"), 0o755);
  mkdirSync(join(folder, "empty/deep"), { recursive: true });
  const kept = await store.saveDirectory("m", folder);
  const own = await store.saveDirectory("v", folder, { backend: "varve" });
  assert.equal([kept.backend, own.backend], ["mlflow", "varve"]);
  assert.equal([kept.digest, kept.size, kept.mediaType], [own.digest, own.size, own.mediaType]);
  const directory = await (await again()).load<Directory>("m");
  assert.equal(await all(directory.list()), await all((await store.load<Directory>("v")).list()));
  assert.equal([directory.entryCount, directory.size], [5, own.size]);
  assert.is(textOf(await directory.read("data/b")), "1");
  assert.is(textOf(await directory.read("MLmodel", { start: 0, end: 7 })), "flavors");
  const target = join(newFolder(), "out");
  await kept.writeTo(target);
  assert.is(statSync(join(target, "code/run.sh")).mode & 0o100, 0o100);
  assert.ok(statSync(join(target, "empty/deep")).isDirectory());
  await failureWithHint(kept.bytes(), "INVALID_ARGUMENT");
  await failure(bytesIn(kept.stream()), "INVALID_ARGUMENT");
});

test("files above 1 MiB are in the digest as they are in Varve's", async (store) => {
  const folder = folderOf({ MLmodel: "flavors: {}", "weights.bin": "0123456789abcdef".repeat(200_000) });
  const kept = await store.saveDirectory("m", folder);
  assert.is(kept.digest, (await store.saveDirectory("v", folder, { backend: "varve" })).digest);
  const directory = await store.load<Directory>("m");
  assert.is((await directory.read("weights.bin")).length, 3_200_000);
});

test("a file of a folder that was changed there is corruption, the others are read", async (store, {
  server,
}) => {
  const kept = await store.saveDirectory("m", folderOf({ MLmodel: "flavors: {}", "data/a": "1", b: "2" }));
  server.write(KEY, "data/a", "x");
  const directory = await kept.value<Directory>();
  assert.is(textOf(await directory.read("b")), "2");
  const { message } = await failureWithHint(directory.read("data/a"), "CORRUPTION");
  assert.match(message, /data\/a of m:0/);
  await failure(kept.writeTo(join(newFolder(), "out")), "CORRUPTION");
});

test("what MLflow can't carry is refused by name, before anything is sent", async (store, { server }) => {
  const base = { MLmodel: "flavors: {}" };
  const linked = folderOf({ ...base, a: "1" });
  symlinkSync("a", join(linked, "link"));
  for (const [folder, name] of [
    [linked, "link"],
    [folderOf({ ...base, "a b": "1" }), "a b"],
    [folderOf({ ...base, é: "1" }), "é"],
    [folderOf({ ...base, "a#b": "1" }), "a#b"],
  ] as const) {
    const { message } = await failureWithHint(store.saveDirectory("m", folder), "NOT_SUPPORTED");
    assert.match(message, name);
    assert.is((await store.saveDirectory("v", folder, { backend: "varve" })).backend, "varve");
  }
  await failure(
    store.saveDirectory("m", folderOf({ ...base, a: "" }), { ignore: ["MLmodel"] }),
    "INVALID_ARGUMENT",
  );
  assert.not.ok(server.calls.includes("keep"));
});

test("a model that somebody else has logged is adopted, read and checked", async (store, { server }) => {
  const uri = server.log("py", { MLmodel: "flavors: {sklearn: {}}", "model.pkl": "pickled", "a b.txt": "x" });
  const adopted = await store.adoptMlflow("team/py", uri, { tags: { from: "python" } });
  assert.equal([adopted.version, adopted.backend, adopted.mlflow?.modelUri], [0, "mlflow", uri]);
  assert.equal(adopted.tags, { from: "python" });
  const directory = await store.load<Directory>("team/py");
  assert.equal(
    (await all(directory.list())).map(({ path }) => path),
    ["MLmodel", "a b.txt", "model.pkl"],
  );
  assert.is(textOf(await directory.read("model.pkl")), "pickled");
  server.write("py/1", "model.pkl", "PICKLED");
  await failure(directory.read("model.pkl"), "CORRUPTION");
  await failure(store.adoptMlflow("x", "models:/none/1"), "NOT_FOUND");
  await failure(store.adoptMlflow("bad name:", uri), "INVALID_ARGUMENT");
});

test.run();
