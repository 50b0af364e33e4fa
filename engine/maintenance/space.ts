import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { FileSystem } from "../log/file.ts";
import { listSegments, segmentPath } from "../log/segment.ts";
import { logFolder } from "./home.ts";
import type { IndexSource } from "./index-source.ts";

/** What a home takes on the disk. Bytes. */
export interface SpaceStats {
  blobs: number;
  blobBytes: number;
  /** Of blobs that a row refers to. */
  liveBlobBytes: number;
  /** What more references than one would have taken if each had its own copy. */
  deduplicatedBytes: number;
  segments: number;
  logBytes: number;
  indexBytes: number;
}

export function spaceStats(files: FileSystem, home: string, source: IndexSource): SpaceStats {
  const stats: SpaceStats = {
    blobs: 0,
    blobBytes: 0,
    liveBlobBytes: 0,
    deduplicatedBytes: 0,
    segments: 0,
    logBytes: 0,
    indexBytes: 0,
  };
  for (const { row } of source.catalog.blobs()) {
    const bytes = row.place.payloadLength;
    stats.blobs++;
    stats.blobBytes += bytes;
    if (row.referenceCount > 0) stats.liveBlobBytes += bytes;
    stats.deduplicatedBytes += bytes * Math.max(0, row.referenceCount - 1);
  }
  const folder = logFolder(home);
  for (const number of listSegments(files, folder)) {
    stats.segments++;
    stats.logBytes += files.sizeOf(segmentPath(folder, number));
  }
  for (const name of readdirSync(source.indexFolder))
    stats.indexBytes += files.sizeOf(join(source.indexFolder, name));
  return stats;
}
