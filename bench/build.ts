/** Builds everything that is measured, since code that is translated while it is loaded isn't what users run. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export const repository = fileURLToPath(new URL("..", import.meta.url));
const compiler = join(repository, "node_modules/typescript/bin/tsc");

export const resultsFolder = join(repository, "bench/results");
/** Of the figures that the README shows. */
export const chartsFolder = join(repository, "bench/charts");

/** Gives the built `child.js`. The folder has to lie in the repository, for the packages to be found. */
export async function build(folder: string, sources = repository): Promise<string> {
  const project = join(sources, "bench/tsconfig.json");
  await promisify(execFile)(process.execPath, [compiler, "-p", project, "--outDir", folder]);
  const script = join(folder, "bench/child.js");
  if (!existsSync(script)) throw new Error(`the compiler did not make ${script}`);
  // The command line, as users have it.
  const env = { ...process.env, DIST: join(folder, "package") };
  await promisify(execFile)("npm", ["run", "--silent", "bundle"], { cwd: repository, env });
  return script;
}
