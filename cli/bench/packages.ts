/** Packages that may be there or not, wherever the user is. */

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { PackageLoader } from "./subject.ts";

export class MissingPackage extends Error {
  override readonly name = "MissingPackage";
  readonly package: string;

  constructor(name: string, cause: unknown) {
    super(`the package ${name} is not installed`, { cause });
    this.package = name;
  }
}

/** The packages that varve itself can reach, then those of the project in `folder`. */
export function packageLoader(folder: string): PackageLoader {
  const require = createRequire(join(folder, "index.js"));
  return async (name) => {
    try {
      return await import(name);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    try {
      return await import(pathToFileURL(require.resolve(name)).href);
    } catch (error) {
      throw isMissing(error) ? new MissingPackage(name, error) : error;
    }
  };
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND" || code === "ERR_PACKAGE_PATH_NOT_EXPORTED"
  );
}
