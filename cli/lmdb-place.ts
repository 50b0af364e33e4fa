/** Where lmdb-js is installed, whose native part is loaded from there: only in the command line as it is built. */

import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { LMDB_IS_OTHER } from "./library.ts";

/** The version that was taken in. */
declare const LMDB_VERSION: string;

function find(): string {
  try {
    const require = createRequire(import.meta.url);
    const main = require.resolve("lmdb");
    const { version } = require(join(dirname(main), "../package.json")) as { version: string };
    if (version === LMDB_VERSION) return pathToFileURL(main).href;
  } catch {
    // Whoever looks for it in the usual way will tell why it is not found.
  }
  const code: typeof LMDB_IS_OTHER = "LMDB_IS_OTHER";
  throw Object.assign(new Error("another lmdb is installed"), { code });
}

export const lmdbUrl = find();
