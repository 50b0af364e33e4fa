import type { ArtifactStore, ListFilter } from "../../engine/api.ts";
import { newStore } from "../helpers/stores.ts";

export async function refs(store: ArtifactStore, filter: ListFilter = {}): Promise<string[]> {
  const found: string[] = [];
  for await (const { ref } of store.list(filter)) found.push(ref);
  return found;
}

/** A store whose clock goes on by a second with every operation. */
export async function tickingStore(): Promise<ArtifactStore> {
  let seconds = 0;
  return newStore({ clock: () => new Date(Date.UTC(2026, 10, 24, 10, 0, seconds++)) });
}
