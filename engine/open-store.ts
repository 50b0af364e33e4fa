import { randomBytes } from "node:crypto";
import { existsSync, linkSync, mkdirSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { ArtifactStore, StoreOptions } from "./api.ts";
import { checkHome, definedOnly } from "./argument.ts";
import { familyOf } from "./artifact-key.ts";
import { type BackendConfig, backendConfig } from "./backend/config.ts";
import { CodecRegistry } from "./codec/codec.ts";
import { openComposed } from "./composed/open.ts";
import type { OpenFolder } from "./composed/repair-sources.ts";
import { loadConfig, readConfigFile } from "./config.ts";
import { CONFIG_ITEMS, check, KINDS, optionName } from "./config-items.ts";
import { TakenEnvironment, takeParts } from "./environment/take.ts";
import { fromSystemError, VarveError } from "./errors.ts";
import { writeFileDurably } from "./index/mark.ts";
import { checkLogFile, fileLogger, quietLogger } from "./logging.ts";
import { openCore, SEGMENT_BYTES_MAX } from "./open.ts";
import type { Places } from "./ports/places.ts";
import type { SizeCapSettings } from "./size-cap.ts";
import { segmentBytesFor } from "./size-cap.ts";
import { EmbeddedStore } from "./store.ts";

/**
 * Opens the store in `home`, making it when there is none. `config.json` in the home is read, and options given here
 * win over it. Without any options it is `openStore(await loadConfig())`, which asks the environment too.
 *
 * @param places who opens what is not in the home
 * @param adjusts whether what it wants of cache, free space and logger goes for those too that have the home open in this process
 * @throws CONFIG for a bad configuration, NOT_FOUND for a missing store that is not to be made, NOT_SUPPORTED for a
 * newer format, a network file system or another PID namespace, UNAVAILABLE when the lock can't be had in time.
 */
export async function openStore(
  options?: StoreOptions,
  places?: Places,
  adjusts = false,
): Promise<ArtifactStore> {
  const given = options ?? (await loadConfig());
  if (given.home !== undefined) checkHome(given.home);
  const home = resolve(given.home ?? (await loadConfig(given)).home!);
  const settings: OpenSettings = { ...readConfigFile(home), ...definedOnly(given), home, adjusts };
  checkOptions(settings);
  const { logger, loggingFile, loggingLevel } = settings;
  if (logger) settings.logger = quietLogger(logger);
  else if (loggingFile !== undefined) settings.logger = fileLogger(loggingFile, loggingLevel);
  const store = await openPlaces(settings, places);
  // Not before: it may be in a home that was made just now, and who can't open a store makes no file.
  if (!logger && loggingFile !== undefined && !settings.readOnly) await checkLog(store, loggingFile);
  return store;
}

interface OpenSettings extends StoreOptions {
  home: string;
  adjusts: boolean;
}

async function checkLog(store: ArtifactStore, file: string): Promise<void> {
  try {
    checkLogFile(file);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function openPlaces(settings: OpenSettings, places: Places | undefined): Promise<ArtifactStore> {
  if (settings.databaseUrl === undefined && settings.artifactStorageDir === undefined)
    return openEmbedded(settings, backendConfig(settings, places), folderOpener(places));
  if (!places) throw noPlaces();
  try {
    return await openElsewhere(settings, places);
  } catch (error) {
    throw fromSystemError(error, `opening the store of ${settings.home}`);
  }
}

/** What is not in the home, of which there is `config.json` all the same. */
async function openElsewhere(settings: OpenSettings, places: Places): Promise<ArtifactStore> {
  const { home, readOnly, create } = settings;
  if (existsSync(home) && !statSync(home).isDirectory()) throw noFolder(home);
  if (!readOnly && create !== false) {
    mkdirSync(home, { recursive: true, mode: 0o700 });
    ensureConfigFile(home);
  }
  return openComposed(settings, places, folderOpener(places));
}

/** To be read: a home, or the log in one. */
function folderOpener(places: Places | undefined): OpenFolder {
  return (folder) => {
    const home = basename(folder) === "log" ? dirname(folder) : folder;
    return openStore({ home, readOnly: true, environment: false }, places);
  };
}

async function openEmbedded(
  settings: OpenSettings,
  backend: BackendConfig,
  openFolder: OpenFolder,
): Promise<ArtifactStore> {
  const codecs = new CodecRegistry(settings.codecs);
  const parts = takeParts(settings.environment);
  const environment = settings.readOnly || !parts ? undefined : new TakenEnvironment(parts);
  const options = { application: "artifact" as const, familyOf, ...coreOptions(settings) };
  const handle = await openCore(settings.home, options).catch((error: unknown) => {
    environment?.stop();
    throw error;
  });
  try {
    if (!settings.readOnly) ensureConfigFile(settings.home);
    await environment?.opened;
    return new EmbeddedStore(handle, {
      home: handle.core.folder,
      readOnly: settings.readOnly ?? false,
      durable: settings.durability !== "buffered",
      codecs,
      environment,
      cap: capOf(settings),
      backend,
      openFolder,
    });
  } catch (error) {
    environment?.stop();
    await handle.release();
    throw error;
  }
}

function coreOptions(settings: OpenSettings) {
  const { readOnly, create, lockWaitMax, minFreeSpace, cacheSize, clock, logger, allow, adjusts } = settings;
  const segmentBytesMax = capOf(settings)?.segmentBytes;
  return definedOnly({
    ...{ readOnly, create, lockWaitMax, minFreeSpace, cacheSize, segmentBytesMax, clock, logger, allow },
    adjusts,
  });
}

function capOf({ maxSize, readOnly, logger }: StoreOptions): SizeCapSettings | undefined {
  if (maxSize === undefined || readOnly) return undefined;
  return { maxSize, segmentBytes: segmentBytesFor(maxSize, SEGMENT_BYTES_MAX), logger };
}

/** @throws INVALID_ARGUMENT, or CONFIG for what is written as an item of the configuration */
function checkOptions(settings: StoreOptions): void {
  checkNumbers(settings);
  if (
    settings.durability !== undefined &&
    settings.durability !== "durable" &&
    settings.durability !== "buffered"
  ) {
    throw new VarveError("INVALID_ARGUMENT", `not a durability: ${JSON.stringify(settings.durability)}`, {
      hint: "it is `durable` (default) or `buffered`",
    });
  }
  for (const item of CONFIG_ITEMS) {
    const name = optionName(item);
    if (settings[name] !== undefined && KINDS[item] !== "size") check(item, settings[name], `option ${name}`);
  }
}

function checkNumbers(settings: StoreOptions): void {
  for (const item of ["lockWaitMax", "minFreeSpace", "maxSize", "cacheSize"] as const) {
    const value = settings[item];
    if (value === undefined || (typeof value === "number" && value >= 0)) continue;
    throw new VarveError("INVALID_ARGUMENT", `${item} must be a number that is not negative`, {
      hint: `it is ${String(value)}`,
    });
  }
}

function noPlaces(): VarveError {
  return new VarveError("NOT_SUPPORTED", "the engine by itself keeps everything in the home folder", {
    hint: "import openStore from the package, which knows databases and other places",
  });
}

function noFolder(home: string): VarveError {
  return new VarveError("INVALID_ARGUMENT", `${home} is not a folder`, {
    hint: "give the folder of a store",
  });
}

/** An empty one, for who looks what could be set. One that another process writes meanwhile is kept. */
function ensureConfigFile(home: string): void {
  const path = join(home, "config.json");
  if (existsSync(path) || !statSync(home).isDirectory()) return;
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    writeFileDurably(temporary, "{}\n");
    linkSync(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Without links in the file system there is no file, and all that it would say holds without it.
    if (!["EEXIST", "EPERM", "ENOTSUP", "ENOSYS"].includes(code ?? "")) throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
}
