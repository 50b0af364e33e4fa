/** The parts of the library, each loaded when a verb first needs it: help, `--version` and mistakes should not wait for native code. */

export function loadLibrary(): Promise<typeof import("../engine/main.ts")> {
  return import("../engine/main.ts");
}

/** The configuration alone, which needs no engine. */
export function loadConfiguration(): Promise<typeof import("../engine/config.ts")> {
  return import("../engine/config.ts");
}
