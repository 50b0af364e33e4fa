import type { NameStats, StatsOptions, StoreStats } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { throwIfAborted } from "../errors.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore, VersionRecord } from "../ports/metadata-store.ts";
import type { Needs } from "./blob-graph.ts";
import { BlobGraph } from "./blob-graph.ts";
import { everyVersion } from "./every-version.ts";

interface CountedName {
  stats: NameStats;
  needs: Needs[];
}

/** What there is of names and versions is the database's to tell; blobs are listed, and looked for in what versions need. */
export async function composedStats(
  metadata: MetadataStore,
  blobs: BlobStore,
  options: StatsOptions = {},
): Promise<StoreStats> {
  const { byName = false, signal } = options;
  const call = signalOf({ signal });
  const graph = new BlobGraph(blobs);
  const names = new Names(byName);
  let done = 0;
  for await (const record of everyVersion(metadata, "live", signal)) {
    names.live(record, (await graph.add(record)).needs);
    options.onProgress?.({ phase: "counting versions", done: ++done, unit: "artifacts" });
  }
  if (byName) for await (const record of everyVersion(metadata, "deleted", signal)) names.deleted(record);
  const counted = { blobs: 0, blobBytes: 0, liveBlobBytes: 0, deadBlobBytes: 0 };
  for await (const blob of blobs.list(call)) {
    throwIfAborted(signal);
    counted.blobs++;
    counted.blobBytes += blob.size;
    if (graph.listed(blob)) counted.liveBlobBytes += blob.size;
    else counted.deadBlobBytes += blob.ownBytes;
  }
  const { bytes = 0, ...counts } = await metadata.counts(call);
  const space = await blobs.space();
  return {
    ...counts,
    ...counted,
    deduplicatedBytes: graph.sharedBytes,
    segments: 0,
    logBytes: space ?? 0,
    logOverheadBytes: space === undefined ? 0 : Math.max(0, space - counted.blobBytes),
    indexBytes: bytes,
    ...(byName && { byName: names.withOwnBytes(graph) }),
  };
}

/** Counts each name, if that is asked for. */
class Names {
  readonly #isWanted: boolean;
  readonly #names = new Map<string, CountedName>();

  constructor(isWanted: boolean) {
    this.#isWanted = isWanted;
  }

  live({ name, size }: VersionRecord, needs: Needs): void {
    if (!this.#isWanted) return;
    const counted = this.#of(name);
    counted.stats.versions++;
    counted.stats.valueBytes += size;
    counted.needs.push(needs);
  }

  deleted({ name, isForgotten }: VersionRecord): void {
    const { stats } = this.#of(name);
    if (!isForgotten) stats.deletedVersions++;
  }

  /** All blobs of the graph were listed. */
  withOwnBytes(graph: BlobGraph): NameStats[] {
    for (const { stats, needs } of this.#names.values()) {
      stats.ownBytes = needs.reduce((bytes, each) => bytes + graph.letGo(each), 0);
      for (const each of needs) graph.takeBack(each);
    }
    const all = [...this.#names.values()].map(({ stats }) => stats);
    return all.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  }

  #of(name: string): CountedName {
    const known = this.#names.get(name);
    if (known) return known;
    const stats = { name, versions: 0, deletedVersions: 0, valueBytes: 0, ownBytes: 0 };
    const counted: CountedName = { stats, needs: [] };
    this.#names.set(name, counted);
    return counted;
  }
}
