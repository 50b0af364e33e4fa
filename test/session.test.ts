import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openSession, openStore } from "../adapters/main.ts";
import { openCore } from "../engine/open.ts";
import { failure } from "./helpers/errors.ts";
import { newFolder } from "./helpers/folders.ts";
import { closeAll, track } from "./helpers/stores.ts";

const test = suite("an interactive session");
test.after.each(closeAll);

async function newSession(options = {}) {
  return track(await openSession({ home: join(newFolder(), "home"), environment: false, ...options }));
}

test("the store goes over to other places, and what is saved then is there", async () => {
  const session = await newSession();
  const folder = newFolder();
  const first = session.store;
  await session.options.set("artifact_storage_dir", join(folder, "values"));
  assert.is.not(session.store, first);
  await failure(first.load("a"), "CLOSED");
  await session.store.save("a", { n: 1 });
  assert.equal(await session.store.load("a"), { n: 1 });
  assert.equal(readdirSync(join(folder, "values/blobs/sha256")).length, 1);
  assert.is(session.options.get("artifact_storage_dir"), join(folder, "values"));
});

test("database and place for values change together, and back", async () => {
  const session = await newSession();
  await session.store.save("here", 1);
  const folder = newFolder();
  await session.options.set({
    database_url: `sqlite:///${folder}/metadata.db`,
    artifact_storage_dir: join(folder, "values"),
  });
  assert.is(await session.store.has("here"), false);
  await session.store.save("there", 2);
  await session.options.set({ database_url: undefined, artifact_storage_dir: undefined });
  assert.is(await session.store.load("here"), 1);
  assert.is(await session.store.has("there"), false);
});

test("what a home that is open already was opened with changes too", async () => {
  const session = await newSession({ minFreeSpace: 1, cacheSize: 1_000_000 });
  const home = session.options.get("home") as string;
  await session.store.save("a", 1);
  const tooMuch = 2 ** 52;
  // Who opens it beside them takes it as it is.
  const beside = track(await openStore({ home, minFreeSpace: tooMuch, environment: false }));
  await beside.save("a", 2);
  await session.options.set("min_free_space", tooMuch);
  await failure(session.store.save("a", 3), "NO_SPACE");
  await session.options.set("min_free_space", 1);
  await session.store.save("a", 4);

  const { core, release } = await openCore(home, { application: "artifact" });
  const isKept = (n: number) => core.settings.cache.add(Buffer.alloc(32, n), Buffer.alloc(10)) > 0;
  assert.ok(isKept(1));
  await session.options.set("cache_size", 0);
  assert.not(isKept(2));
  await session.options.set({ cache_size: "1MB", logging_file: join(home, "told.jsonl") });
  assert.ok(isKept(3));
  core.settings.onTrouble("it is told to whom it is said now");
  assert.match(readFileSync(join(home, "told.jsonl"), "utf8"), /to whom it is said now/);
  await release();
});

test("a save in flight is done by the store that it was given to", async () => {
  const session = await newSession();
  const saves = Array.from({ length: 50 }, (_, i) => session.store.save("a", { i }));
  const folder = newFolder();
  const changing = session.options.set("database_url", `sqlite:///${folder}/metadata.db`);
  const saved = await Promise.all(saves);
  await changing;
  assert.is(saved.at(-1)!.version, 49);
  assert.is(await session.store.has("a"), false);
  await session.options.set("database_url", undefined);
  assert.equal(await session.store.load("a:49"), { i: 49 });
});

test("on failure the old places stay, also in what the options say", async () => {
  const session = await newSession();
  await session.store.save("a", 1);
  const file = join(newFolder(), "file");
  writeFileSync(file, "");
  const before = session.store;
  for (const [item, value, code] of [
    ["artifact_storage_dir", file, undefined],
    ["artifact_storage_dir", "ftp://host/folder", "CONFIG"],
    ["database_url", "oracle://host/database", "CONFIG"],
    ["database_url", 5, "CONFIG"],
    ["databaseUrl", "sqlite:///a.db", "CONFIG"],
  ] as const) {
    const error = await session.options.set(item, value).then(
      () => undefined,
      (reason: { code?: string }) => reason,
    );
    assert.ok(error, `${item} ${value}`);
    if (code) assert.is(error.code, code);
    assert.is(session.store, before);
    assert.is(session.options.get("database_url"), undefined);
    assert.is(session.options.get("artifact_storage_dir"), undefined);
  }
  assert.is(await session.store.load("a"), 1);
});

test("a store with values in its home does not lose them to a new place", async () => {
  const session = await newSession();
  await session.store.save("a", 1);
  const error = await failure(session.options.set("artifact_storage_dir", newFolder()), "CONFIG");
  assert.match(error.message, "values");
  assert.is(await session.store.load("a"), 1);
});

test("credentials are not shown", async () => {
  const session = await newSession({ storageOptions: { key: "visible", endpoint: "http://127.0.0.1:1" } });
  const shown = JSON.stringify(session.options.list());
  assert.not.match(shown, "visible");
  assert.equal(session.options.get("storage_options"), { key: "***", endpoint: "http://127.0.0.1:1" });
});

test("a database does not go over to the values of another store", async () => {
  const session = await newSession({ lockWaitMax: 200 });
  const folder = newFolder();
  await session.options.set("database_url", `sqlite:///${folder}/one.db`);
  await session.store.save("a", 1);
  const error = await failure(session.options.set("database_url", `sqlite:///${folder}/two.db`), "CONFIG");
  assert.match(error.message, "whose metadata are in another place");
  await session.options.set({
    database_url: `sqlite:///${folder}/two.db`,
    artifact_storage_dir: join(folder, "values"),
  });
  assert.is(await session.store.has("a"), false);
});

test("changes are made one after the other, and none after it was closed", async () => {
  const session = await newSession();
  const folder = newFolder();
  const places = [1, 2, 3].map((i) => ({
    database_url: `sqlite:///${folder}/${i}.db`,
    artifact_storage_dir: join(folder, `values-${i}`),
  }));
  await Promise.all(places.map((each) => session.options.set(each)));
  assert.is(session.options.get("database_url"), places.at(-1)!.database_url);
  await session.close();
  await failure(session.options.set(places[0]!), "CLOSED");
});

/** Does `work` in a folder of its own, where paths begin, as all of the process. */
async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  process.chdir(folder);
  try {
    return await work();
  } finally {
    process.chdir(before);
  }
}

test("it stays where it is when the process goes to another folder", async () => {
  const [first, second] = [newFolder(), newFolder()];
  for (const folder of [first, second]) mkdirSync(join(folder, ".varve"));
  const below = join(first, "below");
  mkdirSync(below);
  const session = await inFolder(below, async () =>
    track(await openSession({ artifactStorageDir: "values", environment: false })),
  );
  await session.store.save("a", 1);
  // A home that is nearer, to who looks now.
  mkdirSync(join(below, ".varve"));
  await inFolder(second, async () => {
    assert.is(session.options.get("home"), join(first, ".varve"));
    assert.is(session.options.get("artifact_storage_dir"), join(below, "values"));
    const home = session.options.list().find(({ item }) => item === "home");
    assert.is(home!.origin, "default");
    await session.options.set("durability", "buffered");
    assert.is(await session.store.load("a"), 1);
    // What is set now begins here.
    await session.options.set("logging_file", "varve.log");
  });
  assert.is(session.options.get("logging_file"), join(second, "varve.log"));
  assert.equal(readdirSync(second).sort(), [".varve", "varve.log"]);
  for (const folder of [below, second]) assert.equal(readdirSync(join(folder, ".varve")), []);
});

const TYPED = `const { openSession } = await import(MAIN)
const session = await openSession()
const saves = Array.from({ length: 20 }, (_, i) => session.store.save("a", i)); void 0
await session.options.set("database_url", "sqlite:///one.db")
console.log("saved", (await Promise.all(saves)).length, "here", await session.store.has("a"))
const more = Array.from({ length: 20 }, (_, i) => session.store.save("b", i)); void 0
await session.options.set("database_url", "oracle://x/x").catch((error) => console.log("refused", error.code))
console.log("still", (await Promise.all(more)).length, await session.store.load("b:19"))
await session.options.set("database_url", undefined)
console.log("back", await session.store.load("a:19"))
await session.close()
.exit`;

/** As somebody would type it: the next line when there is a prompt again. */
test("in a plain Node.js prompt, with a save in flight", async () => {
  const folder = newFolder();
  mkdirSync(join(folder, "home"));
  const lines = TYPED.replace("MAIN", JSON.stringify(join(import.meta.dirname, "../adapters/main.ts"))).split(
    "\n",
  );
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), "-i"], {
    cwd: folder,
    env: { PATH: process.env.PATH, HOME: folder, VARVE_HOME: join(folder, "home") },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  child.stdout.on("data", () => {
    if (output.endsWith("> ") && lines.length > 0) child.stdin.write(`${lines.shift()}\n`);
  });
  const [exitCode] = await once(child, "close");
  assert.is(exitCode, 0, output);
  for (const text of ["saved 20 here false", "refused CONFIG", "still 20 19", "back 19"])
    assert.match(output, text);
});

test.run();
