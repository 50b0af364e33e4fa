import type { Logger } from "../api.ts";
import type { BlobStore } from "./blob-store.ts";
import type { MetadataStore } from "./metadata-store.ts";
import type { BackendSettings, StorageBackend } from "./storage-backend.ts";

/** What a place is opened with. */
export interface PlaceOptions {
  /** Make what is not there. */
  create: boolean;
  readOnly: boolean;
  /** A promise resolves after the disk has it; else after the system has it. */
  durable: boolean;
  /** Milliseconds that a call waits for a lock or an answer. */
  lockWaitMax?: number;
  /** Bytes of free disk below which nothing is written. */
  minFreeSpace?: number;
  logger?: Logger;
}

export interface MetadataOptions extends PlaceOptions {
  /** The id that a database gets which is made now. */
  storeId?: string;
}

export interface BlobOptions extends PlaceOptions {
  /** For the client of object storage. */
  storageOptions?: Record<string, unknown>;
}

/** Knows what a URL stands for. Each opens what it is asked for, with the client that this needs. */
export interface Places {
  /** @throws CONFIG for a URL that none of them knows, MISSING_DRIVER, UNAVAILABLE, UNAUTHORIZED */
  openMetadata(url: string, options: MetadataOptions): Promise<MetadataStore>;
  openBlobs(location: string, options: BlobOptions): Promise<BlobStore>;
  /** Sends nothing. @throws CONFIG for a URI that can't be one */
  openBackend(settings: BackendSettings): Promise<StorageBackend>;
}
