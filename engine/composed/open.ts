import { join } from "node:path";
import type { ArtifactStore, StoreOptions } from "../api.ts";
import { definedOnly } from "../argument.ts";
import { anchored } from "../config-items.ts";
import { VarveError } from "../errors.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import type { PlaceOptions, Places } from "../ports/places.ts";
import { redactUrl } from "../secrets.ts";
import { composeStore } from "./compose.ts";
import { openEmbeddedMetadata } from "./embedded-metadata.ts";
import { openLogBlobs, storeIdOfLog } from "./log-blobs.ts";
import type { OpenFolder } from "./repair-sources.ts";

type Settings = StoreOptions & { home: string };

/** In the home, where only metadata is elsewhere: the log of an embedded store there is another one. */
const VALUES_FOLDER = "values";

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
  const options = { home, openFolder, ...definedOnly({ readOnly, clock, codecs, environment }) };
  return composeStore(options, () => openBoth(settings, places));
}

/** Of which nothing stays open where they do not belong together. */
async function openBoth(settings: Settings, places: Places) {
  const opened: { close(): Promise<void> }[] = [];
  const track = <T extends { close(): Promise<void> }>(place: T): T => {
    opened.push(place);
    return place;
  };
  try {
    const known = await openKnownBlobs(settings, places);
    if (known) track(known);
    const metadata = track(await openMetadata(settings, places, known && (await idToTake(known))));
    const blobs = known ?? track(await openNewLog(settings, metadata));
    await matchPlaces(metadata, blobs, settings.readOnly ?? false);
    return { metadata, blobs };
  } catch (error) {
    for (const place of opened) await place.close().catch(() => {});
    throw error;
  }
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

/** Undefined where the log of values is to be made, which then gets the id of the metadata. */
async function openKnownBlobs(settings: Settings, places: Places): Promise<BlobStore | undefined> {
  const { home, artifactStorageDir, storageOptions } = settings;
  if (artifactStorageDir !== undefined) {
    const options = { ...placeOptions(settings), ...definedOnly({ storageOptions }) };
    return places.openBlobs(artifactStorageDir, options);
  }
  const folder = join(home, VALUES_FOLDER);
  return storeIdOfLog(folder) === undefined ? undefined : openLogBlobs(folder, logOptions(settings));
}

async function openNewLog(settings: Settings, metadata: MetadataStore): Promise<BlobStore> {
  const folder = join(settings.home, VALUES_FOLDER);
  if ((await metadata.counts()).versions > 0) throw valuesElsewhere(metadata, folder);
  return openLogBlobs(folder, { ...logOptions(settings), storeId: metadata.storeId });
}

function openMetadata(
  settings: Settings,
  places: Places,
  storeId: string | undefined,
): Promise<MetadataStore> {
  const { home, databaseUrl } = settings;
  const id = definedOnly({ storeId });
  if (databaseUrl === undefined) return openEmbeddedMetadata(home, { ...logOptions(settings), ...id });
  const url = anchored("database_url", databaseUrl, process.cwd()) as string;
  return places.openMetadata(url, { ...placeOptions(settings), ...id });
}

function logOptions(settings: Settings) {
  const { durable: _, ...options } = placeOptions(settings);
  const { durability, cacheSize, clock, allow } = settings;
  return { ...options, ...definedOnly({ durability, cacheSize, clock, allow }) };
}

/**
 * The id that a new database gets: that of the place for values, as long as that has none. A new database for values that
 * are there would take them all for what nobody needs.
 */
async function idToTake(blobs: BlobStore): Promise<string | undefined> {
  const storeId = await blobs.storeId();
  if (storeId === undefined || (await hasBlobs(blobs))) return undefined;
  return storeId;
}

async function hasBlobs(blobs: BlobStore): Promise<boolean> {
  for await (const _ of blobs.list()) return true;
  return false;
}

/** @throws CONFIG where the two are not of one store */
async function matchPlaces(metadata: MetadataStore, blobs: BlobStore, readOnly: boolean): Promise<void> {
  const storeId = await blobs.storeId();
  if (storeId === metadata.storeId) return;
  if (storeId !== undefined) throw otherStore(metadata, blobs);
  if ((await metadata.counts()).versions > 0) throw valuesElsewhere(metadata, blobs.location);
  if (!readOnly) await blobs.bind(metadata.storeId);
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

/** What keeps a log below a size deletes the oldest versions of that log: here others may share the values. */
function checkMaxSize({ maxSize }: Settings): void {
  if (maxSize === undefined) return;
  throw new VarveError("CONFIG", "max_size is for a store that has its metadata and values in its home", {
    hint: "remove max_size, and prune by hand or by a timer: `varve prune --max-size 10GB`",
  });
}
