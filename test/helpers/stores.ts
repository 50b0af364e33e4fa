import "./whole-suites.ts";
import type { ArtifactStore, StoreOptions } from "../../engine/api.ts";
import { familyOf } from "../../engine/artifact-record.ts";
import { CodecRegistry } from "../../engine/codec/codec.ts";
import { openStore } from "../../engine/main.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { openCore } from "../../engine/open.ts";
import { EmbeddedStore } from "../../engine/store.ts";
import { newFolder, removeFolders } from "./folders.ts";

const open = new Set<{ close(): Promise<void> }>();

/** Noted, so that `closeAll` closes it whatever happens to the test. */
export function track<T extends { close(): Promise<void> }>(closable: T): T {
  open.add(closable);
  return closable;
}

export async function openTestStore(home: string, options: StoreOptions = {}): Promise<ArtifactStore> {
  return track(await openStore({ home, environment: false, ...options }));
}

export async function newStore(options: StoreOptions = {}): Promise<ArtifactStore> {
  return openTestStore(newFolder(), options);
}

/** A store over the seams that users don't see: the files of the log, and the size of a segment. */
export async function openSeamStore(
  home: string,
  options: Partial<OpenOptions> = {},
  durability: "durable" | "buffered" = "durable",
): Promise<ArtifactStore> {
  const handle = await openCore(home, { application: "artifact", familyOf, ...options });
  const settings = {
    home: handle.core.folder,
    readOnly: options.readOnly ?? false,
    durable: durability === "durable",
    codecs: new CodecRegistry(),
  };
  return track(new EmbeddedStore(handle, settings));
}

export async function closeStores(): Promise<void> {
  const stores = [...open];
  open.clear();
  await Promise.allSettled(stores.map((store) => store.close()));
}

/** For `after.each`. */
export async function closeAll(): Promise<void> {
  await closeStores();
  removeFolders();
}
