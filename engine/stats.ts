import type { CallOptions, StoreStats } from "./api.ts";
import { allAliasesRange, isDeleted, namesRange, parseVersionKey } from "./artifact-record.ts";
import type { EngineCore } from "./engine.ts";
import { throwIfAborted } from "./errors.ts";

/** Pages of rows between two turns of the event loop. */
const PAGES_PER_TURN = 16;

/** Counts what a store holds, by going over its index once. */
export async function storeStats(core: EngineCore, options?: CallOptions): Promise<StoreStats> {
  const snapshot = core.snapshot();
  try {
    const stats = { names: 0, versions: 0, deletedVersions: 0, aliases: 0, valueBytes: 0 };
    let liveName = "";
    let pages = 0;
    for (const page of snapshot.pages(namesRange(""))) {
      if (++pages % PAGES_PER_TURN === 0) await turn(options);
      for (const { key, row } of page) {
        if (isDeleted(row)) {
          stats.deletedVersions++;
          continue;
        }
        const { name } = parseVersionKey(key);
        if (name !== liveName) stats.names++;
        liveName = name;
        stats.versions++;
        stats.valueBytes += row.blob?.payloadLength ?? 0;
      }
    }
    for (const page of snapshot.pages(allAliasesRange())) stats.aliases += page.length;
    return { ...stats, ...(await core.spaceStats()), sequence: snapshot.sequence };
  } finally {
    snapshot.close();
  }
}

async function turn(options: CallOptions | undefined): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
  throwIfAborted(options?.signal);
}
