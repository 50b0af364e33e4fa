/** The parts of the library, each loaded when a verb first needs it: help, `--version` and mistakes should not wait for native code. */

type Library = typeof import("../engine/main.ts");
type Package = typeof import("../adapters/main.ts");

/** The code of an error: the lmdb-js that the built command line has in it is not the one that is installed. */
export const LMDB_IS_OTHER = "LMDB_IS_OTHER" as const;

/** The engine alone, for a store that has everything in its home. */
export async function loadLibrary(): Promise<Pick<Library, "openStore">> {
  try {
    return await import("../engine/main.ts");
  } catch (error) {
    if ((error as { code?: string }).code !== LMDB_IS_OTHER) throw error;
    return loadPackage();
  }
}

/** With the adapters, as whoever has installed the package gets it: in the built command line this is another copy. */
export function loadPackage(): Promise<Package> {
  return import("../adapters/main.ts");
}

/** The configuration alone, which needs no engine. */
export function loadConfiguration(): Promise<typeof import("../engine/config.ts")> {
  return import("../engine/config.ts");
}

/** What asks servers, for `doctor`. */
export function loadChecks(): Promise<typeof import("../adapters/checks.ts")> {
  return import("../adapters/checks.ts");
}
