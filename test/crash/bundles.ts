import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { SourceMap } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { buildSync } from "esbuild";

const root = join(import.meta.dirname, "../..");
/** As it was at first: a test may have one of its own for a while. */
const temporary = tmpdir();
const bundles = new Map<string, string>();
const maps = new Map<string, SourceMap>();
let folder: string | undefined;

/**
 * The path of a program of this folder as one file of plain JavaScript, together with the engine as it is now; made once
 * for each process that asks. Of what the start of such a process costs, a loader of TypeScript would be most, and
 * finding the engine's many files half of the rest.
 */
export function bundleOf(name: string): string {
  const known = bundles.get(name);
  if (known !== undefined) return known;
  folder ??= newFolder();
  const path = join(folder, `${name}.mjs`);
  buildSync({
    entryPoints: [join(import.meta.dirname, `${name}.ts`)],
    outfile: path,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    // Read by this process alone, and only when there is something to tell.
    sourcemap: "external",
    logLevel: "error",
  });
  bundles.set(name, path);
  return path;
}

/** A folder for compiled code, which Node.js uses from version 22. */
export function compileCache(): string {
  folder ??= newFolder();
  return join(folder, "compiled");
}

function newFolder(): string {
  const made = mkdtempSync(join(temporary, "varve-bundles-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  symlinkSync(join(root, "node_modules"), join(made, "node_modules"));
  return made;
}

/** Text in which places in bundles are places in the source: what a process says of an error has them. */
export function withSourcePlaces(text: string): string {
  if (folder === undefined || !text.includes(folder)) return text;
  return text.replace(
    /(?:file:\/\/)?([^\s("]+\/varve-bundles-[^/]+\/[^/]+\.mjs):(\d+):(\d+)/g,
    (place, path, line, column) => {
      const entry = mapOf(path)?.findEntry(Number(line) - 1, Number(column) - 1);
      if (!entry || !("originalSource" in entry)) return place;
      const source = relative(root, join(dirname(path), entry.originalSource));
      return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
    },
  );
}

function mapOf(path: string): SourceMap | undefined {
  const known = maps.get(path);
  if (known) return known;
  if (![...bundles.values()].includes(path)) return undefined;
  const map = new SourceMap(JSON.parse(readFileSync(`${path}.map`, "utf8")));
  maps.set(path, map);
  return map;
}
