import "./whole-suites.ts";
import type { ArtifactStore, StoreOptions } from "../../engine/api.ts";
import { openStore } from "../../engine/main.ts";
import type { OpenOptions } from "../../engine/open.ts";
import { newFolder, removeFolders } from "./folders.ts";
import { openOverSeams } from "./seam-store.ts";

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

/** As `openOverSeams`, and noted. */
export async function openSeamStore(
  home: string,
  options: Partial<OpenOptions> = {},
  durability: "durable" | "buffered" = "durable",
): Promise<ArtifactStore> {
  return track(await openOverSeams(home, options, durability));
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
