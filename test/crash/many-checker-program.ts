/** Opens a home when all is over and prints what is in it: before, and after the index was made anew. */
import type { ArtifactStore } from "../../engine/api.ts";
import { openStore } from "../../engine/main.ts";
import type { FoundVersion } from "./many-history.ts";

/** What it prints. */
export interface Contents {
  found: FoundVersion[];
  violations: string[];
}

async function versionsOf(store: ArtifactStore): Promise<FoundVersion[]> {
  const found: FoundVersion[] = [];
  for await (const artifact of store.list({ allVersions: true })) {
    const { name, version, sequence, createdAt } = artifact;
    const { id } = await artifact.value<{ id: string }>();
    found.push({ name, version, id, sequence, time: createdAt.getTime() });
  }
  return found;
}

const { home } = JSON.parse(process.argv[2]!) as { home: string };
const violations: string[] = [];
const store = await openStore({ home, environment: false, minFreeSpace: 0, lockWaitMax: 30_000 });
const found = await versionsOf(store);
const { ok, problems } = await store.verify({ full: true });
if (!ok) violations.push(...problems.map(({ message }) => `verify: ${message}`));
await store.rebuildIndex();
const again = JSON.stringify(await versionsOf(store));
if (again !== JSON.stringify(found)) violations.push("a rebuilt index gives other answers");
await store.close();
console.log(JSON.stringify({ found, violations } satisfies Contents));
