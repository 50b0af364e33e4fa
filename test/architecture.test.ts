import { existsSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PACKAGES } from "./helpers/packages.ts";
import { filesUnder, read, root } from "./helpers/sources.ts";
import "./helpers/whole-suites.ts";

/** The rules of how the code is put together. Each names the files that break it. */
const test = suite("architecture");

/** Who may import whom, by folder: own files always. What is not here may be imported by nobody, and import nothing. */
const MAY_IMPORT: Record<string, string[]> = {
  "engine/errors": [],
  "engine/api": ["engine/errors"],
  "engine/second-thread": [],
  // The files right in engine/ wire the parts together.
  engine: ["engine/*"],
  "engine/log": ["engine/errors"],
  "engine/index": ["engine/errors", "engine/log"],
  "engine/blob": ["engine/errors", "engine/log"],
  "engine/codec": ["engine/errors", "engine/api"],
  "engine/maintenance": [
    "engine/errors",
    "engine/api",
    "engine/second-thread",
    "engine/log",
    "engine/index",
    "engine/blob",
  ],
  "engine/chunk": ["engine/errors", "engine/second-thread", "engine/log", "engine/blob"],
  "engine/directory": [
    "engine/errors",
    "engine/api",
    "engine/second-thread",
    "engine",
    "engine/blob",
    "engine/chunk",
    "engine/log",
    "engine/maintenance",
  ],
  "engine/large": [
    "engine/errors",
    "engine/api",
    "engine",
    "engine/blob",
    "engine/chunk",
    "engine/directory",
    "engine/index",
    "engine/log",
  ],
  "engine/environment": ["engine/errors", "engine/api", "engine", "engine/codec"],
  "engine/lineage": ["engine/errors", "engine/api", "engine", "engine/blob"],
  "engine/listing": ["engine/errors", "engine/api", "engine", "engine/blob", "engine/where"],
  "engine/where": ["engine/errors", "engine/api", "engine"],
  // As the files right in engine/, over ports.
  "engine/backend": ["engine/*"],
  "engine/composed": ["engine/*"],
  "engine/ports": ["engine/errors", "engine/api", "engine"], // Types only.
  adapters: ["engine/main", "engine/api", "adapters/metadata", "adapters/storage", "adapters/mlflow"],
  "adapters/metadata": ["engine/main"],
  "adapters/storage": ["engine/main"],
  "adapters/mlflow": ["engine/main"],
  cli: ["engine/main", "adapters", "cli/bench"],
  "cli/bundle": [],
  "cli/bench": ["engine/main", "engine/key-value", "adapters", "cli"],
  bench: [
    "engine/main",
    "engine/key-value",
    "adapters",
    "cli",
    "cli/bench",
    "bench/metadata",
    "bench/mlflow",
  ],
  // What it measures, and the servers that it needs.
  "bench/metadata": ["engine/main", "adapters", "adapters/metadata", "cli/bench", "bench", "test/services"],
  "bench/mlflow": ["adapters", "adapters/mlflow", "cli/bench", "bench", "test/services"],
};
/** Single imports that the map does not allow, with the reason. */
const EXCEPTIONS: Record<string, string> = {
  "cli/library.ts imports engine/config.ts": "the configuration alone, loaded where no engine is needed",
};
/** Of log and codec, index may only use what tells it how bytes lie, and types. */
const INDEX_MAY_USE = ["engine/log/format.ts", "engine/log/checksum.ts", "engine/log/segment-id.ts"];
/** Files over 300 lines, with the reason why they are one. At most three. */
const LONG_FILES: Record<string, string> = {
  "engine/api.ts": "all types that users of the store meet, in one place; there is no code in it",
};
const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 60;
/** Where `data.mdb` and `lock.mdb` are touched past LMDB. */
const MDB_THROUGH_FS: Record<string, string> = {
  "engine/index/mark.ts":
    "syncs data.mdb, on which LMDB holds no file lock, when nobody else has the index open",
  "engine/index/inspect.ts": "reads data.mdb, on which LMDB holds no file lock, before LMDB opens it",
  "engine/index/gate-wait.ts": "lets a child read who has the mutex in lock.mdb; opens nothing itself",
  "engine/index/gate.ts": "only asks for the inode of lock.mdb; opens nothing",
  "engine/maintenance/read-only-index.ts": "only asks whether the files may be written to; opens nothing",
  "engine/maintenance/generation.ts": "only asks whether data.mdb is a file; opens nothing",
  "engine/index/lmdb-files.ts":
    "asks whether the files may be opened, changes their mode, and makes lock.mdb where there is none",
};
const sources = ["engine", "adapters", "cli", "bench"].flatMap((folder) => filesUnder(folder));

interface Import {
  from: string;
  /** A path from the root, or the name of a package. */
  to: string;
  typeOnly: boolean;
}

function importsOf(path: string): Import[] {
  const found: Import[] = [];
  const statement =
    /^\s*(?:import|export)\s+(type\s)?[^;'"]*?from\s+"([^"]+)"|^\s*import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm;
  for (const [, type, from, plain, dynamic] of read(path).matchAll(statement)) {
    const target = from ?? plain ?? dynamic!;
    const to = target.startsWith(".") ? relative(root, resolve(root, dirname(path), target)) : target;
    found.push({ from: path, to, typeOnly: type !== undefined });
  }
  return found;
}

const imports = sources.flatMap(importsOf);
const isFile = (to: string) => /\.[a-z]+$/.test(to) && existsSync(join(root, to));

/** The part that a file belongs to: the most exact key of MAY_IMPORT. */
function partOf(path: string): string {
  const withoutEnding = path.replace(/\.[a-z]+$/, "");
  if (MAY_IMPORT[withoutEnding]) return withoutEnding;
  if (withoutEnding === "engine/main" || withoutEnding === "engine/key-value") return withoutEnding;
  for (let folder = dirname(path); folder !== "."; folder = dirname(folder))
    if (MAY_IMPORT[folder]) return folder;
  return dirname(path);
}

test("every folder has its place in the map of who may import whom", () => {
  const unknown = sources.filter(
    (path) => !MAY_IMPORT[partOf(path)] && !path.match(/^engine\/(main|key-value)\.ts$/),
  );
  assert.equal(unknown, []);
});

test("nobody imports what the map does not allow", () => {
  const wrong = imports
    .filter(({ to }) => isFile(to))
    .filter(({ from, to }) => {
      const own = partOf(from).replace(/^engine\/(main|key-value)$/, "engine");
      const other = partOf(to);
      const allowed = MAY_IMPORT[own] ?? [];
      if (own === other || (allowed.includes("engine/*") && to.startsWith("engine/"))) return false;
      return (
        !allowed.includes(other) && !(other.match(/^engine\/(main|key-value)$/) && allowed.includes("engine"))
      );
    })
    .map(({ from, to }) => `${from} imports ${to}`)
    .filter((text) => !EXCEPTIONS[text]);
  assert.equal(wrong, []);
});

test("index uses of log only the bytes and types", () => {
  const wrong = imports
    .filter(({ from, to }) => from.startsWith("engine/index/") && to.startsWith("engine/log/"))
    .filter(
      ({ from, to, typeOnly }) => !typeOnly && !INDEX_MAY_USE.includes(to) && !isValueOfSegment(from, to),
    )
    .map(({ from, to }) => `${from} imports ${to}`);
  assert.equal(wrong, []);
});

/** The start of the log is a constant beside the type of positions. */
function isValueOfSegment(from: string, to: string): boolean {
  return (
    to === "engine/log/segment.ts" && /import \{ LOG_START \} from "\.\.\/log\/segment\.ts"/.test(read(from))
  );
}

test("each package of others is known in its one place", () => {
  const wrong = imports
    .filter(({ from, to }) => PACKAGES[to.split("/")[0]!]?.test(from) === false)
    .map(({ from, to }) => `${from} imports ${to}`);
  assert.equal(wrong, []);
});

test("nothing in the product imports tests", () => {
  assert.equal(
    imports.filter(({ from, to }) => to.startsWith("test/") && !from.startsWith("bench/")),
    [],
  );
});

test("there are no cycles, type imports counted", () => {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) if (isFile(to)) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, above: string[]) => {
    const at = above.indexOf(path);
    if (at >= 0) return void cycles.push([...above.slice(at), path].join(" → "));
    if (done.has(path)) return;
    for (const to of next.get(path) ?? []) visit(to, [...above, path]);
    done.add(path);
  };
  for (const path of sources) visit(path, []);
  assert.equal(cycles, []);
});

test("files have at most 300 lines, but for at most three with a reason", () => {
  assert.ok(Object.keys(LONG_FILES).length <= 3);
  const long = [...sources, ...filesUnder("test")].filter(
    (path) => read(path).trimEnd().split("\n").length > FILE_LINES_MAX,
  );
  assert.equal(
    long.filter((path) => !LONG_FILES[path]),
    [],
  );
  assert.equal(
    Object.keys(LONG_FILES).filter((path) => !long.includes(path)),
    [],
    "no longer long",
  );
});

test("functions have at most 60 lines", () => {
  assert.equal(
    sources.flatMap((path) => longFunctions(path)),
    [],
  );
});

/** By the formatter's indentation: a function's end stands under its beginning. */
function longFunctions(path: string): string[] {
  const lines = read(path).split("\n");
  const found: string[] = [];
  const opening =
    /^(\s*)(?:export )?(?:default )?(?:async )?(?:function\b|(?:(?:public|private|protected|static|override|readonly|get|set|async)\s+|\*\s*)*#?[\w$]+(?:<[^>]*>)?\(.*\{$|(?:const|let) [\w$]+ = .*=> \{$)/;
  for (const [i, line] of lines.entries()) {
    const indent = opening.exec(line)?.[1];
    if (indent === undefined || /^\s*(?:if|for|while|switch|catch|return|await|yield|throw|new)\b/.test(line))
      continue;
    const end = lines.findIndex((each, j) => j > i && each.startsWith(`${indent}}`));
    if (end - i + 1 > FUNCTION_LINES_MAX) found.push(`${path}:${i + 1} has ${end - i + 1} lines`);
  }
  return found;
}

test("the files of LMDB are opened by LMDB alone", () => {
  const wrong = sources.filter((path) => {
    const code = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
    return /(?:data|lock)\.mdb/.test(code) && !MDB_THROUGH_FS[path] && !path.startsWith("bench/");
  });
  assert.equal(wrong, []);
  const opening = Object.keys(MDB_THROUGH_FS)
    .filter((path) => existsSync(join(root, path)) && path !== "engine/index/mark.ts")
    .filter((path) =>
      /\b(?:openSync|readFileSync|createReadStream|copyFile(?:Sync)?)\([^)]*mdb/.test(read(path)),
    );
  assert.equal(opening, []);
});

test("the log is reached through its seam alone", () => {
  // The second one reads a file of a package.
  const allowed = ["engine/log/file.ts", "engine/log/hash-memory.ts"];
  const wrong = imports
    .filter(({ from, to }) => /^engine\/log\//.test(from) && /^node:fs/.test(to) && !allowed.includes(from))
    .map(({ from }) => from);
  assert.equal(wrong, []);
});

test("nothing prints, reads the environment or listens to the process in the engine", () => {
  const allowed: Record<string, RegExp> = { "engine/config.ts": /process\.env/ };
  const wrong = sources
    .filter((path) => path.startsWith("engine/"))
    .filter((path) => {
      const code = read(path).replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
      const found = /\bconsole\.|process\.env|process\.on\(|process\.std(?:out|err)/.exec(code);
      return found && !allowed[path]?.test(found[0]);
    });
  assert.equal(wrong, []);
});

test("only VarveError is thrown by the engine", () => {
  const wrong = sources.filter(
    (path) => path.startsWith("engine/") && /throw new (?!VarveError)\w*Error\b/.test(read(path)),
  );
  assert.equal(wrong, []);
});

test("no folder is named utils or common", () => {
  const folders = [...sources, ...filesUnder("test")].map((path) => dirname(path));
  assert.equal(
    folders.filter((folder) => /(^|\/)(utils?|common|helpers?\/utils?|misc)(\/|$)/.test(folder)),
    [],
  );
});

test.run();
