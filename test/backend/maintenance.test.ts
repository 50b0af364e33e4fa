import { existsSync } from "node:fs";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { places } from "../../adapters/places.ts";
import type { ArtifactStore, Directory } from "../../engine/main.ts";
import { openStore } from "../../engine/main.ts";
import { failure } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { openTestStore } from "../helpers/stores.ts";
import { all, backendSuite, bytesOf, folderOf, ONNX, textOf } from "./support.ts";

const test = backendSuite("upkeep of a store with a backend");

const DAY_AND_MORE = 25 * 3_600_000;

/** Models and other values; one of each is deleted. */
async function fill(store: ArtifactStore): Promise<void> {
  await store.save("o", { a: 1 });
  await store.save("o", { a: 2 });
  await store.save("m", bytesOf("one"), { ...ONNX, code: "x".repeat(1_000), inputs: ["o:0"] });
  await store.save("m", bytesOf("twos"), ONNX);
  await store.saveDirectory("d", folderOf({ MLmodel: "flavors", "data/a": "1" }));
  await store.delete("o:0");
  await store.delete("m:0");
}

async function problemsOf(store: ArtifactStore, full = true): Promise<string[]> {
  const { ok, problems } = await store.verify({ full });
  assert.is(ok, problems.length === 0);
  return problems.map(({ kind, message, refs = [] }) => `${kind}: ${message} [${refs.join(" ")}]`);
}

test("a store is verified, counted, compacted and pruned with such versions in it", async (store, {
  server,
}) => {
  await fill(store);
  assert.equal(await problemsOf(store), []);
  const { names, versions, deletedVersions, valueBytes } = await store.stats({ byName: true });
  assert.equal([names, versions, deletedVersions], [3, 3, 2]);
  assert.ok(valueBytes >= 4 + 8);
  await store.compact();
  assert.equal(await problemsOf(store), []);
  assert.is(await (await store.undelete("m:0")).value().then(textOf), "one");
  const plan = await store.prune({ name: "m", keepLast: 1 }, { dryRun: true });
  assert.equal(
    plan.versions.map(({ ref, size }) => [ref, size]),
    [["m:0", 3]],
  );
  await store.prune({ name: "m", keepLast: 1 });
  assert.is(await store.load("m").then(textOf), "twos");
  await failure(store.load("m:0"), "NOT_FOUND");
  assert.is(server.versions.size, 3);
  assert.equal(await problemsOf(store), []);
});

test("no model goes for room that it does not take", async (store) => {
  for (const text of ["one", "two"]) await store.save("m", bytesOf(text), ONNX);
  for (const letter of ["a", "b", "c"]) await store.save("o", letter.repeat(100_000));
  const { versions } = await store.prune({ maxSize: 250_000 });
  assert.equal(
    versions.map(({ ref }) => ref),
    ["o:0"],
  );
  const aged = await store.prune({ maxSize: 150_000, keepLast: 1 });
  assert.equal(
    aged.versions.map(({ ref }) => ref),
    ["o:1"],
  );
  assert.is(await store.load("m:0").then(textOf), "one");
});

test("a folder of more files than a version can list is refused", async (store, { server, place }) => {
  if (place.kind === "sqlite") return;
  const files = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`f${i}`, ""]));
  const { message } = await failure(
    store.saveDirectory("d", folderOf({ ...files, MLmodel: "" })),
    "NOT_SUPPORTED",
  );
  assert.match(message, /more than 10000 files/);
  await failure(store.adoptMlflow("d", server.log("many", files)), "NOT_SUPPORTED");
});

test("history is forgotten, but for what tells whose a model is", async (store, { server }) => {
  for (const text of ["one", "two", "three"]) await store.save("m", bytesOf(text), ONNX);
  await store.delete("m:1");
  await store.compact({ historyBefore: new Date(Date.now() + 60_000) });
  assert.equal(
    (await all(store.list({ deleted: true }))).map(({ ref }) => ref),
    ["m:1"],
  );
  assert.is(await (await store.undelete("m:1")).value().then(textOf), "two");
  await store.delete("m:1", { purge: true });
  await store.compact({ historyBefore: new Date(Date.now() + 60_000) });
  assert.equal(
    (await all(store.list({ deleted: true }))).map(({ ref }) => ref),
    [],
  );
  assert.is(server.versions.size, 2);
  assert.is((await store.save("m", bytesOf("four"), ONNX)).version, 3);
});

test("the embedded index is made again, and a backup reads the same models", async (store, {
  server,
  place,
}) => {
  if (place.kind !== "embedded") return;
  await fill(store);
  await store.rebuildIndex();
  assert.equal(await problemsOf(store), []);
  assert.is(await store.load("m").then(textOf), "twos");
  const backup = join(newFolder(), "backup");
  await store.backup(backup);
  const copy = await place.open({ home: backup, readOnly: true });
  assert.equal(await problemsOf(copy), []);
  assert.is(await copy.load("m").then(textOf), "twos");
  assert.is(textOf(await (await copy.load<Directory>("d")).read("data/a")), "1");
  const without = await openTestStore(backup, { readOnly: true });
  assert.equal((await without.get("m")).mlflow?.trackingUri, server.uri);
  assert.ok(existsSync(backup));
});

test("verify tells what was removed and changed there, quickly by sizes, else by digests", async (store, {
  server,
}) => {
  await fill(store);
  server.write("m/2", "model.onnx", "twoS");
  server.models.get(server.versions.get("d/1")!.modelId)!.files.delete("data/a");
  assert.equal(await problemsOf(store, false), ["missing: data/a of d:0 was removed in MLflow (d:0) [d:0]"]);
  assert.equal(await problemsOf(store), [
    "missing: data/a of d:0 was removed in MLflow (d:0) [d:0]",
    "blob: model.onnx of m:1 was changed in MLflow [m:1]",
  ]);
  server.write("m/2", "model.onnx", "longer");
  server.versions.delete("m/1");
  const quick = await problemsOf(store, false);
  assert.ok(quick.includes("blob: model.onnx of m:1 was changed in MLflow [m:1]"), String(quick));
  assert.ok(
    quick.some((problem) => problem.startsWith("missing:") && problem.endsWith("[m:0]")),
    "deleted ones too",
  );
});

test("an MLflow that does not answer is one problem, and none of a store that has nothing there", async (store, {
  server,
  again,
}) => {
  server.fail("orphans");
  assert.equal(await problemsOf(store), []);
  await fill(store);
  server.fail("list");
  const [problem, ...others] = await problemsOf(store);
  assert.match(String(problem), /^backend: .*was not looked at.*\[d:0 m:1 m:0\]$/);
  assert.equal(others, []);
  const without = await again({ mlflowTrackingUri: null });
  assert.match(String(await problemsOf(without)), /^backend: .*no MLflow tracking URI/);
  const { problems } = await without.verify();
  const { notRepaired } = await without.repair();
  assert.equal(
    [...problems, ...notRepaired].map(({ code }) => code),
    ["CONFIG", "CONFIG"],
  );
});

test("what interrupted calls have left is told once it is old, and only remains are removed", async (store, {
  server,
}) => {
  await fill(store);
  server.models.set("m-9", { files: new Map() });
  server.register("lost", "m-9", store.id);
  server.register("left", "m-10", store.id);
  server.register("others", "m-9", "another store");
  assert.equal(await problemsOf(store), []);
  for (const version of server.versions.values()) version.madeAt -= DAY_AND_MORE;
  const problems = await problemsOf(store);
  assert.is(problems.length, 2);
  assert.match(String(problems), /that no version of it names: models:\/lost\/1.*remains.*models:\/left\/1/s);
  const dry = await store.repair({ dryRun: true });
  assert.equal([dry.repaired.length, dry.notRepaired.length], [1, 1]);
  assert.ok(server.versions.has("left/1"));
  const report = await store.repair();
  assert.equal([report.ok, report.repaired.length, report.notRepaired.length], [false, 1, 1]);
  assert.match(report.notRepaired[0]!.reason, /varve adopt/);
  assert.equal(
    [server.versions.has("left/1"), server.versions.has("lost/1"), server.versions.has("others/1")],
    [false, true, true],
  );
  await store.delete("m:1", { purge: true });
});

test("repair puts models there again from another store, and they are read from there", async (store, {
  server,
}) => {
  const source = await openTestStore(newFolder());
  const folder = folderOf({ MLmodel: "flavors", "data/a": "1" });
  await store.saveDirectory("d", folder);
  for (const name of ["m", "m", "n"]) await store.save(name, bytesOf("model"), ONNX);
  await store.save("gone", bytesOf("nowhere else"), ONNX);
  await source.save("copy", bytesOf("model"));
  await source.saveDirectory("copies", folder);
  server.write("m/1", "model.onnx", "MODEL");
  server.write("gone/1", "model.onnx", "x");
  server.models.delete(server.versions.get("d/1")!.modelId);
  const dry = await store.repair({ from: source, dryRun: true });
  assert.equal([dry.ok, dry.repaired.length, dry.notRepaired.length], [false, 4, 1]);
  await failure(store.load("m:0"), "CORRUPTION");
  const report = await store.repair({ from: source });
  assert.equal(report.repaired.flatMap(({ refs = [] }) => refs).sort(), ["d:0", "m:0", "m:1", "n:0"]);
  assert.equal(
    report.notRepaired.flatMap(({ refs = [] }) => refs),
    ["gone:0"],
  );
  for (const ref of ["m:0", "m:1", "n:0"]) assert.is(await store.load(ref).then(textOf), "model");
  assert.is(textOf(await (await store.load<Directory>("d")).read("data/a")), "1");
  assert.is((await store.get("d")).version, 0);
  await failure(store.load("gone"), "CORRUPTION");
  await store.delete("gone:latest");
});

test("where a model was before a repair is no orphan, and goes with the version", async (store, {
  server,
}) => {
  const source = await openTestStore(newFolder());
  await source.save("copy", bytesOf("model"));
  for (const name of ["m", "n"]) await store.save(name, bytesOf("model"), ONNX);
  for (const version of server.versions.values()) version.madeAt -= DAY_AND_MORE;
  server.write("m/1", "model.onnx", "MODEL");
  assert.ok((await store.repair({ from: source })).ok);
  for (const version of server.versions.values()) version.madeAt -= DAY_AND_MORE;
  assert.equal(await problemsOf(store), []);
  assert.is(server.versions.size, 4, "what somebody has put there stays");
  for (const ref of ["m:0", "n:0"]) await store.delete(ref, { purge: true });
  assert.equal([server.versions.size, server.models.size], [0, 0]);
});

test("a backup of the same store has no copy of a model, and keeps none from being found elsewhere", async (store, {
  server,
  place,
}) => {
  await store.save("m", bytesOf("model"), ONNX);
  const others = await openTestStore(newFolder());
  await others.save("copy", bytesOf("model"));
  const backup = join(newFolder(), "backup");
  if (place.kind === "embedded") await store.backup(backup);
  else {
    const options = { home: backup, environment: false as const, mlflowTrackingUri: server.uri };
    const twin = await openStore(options, server.over(places));
    await twin.save("m", bytesOf("model"), ONNX);
    await twin.close();
    server.write("m/2", "model.onnx", "MODEL");
  }
  server.write("m/1", "model.onnx", "MODEL");
  assert.match(String((await store.repair({ from: backup })).notRepaired[0]?.reason), /no copy .* sound/);
  assert.ok((await store.repair({ from: [backup, others] })).ok);
  assert.is(await store.load("m").then(textOf), "model");
});

test("what can't be put there again is told, and the others are repaired", async (store, { server }) => {
  const source = await openTestStore(newFolder());
  await source.saveDirectory("copies", folderOf({ MLmodel: "flavors", "a b": "1" }));
  await source.save("copy", bytesOf("model"));
  await store.adoptMlflow("odd", server.log("odd", { MLmodel: "flavors", "a b": "1" }));
  await store.save("m", bytesOf("model"), ONNX);
  server.write("odd/1", "a b", "2");
  server.write("m/1", "model.onnx", "MODEL");
  const { repaired, notRepaired } = await store.repair({ from: source });
  assert.equal(
    [repaired, notRepaired].map((problems) => problems.flatMap(({ refs }) => refs)),
    [["m:0"], ["odd:0"]],
  );
  assert.match(String(notRepaired[0]?.reason), /"a b" has a name that MLflow can't carry/);
});

test("a store is opened read-only, also without its backend", async (store, { again }) => {
  await fill(store);
  const reader = await again({ readOnly: true });
  assert.equal(await problemsOf(reader), []);
  assert.is(await reader.load("m").then(textOf), "twos");
  const blind = await again({ readOnly: true, mlflowTrackingUri: null });
  assert.equal(
    (await all(blind.list())).map(({ ref, backend }) => `${ref} ${backend}`),
    ["d:0 mlflow", "m:1 mlflow", "o:1 varve"],
  );
  assert.is((await blind.stats()).versions, 3);
});

test.run();
