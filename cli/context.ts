/** What a verb is given besides its arguments, and the store that it works on. */

import type { Readable } from "node:stream";
import type { ArtifactStore, CallOptions, StoreOptions } from "../engine/main.ts";
import { CommandError } from "./errors.ts";
import { loadConfiguration, loadLibrary, loadPackage } from "./library.ts";
import type { Output, OutputStream } from "./output.ts";
import { withProgress } from "./progress.ts";

/** The surroundings of a run: the process's own, or a test's. */
export interface Io {
  readonly stdin: Readable & { isTTY?: boolean };
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly env: Record<string, string | undefined>;
  readonly cwd: string;
  readonly signal: AbortSignal;
}

export interface Context {
  readonly io: Io;
  readonly output: Output;
  /** `--home` as it was given. */
  readonly home: string | undefined;
  readonly json: boolean;
  readonly color: boolean;
  readonly progress: boolean;
  /** A line for people, to stderr. */
  note(text: string): void;
}

/** `read` and `change` want a store that is there; `create` makes it. */
export type Access = "read" | "change" | "create";

export function overridesOf(context: Context): Partial<StoreOptions> {
  return context.home === undefined ? {} : { home: context.home };
}

export function sourcesOf(context: Context): { env: Io["env"]; cwd: string } {
  return { env: context.io.env, cwd: context.io.cwd };
}

export function missingStore(home: string): CommandError {
  return new CommandError("NOT_FOUND", `there is no store in ${home}`, {
    hint: "make one with `varve init`, or name its folder with --home or VARVE_HOME",
  });
}

/** @param message which of the places is missing */
function missingElsewhere(message: string): CommandError {
  return new CommandError("NOT_FOUND", message, {
    hint: "make the store with `varve init`, or correct database_url and artifact_storage_dir",
  });
}

async function openFor(context: Context, access: Access): Promise<ArtifactStore> {
  const { loadConfig } = await loadConfiguration();
  const config = await loadConfig(overridesOf(context), sourcesOf(context));
  const isInHome = config.databaseUrl === undefined && config.artifactStorageDir === undefined;
  const isAlone = isInHome && config.mlflowTrackingUri === undefined;
  const { openStore } = isAlone ? await loadLibrary() : await loadPackage();
  try {
    return await openStore({ ...config, create: access === "create", readOnly: access === "read" });
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (code !== "NOT_FOUND" || access === "create") throw error;
    throw isInHome ? missingStore(config.home!) : missingElsewhere(message);
  }
}

/** Opens the store, gives it to `use` together with the options for its calls (Ctrl-C, progress), and closes it whatever happens. */
export async function withStore<T>(
  context: Context,
  access: Access,
  use: (store: ArtifactStore, call: CallOptions) => Promise<T>,
): Promise<T> {
  const store = await openFor(context, access);
  try {
    return await withProgress(context, (call) => use(store, call));
  } finally {
    await store.close();
  }
}
