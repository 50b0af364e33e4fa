import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("the command line as it is built");
const root = join(import.meta.dirname, "../..");
const folder = realpathSync(mkdtempSync(join(tmpdir(), "varve-built-")));
const modules = join(folder, "node_modules");
const built = join(modules, "varve/dist");
const home = join(folder, "home");

/** As `npm install` would leave it: the packages are beside the folder of this one. */
test.before(() => {
  mkdirSync(built, { recursive: true });
  cpSync(join(root, "package.json"), join(modules, "varve/package.json"));
  for (const name of readdirSync(join(root, "node_modules"))) {
    if (!name.startsWith(".")) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }
  execFileSync("npm", ["run", "--silent", "bundle"], { cwd: root, env: { ...process.env, DIST: built } });
});
test.after(() => rmSync(folder, { recursive: true }));

function varve(...words: string[]): string {
  return varveIn({}, ...words);
}

function varveIn(env: Record<string, string>, ...words: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(built, "cli/main.js"), ...words], {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 16 * 1024 * 1024,
    env: { PATH: process.env.PATH!, HOME: folder, VARVE_HOME: home, ...env },
  });
  assert.is(status, 0, `${words.join(" ")}: ${stderr}`);
  return stdout;
}

/** The files with code that a command came to load, by what Node.js notes for measuring coverage. */
function filesLoadedBy(...words: string[]): string[] {
  return filesLoadedIn({}, ...words);
}

function filesLoadedIn(env: Record<string, string>, ...words: string[]): string[] {
  const notes = mkdtempSync(join(folder, "notes-"));
  varveIn({ ...env, NODE_V8_COVERAGE: notes }, ...words);
  const scripts = readdirSync(notes).flatMap(
    (name) => JSON.parse(readFileSync(join(notes, name), "utf8")).result as { url: string }[],
  );
  return scripts.filter(({ url }) => url.startsWith("file:")).map(({ url }) => fileURLToPath(url));
}

/** So it needs no file later, when a process may have no descriptor left for it. */
test("a command that reads loads two files and no package, however long the document", () => {
  varve("save", "some/value", "--value", '{"a":1}');
  const long = Object.fromEntries(Array.from({ length: 2_000 }, (_, at) => [`key ${at}`, `text ${at} ü`]));
  writeFileSync(join(folder, "long.json"), JSON.stringify(long));
  varve("save", "some/long", "--value-file", "long.json");
  assert.equal(JSON.parse(varve("get", "some/long")), long);
  const expected = [join(built, "cli/main.js"), join(built, "cli/engine/main.js")];
  assert.equal(filesLoadedBy("get", "some/value"), expected);
  assert.equal(filesLoadedBy("get", "some/long"), expected);
});

test("only an interactive session loads what Node.js has for it", () => {
  const list = join(folder, "parts.json");
  const noting = `process.on("exit", () => require("fs").writeFileSync(${JSON.stringify(list)}, JSON.stringify(process.moduleLoadList)))`;
  writeFileSync(join(folder, "noting.cjs"), noting);
  varveIn({ NODE_OPTIONS: `--require ${join(folder, "noting.cjs")}` }, "get", "some/value");
  const loaded = JSON.parse(readFileSync(list, "utf8")) as string[];
  assert.ok(loaded.includes("NativeModule fs"));
  assert.not.ok(loaded.includes("NativeModule repl"));
});

test("what needs no store: the version, the help of a verb, words that are read by yargs", () => {
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  assert.is(varve("--version").trim(), version);
  assert.match(varve("get", "--help"), "varve get <ref>");
  assert.is(varve("get", "--home=home", "some/value"), varve("get", "some/value"));
});

test("bytes that are long", () => {
  writeFileSync(join(folder, "large.txt"), "0123456789".repeat(300_000));
  varve("save", "some/large", "large.txt");
  assert.is(varve("get", "some/large"), readFileSync(join(folder, "large.txt"), "utf8"));
});

test("all verbs that work on a store", () => {
  mkdirSync(join(folder, "in/deep"), { recursive: true });
  writeFileSync(join(folder, "in/deep/file"), "content");
  varve("save", "some/run", "in", "--input", "some/value");
  varve("get", "some/run", "-o", "out");
  assert.is(readFileSync(join(folder, "out/deep/file"), "utf8"), "content");
  varve("save", "some/value", "--value", "2");
  assert.match(varve("list", "some/*"), /some\/run:0/);
  assert.match(varve("list", "--tree", "some/run:0"), /deep/);
  assert.match(varve("history", "some/value"), /some\/value:1/);
  assert.match(varve("lineage", "some/run"), /some\/value:0/);
  assert.match(varve("diff", "some/value:0", "some/value:1"), /2/);
  varve("backup", "kept");
  varve("repair", "--from", "kept");
  varve("delete", "some/large:all", "--yes");
  varve("compact", "--yes");
  varve("prune", "some/value", "--keep-last", "1", "--yes");
  varve("rebuild");
  assert.match(varve("stats", "--by-name"), /some\/run/);
  assert.is(JSON.parse(varve("verify", "--full", "--json")).ok, true);
});

test("who writes an adapter has the suites of the ports", () => {
  const program = `import { testBlobStore } from "varve/conformance";
    const names = [];
    testBlobStore({ test: (name) => names.push(name), newPlace: async () => ({}) });
    console.log(JSON.stringify(names));`;
  const words = ["--input-type=module", "-e", program];
  const { stdout, stderr } = spawnSync(process.execPath, words, { cwd: folder, encoding: "utf8" });
  assert.is(stderr, "");
  assert.ok(JSON.parse(stdout).length > 20);
});

test("what measures has the library as others have it", () => {
  const loaded = filesLoadedBy("bench", "--quick", "--dir", "measured");
  assert.ok(loaded.includes(join(built, "adapters/main.js")), loaded.join("\n"));
  assert.ok(!loaded.includes(join(built, "cli/engine/main.js")));
});

test("with a database it is the library as it is installed, whose adapters and engine belong together", () => {
  const env = { VARVE_HOME: join(folder, "other"), VARVE_DATABASE_URL: "sqlite:///metadata.db" };
  varveIn(env, "save", "some/value", "--value", "[1]");
  assert.equal(JSON.parse(varveIn(env, "get", "some/value")), [1]);
  const loaded = filesLoadedIn(env, "get", "some/value");
  assert.ok(loaded.includes(join(built, "adapters/main.js")), loaded.join("\n"));
  assert.ok(!loaded.includes(join(built, "cli/engine/main.js")));
});

test("where another lmdb is installed, the library is used as it is installed", () => {
  const link = join(modules, "lmdb");
  const real = realpathSync(link);
  rmSync(link);
  cpSync(real, link, { recursive: true, filter: (path) => !/\/lmdb\/(dependencies|src)$/.test(path) });
  const description = JSON.parse(readFileSync(join(link, "package.json"), "utf8"));
  writeFileSync(join(link, "package.json"), JSON.stringify({ ...description, version: "3.5.0" }));
  assert.is(JSON.parse(varve("get", "some/value")), 2);
  const loaded = filesLoadedBy("get", "some/value");
  assert.ok(loaded.includes(join(built, "adapters/main.js")), loaded.join("\n"));
  assert.ok(loaded.includes(join(link, "open.js")), loaded.join("\n"));
});

test.run();
