/** The parts of the library, each loaded when a verb first needs it: help, `--version` and mistakes should not wait for native code. */

type Library = typeof import("../engine/main.ts");

/** The code of an error: the lmdb-js that the built command line has in it is not the one that is installed. */
export const LMDB_IS_OTHER = "LMDB_IS_OTHER" as const;
/** Itself, as whoever has installed it gets it. */
const INSTALLED = "varve";

export async function loadLibrary(): Promise<Library> {
  try {
    return await import("../engine/main.ts");
  } catch (error) {
    if ((error as { code?: string }).code !== LMDB_IS_OTHER) throw error;
    return (await import(INSTALLED)) as Library;
  }
}

/** The configuration alone, which needs no engine. */
export function loadConfiguration(): Promise<typeof import("../engine/config.ts")> {
  return import("../engine/config.ts");
}
