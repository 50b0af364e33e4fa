import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { FileSystem } from "../log/file.ts";
import type { LogIdentity } from "../log/segment.ts";
import { listSegments, segmentPath } from "../log/segment.ts";
import { logFolder } from "./home.ts";

/** What a home takes on the disk. Bytes. */
export interface FileSpace {
  segments: number;
  logBytes: number;
  indexBytes: number;
}

export function fileSpace(files: FileSystem, home: string, identity: LogIdentity, index: string): FileSpace {
  const folder = logFolder(home);
  const ids = listSegments(files, folder, identity);
  let indexBytes = 0;
  for (const name of namesIn(index)) indexBytes += files.sizeOf(join(index, name));
  return { segments: ids.length, logBytes: bytesOf(files, folder, ids), indexBytes };
}

/** What segments take on the disk. */
export function bytesOf(files: FileSystem, folder: string, ids: readonly number[]): number {
  return ids.reduce((sum, id) => sum + files.sizeOf(segmentPath(folder, id)), 0);
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
