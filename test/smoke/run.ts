/**
 * What a user does with the package, on every Node version that it promises: install the tarball in an empty folder, run
 * a program and the command line, compile against the types. `node --import tsx test/smoke/run.ts [version...]`
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const VERSIONS = process.argv.length > 2 ? process.argv.slice(2) : ["20", "22", "24", "26"];
const repository = join(import.meta.dirname, "../..");

const PROGRAM = `
import assert from "node:assert";
import { openStore, VarveError } from "varve";
import { openEngine } from "varve/engine";

const value = { weights: new Float32Array([1, 2, 3]), seen: new Map([[1n, new Date(0)]]), minusZero: -0 };
const store = await openStore({ home: "./home" });
const saved = await store.save("smoke/model", value, { code: () => value, tags: { node: process.version }, metadata: { ok: true } });
assert.deepStrictEqual(await store.load("smoke/model"), value);
assert.deepStrictEqual(await (await store.get(saved.ref)).value(), value);
await assert.rejects(store.load("smoke/missing"), (error) => error instanceof VarveError && error.code === "NOT_FOUND");
assert.strictEqual((await store.verify({ full: true })).ok, true);
await store.close();

const elsewhere = await openStore({ home: "./other", artifactStorageDir: "./values" });
await elsewhere.save("smoke/model", value);
assert.deepStrictEqual(await elsewhere.load("smoke/model"), value);
await elsewhere.close();
await assert.rejects(
  openStore({ home: "./other", databaseUrl: "postgresql://127.0.0.1:1/x" }),
  (error) => error.code === "MISSING_DRIVER" && /npm i|npm install/.test(error.hint),
);

const engine = await openEngine("./engine");
await engine.put(["runs", saved.version], value);
assert.deepStrictEqual(await engine.get(["runs", saved.version]), value);
await engine.close();
console.log("program", process.version, saved.ref);
`;

const TYPED = `
import { openStore, type Artifact, type StoreOptions } from "varve";
import { openEngine, type Engine, type Key } from "varve/engine";
import { testBlobStore, type BlobSuiteParts } from "varve/conformance";
import { test } from "node:test";

const options: StoreOptions = { home: "./home", durability: "buffered" };
const store = await openStore(options);
const artifact: Artifact = await store.save("a/b", { x: 1 }, { inputs: [] });
const value: { x: number } = await store.load<{ x: number }>(artifact);
const engine: Engine = await openEngine("./engine");
const key: Key = ["a", 1];
await engine.put(key, value);
for await (const [found] of engine.range({ prefix: ["a"] })) console.log(found satisfies Key);
const newPlace: BlobSuiteParts["newPlace"] = async () => ({ open: () => Promise.reject(new Error("none")) });
testBlobStore({ test, newPlace });
`;

let passed = 0;
let failed = 0;

function check(name: string, action: () => void): void {
  try {
    action();
    passed++;
    console.log(`  ok: ${name}`);
  } catch (error) {
    failed++;
    console.error(`  FAILED: ${name}\n${error instanceof Error ? error.message : error}`);
  }
}

const folder = mkdtempSync(join(tmpdir(), "varve-smoke-"));
const run = (command: string, args: string[], cwd = folder): string =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

try {
  let tarball = "";
  check("npm pack", () => {
    const [packed] = JSON.parse(
      run("npm", ["pack", "--json", "--pack-destination", folder], repository).replace(/^[^[{]*/s, ""),
    );
    tarball = join(folder, packed.filename);
  });
  check("npm install of the tarball in an empty folder", () => {
    writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
    run("npm", ["install", "--no-audit", "--no-fund", tarball]);
  });
  check("npm ci from the lock file that this left", () => {
    rmSync(join(folder, "node_modules"), { recursive: true });
    run("npm", ["ci", "--no-audit", "--no-fund"]);
  });
  check("the programs of second threads are beside what starts them", () => {
    // The library and the command line are two programs.
    for (const part of ["dist", "dist/cli/engine"]) {
      const files = join(folder, "node_modules/varve", part);
      for (const program of ["second-program.js", "second-cutter-program.js", "second-capture-program.js"]) {
        const isStarting = (name: string) =>
          name.endsWith(".js") && readFileSync(join(files, name), "utf8").includes(`"./${program}"`);
        const starting = readdirSync(files).filter(isStarting);
        if (starting.length !== 1) throw new Error(`${program} is started by ${JSON.stringify(starting)}`);
        statSync(join(files, program));
      }
    }
  });
  writeFileSync(join(folder, "program.mjs"), PROGRAM);
  for (const version of VERSIONS) {
    const node =
      version === process.versions.node.split(".")[0] ? [process.execPath] : ["npx", "-y", `node@${version}`];
    const runNode = (...args: string[]) => run(node[0]!, [...node.slice(1), ...args]);
    check(`node ${version}: a program on the library and the engine`, () => void runNode("program.mjs"));
    check(`node ${version}: the command line`, () => {
      const cli = "node_modules/varve/dist/cli/main.js";
      const shown = JSON.parse(runNode(cli, "show", "smoke/model", "--json", "--home", "home"));
      if (shown.name !== "smoke/model") throw new Error(`show gave ${JSON.stringify(shown)}`);
    });
  }
  check("the types compile in a strict project", () => {
    writeFileSync(join(folder, "typed.ts"), TYPED);
    const options = [
      "--strict",
      "--noEmit",
      "--module",
      "nodenext",
      "--target",
      "es2023",
      "--skipLibCheck",
      "false",
    ];
    const types = ["--types", "node", "--typeRoots", join(repository, "node_modules/@types")];
    run(process.execPath, [
      join(repository, "node_modules/typescript/bin/tsc"),
      ...options,
      ...types,
      "typed.ts",
    ]);
  });
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.log(`smoke: ${passed} ok, ${failed} failed`);
process.exitCode = failed > 0 ? 1 : 0;
