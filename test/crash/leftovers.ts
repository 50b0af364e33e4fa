import type { ArtifactStore } from "../../engine/api.ts";
import { nodesRange, pinsRange } from "../../engine/artifact-key.ts";
import type { FileSystem } from "../../engine/log/file.ts";
import { openCore } from "../../engine/open.ts";

/**
 * What is left of saves that never ended, and of what was deleted, when whoever has the store open is alone and compacts:
 * nothing. Gives what is wrong.
 */
export async function leftovers(store: ArtifactStore, home: string, files?: FileSystem): Promise<string[]> {
  const wrong: string[] = [];
  await store.compact();
  const { deadBlobBytes } = await store.stats();
  if (deadBlobBytes > 0) wrong.push(`${deadBlobBytes} bytes are dead behind a compaction`);
  const { pins } = await countRows(home, files);
  if (pins > 0) wrong.push(`${pins} pins are left, though nobody saves`);
  return wrong;
}

/** The same when all versions were deleted: no part is kept by anything that nobody knows of. */
export async function leftoversOfNothing(
  store: ArtifactStore,
  home: string,
  files?: FileSystem,
): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list()) names.push(name);
  for (const name of names) await store.delete(`${name}:all`, { aliases: true });
  const wrong = await leftovers(store, home, files);
  const { blobs } = await store.stats();
  if (blobs > 0) wrong.push(`${blobs} blobs are kept, though no version is`);
  const { nodes } = await countRows(home, files);
  if (nodes > 0) wrong.push(`${nodes} nodes are kept, though no version is`);
  return wrong;
}

async function countRows(home: string, files?: FileSystem): Promise<{ pins: number; nodes: number }> {
  const { core, release } = await openCore(home, { application: "artifact", ...(files && { files }) });
  try {
    core.refresh();
    return { pins: core.rows(pinsRange()).length, nodes: core.rows(nodesRange()).length };
  } finally {
    await release();
  }
}
