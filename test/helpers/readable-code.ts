import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const repository = join(import.meta.dirname, "../..");
/** What programs of the tests do not need, and which is large. */
const LEFT_OUT = ["@biomejs", "@libsql", "@typescript", "typescript", "vega-datasets", "classic-level"];

/** As it was at first: a test may have one of its own for a while. */
const temporary = tmpdir();
let root: string | undefined;

/** Where another user finds this code: here, or in a copy when this is below a folder that only its owner may enter. */
export function readableRoot(): string {
  root ??= isOpen(repository) ? repository : copied();
  return root;
}

function isOpen(folder: string): boolean {
  const open = (statSync(folder).mode & 0o005) === 0o005;
  return open && (folder === "/" || isOpen(dirname(folder)));
}

function copied(): string {
  const copy = mkdtempSync(join(temporary, "varve-code-"));
  process.once("exit", () => rmSync(copy, { recursive: true, force: true }));
  for (const name of ["package.json", "tsconfig.json", "engine", "test"]) {
    cpSync(join(repository, name), join(copy, name), { recursive: true });
  }
  const modules = join(repository, "node_modules");
  const left = LEFT_OUT.map((name) => join(modules, name));
  cpSync(modules, join(copy, "node_modules"), { recursive: true, filter: (path) => !left.includes(path) });
  execFileSync("chmod", ["-R", "a+rX", copy]);
  // Without its install script esbuild makes itself executable when its owner first runs it.
  for (const platform of readdirSync(join(copy, "node_modules/@esbuild"))) {
    chmodSync(join(copy, "node_modules/@esbuild", platform, "bin/esbuild"), 0o755);
  }
  return copy;
}
