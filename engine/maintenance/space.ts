import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { FileSystem } from "../log/file.ts";
import { listSegments, segmentPath } from "../log/segment.ts";
import { logFolder } from "./home.ts";

/** What a home takes on the disk. Bytes. */
export interface FileSpace {
  segments: number;
  logBytes: number;
  indexBytes: number;
}

export function fileSpace(files: FileSystem, home: string, index: string): FileSpace {
  const space: FileSpace = { segments: 0, logBytes: 0, indexBytes: 0 };
  const folder = logFolder(home);
  for (const segment of listSegments(files, folder)) {
    space.segments++;
    space.logBytes += files.sizeOf(segmentPath(folder, segment));
  }
  for (const name of namesIn(index)) space.indexBytes += files.sizeOf(join(index, name));
  return space;
}

/** Another process may have put a new index in the place of this one. */
function namesIn(index: string): string[] {
  try {
    return readdirSync(index);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return [];
  }
}
