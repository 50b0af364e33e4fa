import type { CallOptions } from "./api.ts";
import { DIGEST_BYTES, recordBytes } from "./log/format.ts";
import { visitBlobs } from "./raw-walk.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/** What blobs take in the log. Bytes. */
export interface BlobStats {
  blobs: number;
  blobBytes: number;
  /** Of blobs that a row refers to. */
  liveBlobBytes: number;
  /** Of the others, with their headers. */
  deadBlobBytes: number;
  /** What more references than one would have taken if each had its own copy. */
  deduplicatedBytes: number;
}

export async function countBlobs(snapshot: EngineSnapshot, options?: CallOptions): Promise<BlobStats> {
  const stats: BlobStats = {
    blobs: 0,
    blobBytes: 0,
    liveBlobBytes: 0,
    deadBlobBytes: 0,
    deduplicatedBytes: 0,
  };
  const turns = visitBlobs(
    snapshot,
    ({ isPlaced, length, referenceCount }) => {
      if (!isPlaced) return;
      stats.blobs++;
      stats.blobBytes += length;
      if (referenceCount > 0) stats.liveBlobBytes += length;
      else stats.deadBlobBytes += recordBytes(DIGEST_BYTES, length);
      stats.deduplicatedBytes += length * Math.max(0, referenceCount - 1);
    },
    options,
  );
  for await (const count of turns)
    options?.onProgress?.({ phase: "counting values", done: count, unit: "records" });
  return stats;
}
