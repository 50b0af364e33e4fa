/**
 * Makes what is run of `dist` (or `DIST`): the library, whose packages stay packages, and in `dist/cli` the command line,
 * a program of its own, which has in it what it uses of three packages. `README.md` tells what that saves.
 */
import { chmodSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { BuildOptions } from "esbuild";
import { build } from "esbuild";
import { licensesOf, takenIn, versionOf } from "./taken-in.ts";

const root = join(import.meta.dirname, "../..");
const dist = resolve(root, process.env.DIST || "dist");

/** Each is needed beside what starts it. */
const threads = [
  "engine/maintenance/bulk/second-program.ts",
  "engine/chunk/second-cutter-program.ts",
  "engine/directory/second-capture-program.ts",
];
const beside = (folder: string) =>
  Object.fromEntries(threads.map((path) => [join(folder, basename(path, ".ts")), path]));

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  logLevel: "warning",
  // Each character costs time when a process starts. In the library names stay, for whoever reads a stack.
  minifyWhitespace: true,
  minifySyntax: true,
  lineLimit: 160,
};

/** A package that is no ES module asks for the parts of Node by `require`, which is not there in ES modules. */
const giveRequire =
  'import{createRequire as toRequire}from"node:module";const require=toRequire(import.meta.url);';

await build({
  ...common,
  splitting: true,
  chunkNames: "[name]-[hash]",
  packages: "external",
  outdir: dist,
  entryPoints: {
    "adapters/main": "adapters/main.ts",
    "adapters/checks": "adapters/checks.ts",
    "engine/key-value": "engine/key-value.ts",
    "test/conformance/main": "test/conformance/main.ts",
    ...beside(""),
  },
});

const { metafile } = await build({
  ...common,
  minifyIdentifiers: true,
  metafile: true,
  outdir: join(dist, "cli"),
  entryPoints: {
    main: "cli/main.ts",
    "engine/main": "engine/main.ts",
    ...beside("engine"),
  },
  define: { LMDB_VERSION: JSON.stringify(versionOf("lmdb")) },
  banner: { js: giveRequire },
  plugins: [takenIn],
});
writeFileSync(join(dist, "cli/LICENSES.txt"), licensesOf(metafile));
chmodSync(join(dist, "cli/main.js"), 0o755);
