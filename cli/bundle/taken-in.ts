/** The packages that become part of the command line. */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Metafile, Plugin } from "esbuild";

const root = join(import.meta.dirname, "../..");
const modules = realpathSync(join(root, "node_modules"));

/** Itself, as whoever has installed it gets it. */
const PACKAGE = "varve";

/** From which file on each is taken in. Of cbor-x without its native part, which that can do without. */
const ENTRIES: Readonly<Record<string, string>> = {
  "cbor-x": "cbor-x/index.js",
  lmdb: "lmdb/node-index.js",
  "xxhash-wasm": "xxhash-wasm/esm/xxhash-wasm.js",
};

/** lmdb-js would make an encoder for values that are no bytes. All values of ours are. */
const NO_ENCODER = 'export class Encoder { constructor() { throw new Error("values are bytes"); } }';
/** The files of lmdb-js that ask where they are: the native part and the dictionary lie where it is installed. */
const ASKS_WHERE = /\/node_modules\/lmdb\/(native|node-index|open)\.js$/;

export const takenIn: Plugin = {
  name: "packages taken in",
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^[^./]/ }, ({ importer, kind, path }) => {
      if (kind === "entry-point" || path.startsWith("node:")) return undefined;
      if (path === "msgpackr") return { path, namespace: "no-encoder" };
      if (importer.includes("/node_modules/")) return undefined;
      const entry = isMeasuring(importer) ? undefined : ENTRIES[path];
      return entry === undefined ? { path, external: true } : { path: join(modules, entry) };
    });
    // Of the engine, the command line loads files that stand beside it, and what measures those of the library.
    onResolve({ filter: /\/engine\/.*\.ts$/ }, ({ importer, kind, path }) => {
      if (kind === "entry-point" || path.endsWith("/engine/config.ts")) return undefined;
      if (isMeasuring(importer) && path.endsWith("/engine/main.ts")) return { path: PACKAGE, external: true };
      const folder = isMeasuring(importer) ? "../engine" : "./engine";
      return { path: `${folder}/${basename(path, ".ts")}.js`, external: true };
    });
    // The adapters are those of the library, with its engine.
    onResolve({ filter: /\/adapters\/main\.ts$/ }, ({ kind }) =>
      kind === "entry-point" ? undefined : { path: PACKAGE, external: true },
    );
    // What asks servers is for one verb, and comes with them.
    onResolve({ filter: /\/adapters\/checks\.ts$/ }, ({ kind }) =>
      kind === "entry-point" ? undefined : { path: "../adapters/checks.js", external: true },
    );
    onLoad({ filter: /.*/, namespace: "no-encoder" }, () => ({ contents: NO_ENCODER }));
    onLoad({ filter: ASKS_WHERE }, ({ path }) => {
      const text = readFileSync(path, "utf8").replaceAll("import.meta.url", "lmdbUrl");
      const place = JSON.stringify(join(root, "cli/lmdb-place.ts"));
      return { contents: `import { lmdbUrl } from ${place};\n${text}`, loader: "js" };
    });
  },
};

/** It wants all as others have it. Also, two copies of lmdb-js in a process would share its native part. */
const isMeasuring = (importer: string) => importer.includes("/cli/bench/");

export function versionOf(name: string): string {
  return JSON.parse(readFileSync(join(modules, name, "package.json"), "utf8")).version;
}

/** What the licenses of these packages want to be told wherever there is something of them. */
export function licensesOf({ inputs }: Metafile): string {
  const taken = Object.keys(inputs).filter((input) => /(^|\/)node_modules\//.test(input));
  const packages = new Set(taken.map((input) => packageOf(join(root, dirname(input)))));
  const texts = [...packages].sort().map((folder) => {
    const license = ["LICENSE", "LICENSE.md"].map((name) => join(folder, name)).find(existsSync);
    const { license: name, author } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const text = license === undefined ? `${name}, ${author?.name ?? author}` : readFileSync(license, "utf8");
    return `${/.*\/node_modules\/(.*)/.exec(folder)![1]}\n\n${text.trim()}\n`;
  });
  return `The command line has in it parts of these packages.\n\n${texts.join(`\n${"-".repeat(80)}\n\n`)}`;
}

function packageOf(folder: string): string {
  const path = join(folder, "package.json");
  const isPackage = existsSync(path) && JSON.parse(readFileSync(path, "utf8")).name !== undefined;
  return isPackage ? folder : packageOf(dirname(folder));
}
