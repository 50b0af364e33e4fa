import * as assert from "uvu/assert";
import type { ArtifactStore, PrunePolicy, PruneReport } from "../../engine/api.ts";
import { newStore } from "../helpers/stores.ts";

/** A store whose clock is set by the test. */
export async function storeAt(start: string): Promise<{ store: ArtifactStore; clock: { now: Date } }> {
  const clock = { now: new Date(start) };
  return { store: await newStore({ clock: () => clock.now }), clock };
}

export async function refsOf(store: ArtifactStore): Promise<string[]> {
  const refs: string[] = [];
  for await (const { ref } of store.list({ allVersions: true })) refs.push(ref);
  return refs.sort();
}

export function goneRefs({ versions }: PruneReport): string[] {
  return versions.map(({ ref }) => ref);
}

export async function goes(store: ArtifactStore, policy: PrunePolicy): Promise<string[]> {
  const { versions, dryRun } = await store.prune(policy, { dryRun: true });
  assert.is(dryRun, true);
  return versions.map(({ ref }) => ref);
}

/** More than is looked at between two turns of the event loop. */
export const MANY = 5_000;

export async function storeOfMany(): Promise<ArtifactStore> {
  const store = await newStore();
  for (let name = 0; name < 5; name++)
    await store.batch((batch) => {
      for (let version = 0; version < MANY / 5; version++) batch.save(`n${name}`, `${name}/${version}`);
    });
  return store;
}
