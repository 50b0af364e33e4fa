import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { ArtifactStore, StoreOptions } from "../api.ts";
import { definedOnly } from "../argument.ts";
import { backendConfig } from "../backend/config.ts";
import { anchored } from "../config-items.ts";
import { VarveError } from "../errors.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import type { PlaceOptions, Places } from "../ports/places.ts";
import { redactUrl } from "../secrets.ts";
import { composeStore } from "./compose.ts";
import { EmbeddedMetadata, openEmbeddedMetadata } from "./embedded-metadata.ts";
import { openLogBlobs, storeIdOfLog } from "./log-blobs.ts";
import type { OpenFolder } from "./repair-sources.ts";

type Settings = StoreOptions & { home: string; adjusts?: boolean };

/** In the home, where only metadata is elsewhere: the log of an embedded store there is another one. */
const VALUES_FOLDER = "values";
/** How long another process may take to make a database, once it has the place for values. */
const MAKING_MILLISECONDS_MAX = 5_000;
const MAKING_PAUSE_MILLISECONDS = 50;

interface Both {
  metadata: MetadataStore;
  blobs: BlobStore;
}

/**
 * Opens a store of which metadata, values, or both are not in the home's own log.
 * @param openFolder how `repair` opens the folders of other stores
 */
export async function openComposed(
  settings: Settings,
  places: Places,
  openFolder: OpenFolder,
): Promise<ArtifactStore> {
  checkMaxSize(settings);
  const { home, readOnly, clock, codecs, environment } = settings;
  const backend = backendConfig(settings, places);
  const options = { home, openFolder, backend, ...definedOnly({ readOnly, clock, codecs, environment }) };
  return composeStore(options, () => openBoth(settings, places));
}

/** Of which nothing stays open where they do not belong together. */
async function openBoth(settings: Settings, places: Places): Promise<Both> {
  const opened: { close(): Promise<void> }[] = [];
  const track = <T extends { close(): Promise<void> }>(place: T): T => {
    opened.push(place);
    return place;
  };
  try {
    // In this order: whoever makes a store binds the place for values before there is a database that tells of it.
    const found = await findMetadata(settings, places);
    const newId = randomBytes(16).toString("hex");
    if ("storeId" in found) track(found);
    const blobs = track(await openBlobs(settings, places, found, newId));
    if ("storeId" in found) return { metadata: await matched(found, blobs, settings), blobs };
    if (settings.readOnly || settings.create === false) throw found;
    return { metadata: track(await makeMetadata(settings, places, blobs, newId)), blobs };
  } catch (error) {
    for (const place of opened) await place.close().catch(() => {});
    throw error;
  }
}

/** What there is; else the NOT_FOUND that says that there is nothing. */
async function findMetadata(settings: Settings, places: Places): Promise<MetadataStore | VarveError> {
  try {
    return await openMetadata({ ...settings, create: false }, places, undefined);
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== "NOT_FOUND") throw error;
    return error;
  }
}

/** @param newId of a log of values that is made now */
async function openBlobs(
  settings: Settings,
  places: Places,
  found: MetadataStore | VarveError,
  newId: string,
): Promise<BlobStore> {
  const { home, artifactStorageDir, storageOptions } = settings;
  // Never less than the metadata: these must not outlive a power cut without the bytes.
  const options = { ...placeOptions(settings), durable: true };
  if (artifactStorageDir !== undefined)
    return places.openBlobs(artifactStorageDir, { ...options, ...definedOnly({ storageOptions }) });
  const folder = join(home, VALUES_FOLDER);
  if ("storeId" in found && storeIdOfLog(folder) === undefined) throw valuesElsewhere(found, folder);
  return openLogBlobs(folder, { ...logOptions(settings), durability: "durable", storeId: newId });
}

/** @throws CONFIG where they are not of one store */
async function matched(
  metadata: MetadataStore,
  blobs: BlobStore,
  { readOnly = false }: Settings,
): Promise<MetadataStore> {
  const owner = await blobs.storeId();
  const isNew = metadata instanceof EmbeddedMetadata && !metadata.isClaimed;
  if (owner === undefined && !isNew) throw valuesElsewhere(metadata, blobs.location);
  if (owner !== undefined && owner !== metadata.storeId) throw otherStore(metadata, blobs);
  if (!isNew || readOnly) return metadata;
  await checkNoBlobs(blobs);
  await blobs.bind(metadata.storeId);
  await metadata.claim();
  return metadata;
}

/** Makes the metadata of a new store, whose id the place for values tells from then on. */
async function makeMetadata(
  settings: Settings,
  places: Places,
  blobs: BlobStore,
  newId: string,
): Promise<MetadataStore> {
  if (!(await isOwnNow(blobs, newId))) return waitForMetadata(settings, places, blobs);
  const metadata = await openMetadata(settings, places, newId);
  try {
    return await matched(metadata, blobs, settings);
  } catch (error) {
    await metadata.close();
    throw error;
  }
}

/** False for a place that belonged to a store before, whose metadata these are not. */
async function isOwnNow(blobs: BlobStore, newId: string): Promise<boolean> {
  const owner = await blobs.storeId();
  // A log has an id from its beginning on.
  if (owner !== undefined) return owner === newId;
  await checkNoBlobs(blobs);
  try {
    await blobs.bind(newId);
    return true;
  } catch (error) {
    if ((await blobs.storeId()) === undefined) throw error;
    return false;
  }
}

/** Somebody else may be about to make it. Else these values have their metadata in another database. */
async function waitForMetadata(settings: Settings, places: Places, blobs: BlobStore): Promise<MetadataStore> {
  const until =
    performance.now() + Math.min(settings.lockWaitMax ?? MAKING_MILLISECONDS_MAX, MAKING_MILLISECONDS_MAX);
  for (;;) {
    const found = await findMetadata(settings, places);
    if ("storeId" in found) {
      try {
        return await matched(found, blobs, settings);
      } catch (error) {
        await found.close();
        throw error;
      }
    }
    if (performance.now() > until) throw metadataElsewhere(blobs);
    await sleep(MAKING_PAUSE_MILLISECONDS);
  }
}

function openMetadata(
  settings: Settings,
  places: Places,
  storeId: string | undefined,
): Promise<MetadataStore> {
  const { home, databaseUrl } = settings;
  const id = definedOnly({ storeId });
  const options = placeOptions(settings);
  if (databaseUrl === undefined)
    return openEmbeddedMetadata(home, { ...logOptions(settings), durable: options.durable, ...id });
  const url = anchored("database_url", databaseUrl, process.cwd()) as string;
  return places.openMetadata(url, { ...options, ...id });
}

function placeOptions(settings: Settings): PlaceOptions {
  const { readOnly = false, create = true, durability, lockWaitMax, minFreeSpace, logger } = settings;
  const durable = durability !== "buffered";
  return {
    readOnly,
    create: create && !readOnly,
    durable,
    ...definedOnly({ lockWaitMax, minFreeSpace, logger }),
  };
}

function logOptions(settings: Settings) {
  const { durable: _, ...options } = placeOptions(settings);
  const { cacheSize, clock, allow, adjusts } = settings;
  return { ...options, ...definedOnly({ cacheSize, clock, allow, adjusts }) };
}

async function hasBlobs(blobs: BlobStore): Promise<boolean> {
  for await (const _ of blobs.list()) return true;
  return false;
}

/** @throws CONFIG: new metadata would take them all for what nobody needs */
async function checkNoBlobs(blobs: BlobStore): Promise<void> {
  if (await hasBlobs(blobs)) throw metadataElsewhere(blobs);
}

function otherStore(metadata: MetadataStore, blobs: BlobStore): VarveError {
  return new VarveError(
    "CONFIG",
    `the metadata in ${redactUrl(metadata.location)} and the values in ${redactUrl(blobs.location)} belong to two stores`,
    {
      hint: "set database_url and artifact_storage_dir to the two places of one store, or both to new ones",
      details: { metadata: metadata.storeId },
    },
  );
}

function valuesElsewhere(metadata: MetadataStore, values: string): VarveError {
  return new VarveError(
    "CONFIG",
    `the metadata in ${redactUrl(metadata.location)} is of a store whose values are not in ${redactUrl(values)}`,
    {
      hint: "set artifact_storage_dir to where the values of this store are, or database_url to a new database",
    },
  );
}

function metadataElsewhere(blobs: BlobStore): VarveError {
  return new VarveError(
    "CONFIG",
    `${redactUrl(blobs.location)} has the values of a store whose metadata are in another place`,
    {
      hint: "set database_url to the database of this store, or begin with new places for both",
    },
  );
}

/** What keeps a log below a size deletes the oldest versions of that log: here others may share the values. */
function checkMaxSize({ maxSize, readOnly }: Settings): void {
  if (maxSize === undefined || readOnly) return;
  throw new VarveError("CONFIG", "max_size is for a store that has its metadata and values in its home", {
    hint: "remove max_size, and prune by hand or by a timer: `varve prune --max-size 10GB`",
  });
}
