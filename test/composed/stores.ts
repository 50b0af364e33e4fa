import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { openMetadata } from "../../adapters/metadata/open.ts";
import { openFolderBlobs } from "../../adapters/storage/folder/open.ts";
import { composeStore } from "../../engine/composed/compose.ts";
import { openEmbeddedMetadata } from "../../engine/composed/embedded-metadata.ts";
import { openLogBlobs } from "../../engine/composed/log-blobs.ts";
import type { OpenFolder } from "../../engine/composed/repair-sources.ts";
import type { ComposedStore } from "../../engine/composed/store.ts";
import type { BlobStore, MetadataStore } from "../../engine/main.ts";
import { openStore } from "../../engine/main.ts";
import type { OpenedStore, StoreTestOptions } from "../conformance/store-support.ts";
import { newFolder } from "../helpers/folders.ts";
import { track } from "../helpers/stores.ts";

/** Stores over ports, as the adapters put them together. */

export interface Parts {
  metadata: "embedded" | "sqlite" | { url: string };
  blobs: "folder" | "log";
}

export interface OpenParts extends StoreTestOptions {
  graceMilliseconds?: number;
  durable?: boolean;
  /** What stands between the store and its parts. */
  overBlobs?: (blobs: BlobStore) => Partial<BlobStore>;
  overMetadata?: (metadata: MetadataStore) => Partial<MetadataStore>;
  openFolder?: OpenFolder;
}

const LONG_MILLISECONDS = 3 * 3_600_000;

/** Where a store of these parts lies, and how far the clock of its log has gone on. */
export class TestPlace {
  readonly folder: string;
  readonly parts: Parts;
  #passed = 0;

  constructor(parts: Parts, folder = newFolder()) {
    this.parts = parts;
    this.folder = folder;
  }

  open(options: OpenParts = {}): Promise<ComposedStore> {
    const { overBlobs, overMetadata, environment = false } = options;
    const openFolder = options.openFolder ?? ((home: string) => openStore({ home, readOnly: true }));
    return composeStore({ ...options, environment, openFolder, home: this.folder }, async () => {
      const metadata = over(await this.openMetadata(options), overMetadata);
      const blobs = over(await this.openBlobs(metadata.storeId, options), overBlobs);
      return { metadata, blobs };
    });
  }

  openMetadata({ readOnly = false, durable = false }: OpenParts): Promise<MetadataStore> {
    if (this.parts.metadata === "embedded")
      return openEmbeddedMetadata(join(this.folder, "home"), { readOnly, durable });
    const url = this.parts.metadata === "sqlite" ? "sqlite:///metadata.db" : this.parts.metadata.url;
    return openMetadata(url, { readOnly, create: !readOnly, folder: this.folder });
  }

  async openBlobs(storeId: string, { readOnly = false, durable = false }: OpenParts): Promise<BlobStore> {
    if (this.parts.blobs === "folder") {
      const blobs = await openFolderBlobs(this.blobFolder, { readOnly, durable });
      if (!readOnly) await blobs.bind(storeId);
      return blobs;
    }
    const clock = () => new Date(Date.now() + this.#passed);
    const durability = durable ? "durable" : "buffered";
    return openLogBlobs(this.blobFolder, { readOnly, durability, clock, ...(!readOnly && { storeId }) });
  }

  get blobFolder(): string {
    return join(this.folder, "values");
  }

  /** All that was put counts as put long ago. */
  settle(): void {
    this.#passed += LONG_MILLISECONDS;
    if (this.parts.blobs !== "folder") return;
    const past = (Date.now() - LONG_MILLISECONDS) / 1_000;
    for (const path of this.blobFiles()) utimesSync(path, past, past);
  }

  /** Those of a folder of blobs. */
  blobFiles(): string[] {
    return readdirSync(join(this.blobFolder, "blobs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
  }
}

/** The same, but for some of its calls. */
function over<T extends object>(part: T, own?: (part: T) => Partial<T>): T {
  if (!own) return part;
  const calls: Partial<T> = own(part);
  return new Proxy(part, {
    get(target, key) {
      const value = key in calls ? calls[key as keyof T] : target[key as keyof T];
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export async function openComposed(parts: Parts, options?: OpenParts): Promise<OpenedStore> {
  const place = new TestPlace(parts);
  const store = await place.open(options);
  const stores = [store];
  return {
    store,
    again: async (more) => {
      const other = await place.open(more);
      stores.push(other);
      return other;
    },
    settle: async () => place.settle(),
    close: async () => {
      for (const each of stores) await each.close();
    },
  };
}

export const SQLITE_AND_FOLDER: Parts = { metadata: "sqlite", blobs: "folder" };

/** Noted, so that `closeAll` closes it. */
export async function openNoted(options: OpenParts = {}, place = new TestPlace(SQLITE_AND_FOLDER)) {
  return { store: track(await place.open(options)), place };
}
