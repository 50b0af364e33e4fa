/** Checks of what is not on this disk: configuration, drivers, databases, and the store as a whole. */

import { createRequire } from "node:module";
import type { ArtifactStore, StoreOptions } from "../../engine/main.ts";
import { countText } from "../artifact-text.ts";
import type { Context } from "../context.ts";
import { loadPackage } from "../library.ts";
import { withoutSecrets } from "../secrets.ts";
import type { Finding } from "./finding.ts";
import { failed, ok, warning } from "./finding.ts";

/** What a URL of a metadata database needs, which users install themselves. */
const DRIVERS: readonly { schemes: RegExp; packages: readonly string[] }[] = [
  { schemes: /^sqlite\b/i, packages: ["kysely", "libsql"] },
  { schemes: /^postgres(ql)?\b/i, packages: ["kysely", "pg"] },
  { schemes: /^(mysql|mariadb)\b/i, packages: ["kysely", "mysql2"] },
];

export async function checkPlaces({ databaseUrl, artifactStorageDir }: StoreOptions): Promise<Finding> {
  const metadata = databaseUrl === undefined ? "the home" : await withoutSecrets(databaseUrl);
  const values = artifactStorageDir === undefined ? "the home" : await withoutSecrets(artifactStorageDir);
  return ok("places", `metadata in ${metadata}, values in ${values}`);
}

export function checkDrivers({ databaseUrl }: StoreOptions): Finding[] {
  const needed = DRIVERS.find(({ schemes }) => schemes.test(databaseUrl ?? ""));
  return (needed?.packages ?? []).map((name) => {
    const version = versionOf(name);
    if (version !== undefined) return ok("driver", `${name} ${version}`);
    const hint = `install it: npm install ${name}`;
    return failed("driver", { code: "MISSING_DRIVER", message: `the package ${name} is missing`, hint });
  });
}

/** Undefined where it is not installed. */
function versionOf(name: string): string | undefined {
  const require = createRequire(import.meta.url);
  for (const folder of require.resolve.paths(name) ?? []) {
    try {
      return (require(`${folder}/${name}/package.json`) as { version: string }).version;
    } catch {
      // It may be in the next one.
    }
  }
  return undefined;
}

/** Opens it as a reader does, and asks both places something. */
export async function checkStore(config: StoreOptions, { io }: Context): Promise<Finding> {
  const { openStore } = await loadPackage();
  const begun = performance.now();
  try {
    const store = await openStore({ ...config, readOnly: true, create: false, environment: false });
    try {
      const has = await contentsOf(store, isInHome(config), io.signal);
      const took = (performance.now() - begun).toFixed(0);
      return ok("store", `opened in ${took} ms${has}`);
    } finally {
      await store.close();
    }
  } catch (error) {
    if ((error as { code?: string }).code !== "NOT_FOUND") return failed("store", error);
    return warning("store", (error as Error).message, "`varve init` makes one");
  }
}

function isInHome({ databaseUrl, artifactStorageDir }: StoreOptions): boolean {
  return databaseUrl === undefined && artifactStorageDir === undefined;
}

/** Counted where that is kept count of: elsewhere it would be to go through all that there is. */
async function contentsOf(store: ArtifactStore, isCounted: boolean, signal: AbortSignal): Promise<string> {
  if (isCounted) {
    const { names, versions, sequence } = await store.stats({ signal });
    return `: ${countText(names, "name")}, ${countText(versions, "version")}, last operation ${sequence}`;
  }
  for await (const { ref } of store.list({ limit: 1, signal })) return `: ${ref} found`;
  return ": nothing in it";
}
