import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "../..");
/** As it was at first: a test may have one of its own for a while. */
const temporary = tmpdir();
let folder: string | undefined;

/**
 * The path of a program of the tests as plain JavaScript, together with the engine as it is now. Compiled once for each
 * process that asks: a loader of TypeScript costs each program three times what its own start does.
 */
export function plainCode(path: string): string {
  folder ??= compile();
  return join(folder, "built", relative(root, path).replace(/\.ts$/, ".js"));
}

function compile(): string {
  const target = mkdtempSync(join(temporary, "varve-plain-"));
  process.once("exit", () => rmSync(target, { recursive: true, force: true }));
  symlinkSync(join(root, "node_modules"), join(target, "node_modules"));
  writeFileSync(join(target, "package.json"), '{ "type": "module" }\n');
  const configuration = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      noCheck: true,
      rootDir: root,
      outDir: join(target, "built"),
      types: [],
    },
    include: [join(root, "engine"), join(root, "test")],
    exclude: [join(root, "test/**/*.test.ts"), join(root, "test/golden/format-*")],
  };
  const path = join(target, "tsconfig.json");
  writeFileSync(path, JSON.stringify(configuration));
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const { status, stdout } = spawnSync(process.execPath, [compiler, "-p", path], { encoding: "utf8" });
  if (status !== 0) throw new Error(`the programs of the tests can't be compiled: ${stdout}`);
  return target;
}
