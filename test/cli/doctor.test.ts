import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CommandLine, documentsOf } from "../helpers/command-line.ts";

const test = suite("varve doctor");
let line: CommandLine;
test.before.each(async () => {
  line = await CommandLine.inNewFolder();
});
test.after.each(() => line.remove());

async function statesOf(args: string[] = [], env = {}): Promise<Record<string, string>> {
  const documents = documentsOf(await line.varve(["doctor", "--json", ...args], { env }));
  return Object.fromEntries(
    documents.filter(({ check }) => check !== "capabilities").map(({ check, state }) => [check, state]),
  );
}

test("a sound store: all is well, and nothing is changed", async () => {
  await line.varve(["save", "a", "--value", "1"]);
  assert.equal(await statesOf(), {
    node: "ok",
    places: "ok",
    space: "ok",
    disk: "ok",
    store: "ok",
  });
  const { exitCode, stdout } = await line.varve(["doctor"]);
  assert.is(exitCode, 0);
  assert.match(stdout, /^ok {6}store +opened in \d+ ms: 1 name, 1 version, last operation 1$/m);
});

test("without a store it warns, and makes none", async () => {
  const states = await statesOf();
  assert.is(states.home, "warning");
  assert.is(states.store, "warning");
});

test("a mistake in the configuration ends it, with the exit code of a failure", async () => {
  mkdirSync(line.home);
  writeFileSync(join(line.home, "config.json"), '{"durability": "fast"}');
  const { exitCode, stdout } = await line.varve(["doctor"]);
  assert.is(exitCode, 1);
  assert.match(stdout, /failed.*durability/);
});

test("a database: its driver, the store in it, and the embedded one that it hides", async () => {
  await line.varve(["save", "a", "--value", "1"]);
  const env = { VARVE_DATABASE_URL: `sqlite:///${line.folder}/metadata.db` };
  await line.varve(["save", "b", "--value", "2"], { env });
  const states = await statesOf([], env);
  assert.is(states.driver, "ok");
  assert.is(states.store, "ok");
  assert.is(states.home, "warning");
});

test("values in a folder: its disk, which is the one that fills up", async () => {
  const values = join(line.folder, "values");
  for (const [location, database] of [
    [values, undefined],
    [pathToFileURL(values).href, `sqlite:///${line.folder}/metadata.db`],
  ] as const) {
    const env: Record<string, string> = { VARVE_ARTIFACT_STORAGE_DIR: location };
    if (database !== undefined) env.VARVE_DATABASE_URL = database;
    await line.varve(["save", "a", "--value", "1"], { env });
    const full = { ...env, VARVE_MIN_FREE_SPACE: "9000TB" };
    const { exitCode, stdout } = await line.varve(["doctor"], { env: full });
    assert.is(exitCode, 9);
    assert.match(stdout, `free on the disk of ${values}; saves are refused`);
    assert.match(stdout, new RegExp(`^ok +disk +a synced write to ${values} takes`, "m"));
    // In the home are then no values, nor metadata.
    assert.is(stdout.includes(`disk of ${line.home};`), database === undefined);
    assert.match(stdout, /^ok +store +opened in \d+ ms: a:0 found$/m);
    rmSync(line.home, { recursive: true });
    rmSync(values, { recursive: true });
  }
});

test("what can't be looked at is a failure, and the rest is looked at", async () => {
  mkdirSync(line.home);
  writeFileSync(join(line.home, "log"), "");
  const env = { VARVE_DATABASE_URL: `sqlite:///${line.folder}/metadata.db` };
  const states = await statesOf([], env);
  assert.is(states.home, "failed");
  assert.is(states.store, "warning");
});

test("an empty database is no failure", async () => {
  const env = { VARVE_DATABASE_URL: `sqlite:///${line.folder}/metadata.db` };
  assert.is((await statesOf([], env)).store, "warning");
  await line.varve(["init"], { env });
  const { stdout } = await line.varve(["doctor"], { env });
  assert.match(stdout, /^ok +store +opened in \d+ ms: nothing in it$/m);
});

test("an unknown database and an unreachable one, without their passwords", async () => {
  await line.varve(["init"]);
  for (const [url, exitCode] of [
    ["oracle://user:secret1@127.0.0.1/x", 1],
    ["postgresql://user:secret1@127.0.0.1:1/x", 8],
  ] as const) {
    const outcome = await line.varve(["doctor"], { env: { VARVE_DATABASE_URL: url } });
    assert.is(outcome.exitCode, exitCode, outcome.stdout);
    assert.not.match(outcome.stdout + outcome.stderr, "secret1");
  }
});

test.run();
