import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { EnvironmentPart, StoreOptions } from "../../engine/api.ts";
import { readPackages } from "../../engine/environment/packages.ts";
import { TakenEnvironment } from "../../engine/environment/take.ts";
import { failureWithHint } from "../helpers/errors.ts";
import { newFolder } from "../helpers/folders.ts";
import { killPrograms, Program } from "../helpers/processes.ts";
import { closeAll, newStore, openTestStore } from "../helpers/stores.ts";

const test = suite("environment");
test.after.each(async () => {
  await killPrograms();
  await closeAll();
});

let alive: NodeJS.Timeout;
test.before(() => {
  alive = setInterval(() => {}, 1_000);
});
test.after(() => clearInterval(alive));

/** What `openStore` takes when it is told nothing; the stores of other tests take none. */
const BY_DEFAULT = { environment: ["git", "packages"] } satisfies StoreOptions;

/** A checkout with one commit, which is not dirty. */
function newCheckout(): string {
  const folder = newFolder();
  const git = (...args: string[]) =>
    execFileSync("git", ["-C", folder, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
      stdio: "pipe",
    });
  git("init", "--quiet");
  writeFileSync(join(folder, "a.txt"), "one");
  git("add", ".");
  git("commit", "--quiet", "-m", "first");
  return folder;
}

async function taken(folder: string, parts: EnvironmentPart[]) {
  const environment = new TakenEnvironment(parts, folder);
  await environment.complete;
  return environment.current;
}

test("Node version, platform, script and user are always there, and the user is who created it", async () => {
  const store = await newStore({ environment: [] });
  const artifact = await store.save("a", 1);
  assert.equal(artifact.environment, {
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    script: process.argv[1],
    user: userInfo().username,
  });
  assert.is(artifact.createdBy, userInfo().username);
});

test("without an environment nothing is kept of it", async () => {
  const store = await newStore({ environment: false });
  const artifact = await store.save("a", 1);
  assert.equal(artifact.environment, {});
  assert.is(artifact.createdBy, undefined);
  assert.is((await store.stats()).blobs, 1);
});

test("it is stored once by content, however many saves and openings name it", async () => {
  const first = await newStore({ environment: [] });
  for (let i = 0; i < 20; i++) await first.save("a", 1);
  await first.batch((batch) => {
    batch.save("b", 1);
    batch.save("c", 1);
  });
  assert.is((await first.stats()).blobs, 2);
  const { home } = first;
  await first.close();
  const second = await openTestStore(home, { environment: [] });
  await second.save("a", 1);
  assert.is((await second.stats()).blobs, 2);
  assert.is((await second.get("a:0")).environment, (await second.get("c")).environment);
});

test("a save or batch that fails leaves no environment behind that later saves rely on", async () => {
  const store = await newStore({ environment: [] });
  const failing: Promise<unknown>[] = [
    store.save("a", 1, { ifVersion: 7 }),
    store.batch((batch) => {
      batch.save("a", 1);
      batch.delete("nothing:0");
    }),
  ];
  for (const call of failing)
    await call.then(
      () => assert.unreachable(),
      () => {},
    );
  assert.is((await store.stats()).blobs, 0);
  const saved = await store.save("a", 1);
  await store.rebuildIndex();
  assert.equal((await store.get("a")).environment, saved.environment);
});

test("it outlives annotate, delete, undelete, a rebuild and another opening", async () => {
  const store = await newStore(BY_DEFAULT);
  const { environment } = await store.save("a", 1);
  assert.ok(environment.node);
  assert.equal((await store.annotate("a", { tags: { x: "y" } })).environment, environment);
  await store.delete("a:0");
  assert.equal((await store.undelete("a:0")).environment, environment);
  await store.rebuildIndex();
  assert.equal((await store.get("a")).environment, environment);
  assert.is((await store.verify({ full: true })).ok, true);
  const { home } = store;
  await store.close();
  assert.equal((await (await openTestStore(home, { readOnly: true })).get("a")).environment, environment);
});

test("by default git and packages are taken, and the command and the diff only when asked for", async () => {
  const artifact = await (await newStore(BY_DEFAULT)).save("a", 1);
  assert.is(artifact.environment.command, undefined);
  assert.is(artifact.environment.diff, undefined);
  assert.ok(artifact.environment.packages?.lmdb);
  const folder = newCheckout();
  writeFileSync(join(folder, "a.txt"), "two");
  const all = await taken(folder, ["git", "packages", "command", "diff"]);
  assert.equal(all.command, [process.execPath, ...process.execArgv, ...process.argv.slice(1)]);
  assert.match(all.diff!, /\+two/);
  assert.is(all.git!.dirty, true);
  const none = await taken(folder, []);
  assert.equal(Object.keys(none), ["node", "platform", "script", "user"]);
});

test("equal environments are equal bytes, whichever part was known first", async () => {
  const folder = newCheckout();
  const texts = await Promise.all(
    Array.from({ length: 8 }, async () => JSON.stringify(await taken(folder, ["git", "packages", "diff"]))),
  );
  assert.is(new Set(texts).size, 1);
});

test("nothing of the variables of the process is in it", async () => {
  process.env.VARVE_TEST_SECRET = "a-secret-that-must-not-be-kept";
  try {
    const all = await taken(newCheckout(), ["git", "packages", "command", "diff"]);
    assert.not.match(JSON.stringify(all), /a-secret-that/);
  } finally {
    delete process.env.VARVE_TEST_SECRET;
  }
});

test("it can't be changed: artifacts share it", async () => {
  const { environment } = await (await newStore(BY_DEFAULT)).save("a", 1);
  assert.throws(() => {
    environment.user = "somebody";
  }, TypeError);
  assert.throws(() => {
    environment.packages!.lmdb = "0";
  }, TypeError);
});

test("parts that there are not are refused before anything is opened", async () => {
  const home = join(newFolder(), "home");
  for (const environment of [["gti"], "git", true, null, {}, [3]] as never[]) {
    await failureWithHint(openTestStore(home, { environment }), "INVALID_ARGUMENT");
  }
  assert.is(existsSync(home), false);
});

test("in a checkout the first save knows the commit and whether it is dirty", async () => {
  const folder = newCheckout();
  const home = newFolder();
  const program = new Program("../environment/program.ts", [folder, home, "until dirty is known"]);
  const { git: first } = await program.expect();
  const { git: last } = await program.expect();
  await program.end();
  assert.match(first.commit, /^[0-9a-f]{40}$/);
  assert.is(last.commit, first.commit);
  assert.is(last.dirty, false);
});

/** A program named git that answers when the file `answer` is there, and notes that it was started. */
function slowGit(): { bin: string; answer: string; started: string } {
  const bin = newFolder();
  const answer = join(bin, "answer");
  const started = join(bin, "started");
  const script = `#!/bin/sh\necho started >> ${started}\nwhile [ ! -e ${answer} ]; do sleep 0.02; done\n`;
  writeFileSync(join(bin, "git"), script);
  chmodSync(join(bin, "git"), 0o755);
  return { bin, answer, started };
}

test("saves do not wait for git: they have the commit, and the flag from when git has answered", async () => {
  const { bin, answer } = slowGit();
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const args = [newCheckout(), newFolder(), "until dirty is known"];
  const program = new Program("../environment/program.ts", args, { env });
  const { git: first } = await program.expect();
  assert.equal(Object.keys(first).sort(), ["branch", "commit"]);
  writeFileSync(answer, "");
  const { git: last } = await program.expect();
  assert.equal(last, { ...first, dirty: false });
  await program.end();
});

test("a program ends without waiting for git, which was started once", async () => {
  const { bin, started } = slowGit();
  const env = { PATH: `${bin}:${process.env.PATH}` };
  const program = new Program("../environment/program.ts", [newCheckout(), newFolder(), "once"], { env });
  await program.end();
  assert.is(execFileSync("cat", [started], { encoding: "utf8" }), "started\n");
});

test("where there is no git the commit is known all the same", async () => {
  const env = { PATH: newFolder() };
  const program = new Program("../environment/program.ts", [newCheckout(), newFolder(), "once"], { env });
  const { git } = await program.expect();
  await program.end();
  assert.match(git.commit, /^[0-9a-f]{40}$/);
  assert.is("dirty" in git, false);
});

test("packages are the direct dependencies as installed, found from a folder below", async () => {
  const folder = newFolder();
  const install = (name: string, version: unknown, at = folder) => {
    mkdirSync(join(at, "node_modules", name), { recursive: true });
    writeFileSync(join(at, "node_modules", name, "package.json"), JSON.stringify({ name, version }));
  };
  const dependencies = { b: "^1.0.0", "@scope/a": "*", absent: "1", "../outside": "1", __proto__: "1" };
  const manifest = { dependencies, devDependencies: { c: "1", b: "1" }, optionalDependencies: { odd: "1" } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  install("b", "1.2.3");
  install("@scope/a", "0.1.0");
  install("c", "3.0.0-beta.1");
  install("odd", 7);
  install("indirect", "9.9.9");
  const below = join(folder, "x", "y");
  mkdirSync(below, { recursive: true });
  assert.equal(await readPackages(below), { "@scope/a": "0.1.0", b: "1.2.3", c: "3.0.0-beta.1" });
});

test("a package.json that can't be read is passed over", async () => {
  const folder = newFolder();
  writeFileSync(join(folder, "package.json"), JSON.stringify({ dependencies: ["a"], devDependencies: "b" }));
  assert.equal(await readPackages(folder), {});
  const below = join(folder, "x");
  mkdirSync(below);
  writeFileSync(join(below, "package.json"), "{ not json");
  assert.equal(await readPackages(below), {});
});

test.run();
