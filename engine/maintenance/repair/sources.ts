import { realpathSync, statSync } from "node:fs";
import { fromSystemError, isCorruption, VarveError } from "../../errors.ts";
import type { FileSystem } from "../../log/file.ts";
import type { SegmentHeader } from "../../log/format.ts";
import { LogReader } from "../../log/reader.ts";
import type { LogIdentity } from "../../log/segment.ts";
import { listSegments, readSegmentHeader, segmentPath } from "../../log/segment.ts";
import { logFolder } from "../home.ts";

/** A log that sound bytes may be taken from. It is only read, and only its log. */
export interface RepairSource {
  path: string;
  /** The log. */
  folder: string;
  numbers: number[];
  /** A copy of this very store, rather than another one. */
  isSame: boolean;
  /** Of the segments whose header is sound. */
  headers: Map<number, SegmentHeader>;
  reader: LogReader;
}

export interface OwnLog {
  files: FileSystem;
  /** The home. */
  folder: string;
  identity: LogIdentity;
}

/**
 * Opens the logs in `paths`, each a home or its `log` folder.
 * @throws NOT_FOUND where there is none, INVALID_ARGUMENT for this store itself or a log of something else,
 * NOT_SUPPORTED for a newer format, CORRUPTION where no header can be read, IO where nothing may be read
 */
export function openSources(own: OwnLog, paths: readonly string[]): RepairSource[] {
  const opened: RepairSource[] = [];
  try {
    for (const path of paths) opened.push(openSource(own, path));
    return opened;
  } catch (error) {
    for (const { reader } of opened) reader.close();
    throw error;
  }
}

function openSource(own: OwnLog, path: string): RepairSource {
  try {
    const folder = folderOfLog(own, path);
    const numbers = listSegments(own.files, folder);
    if (numbers.length === 0) throw noLog(path);
    const headers = readHeaders(own, folder, numbers);
    const [first] = headers.values();
    if (!first) throw unreadable(path);
    checkApplication(own, first, path);
    const { storeId, application } = first;
    const reader = new LogReader(own.files, folder, { storeId, application });
    return { path, folder, numbers, isSame: storeId === own.identity.storeId, headers, reader };
  } catch (error) {
    throw fromSystemError(error, `reading ${path}`, {
      hint: "check that the folder given to repair can be read",
    });
  }
}

function folderOfLog(own: OwnLog, path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw noLog(path);
  if (!found.isDirectory()) {
    throw new VarveError("INVALID_ARGUMENT", `${path} is not a folder`, {
      hint: "give the folder of a store or of a backup of one",
    });
  }
  const below = logFolder(path);
  const folder = statSync(below, { throwIfNoEntry: false })?.isDirectory() ? below : path;
  if (realpathSync(folder) !== realpathSync(logFolder(own.folder))) return folder;
  throw new VarveError("INVALID_ARGUMENT", `${path} is the store itself`, {
    hint: "give another copy: what the store's own log has twice is found without being asked for",
  });
}

function readHeaders({ files }: OwnLog, folder: string, numbers: number[]): Map<number, SegmentHeader> {
  const headers = new Map<number, SegmentHeader>();
  for (const number of numbers) {
    const path = segmentPath(folder, number);
    const file = files.open(path, "read");
    try {
      headers.set(number, readSegmentHeader(file, path, number));
    } catch (error) {
      if (!isCorruption(error)) throw error;
    } finally {
      file.close();
    }
  }
  return headers;
}

function checkApplication(own: OwnLog, { application }: SegmentHeader, path: string): void {
  if (application === own.identity.application) return;
  throw new VarveError("INVALID_ARGUMENT", `${path} is the log of something else (${application})`, {
    hint: `give one of an ${own.identity.application === "artifact" ? "artifact store" : "engine"}`,
  });
}

function noLog(path: string): VarveError {
  return new VarveError("NOT_FOUND", `there is no store in ${path}`, {
    hint: "give the folder of a store or of a backup of one, or its `log` folder",
  });
}

function unreadable(path: string): VarveError {
  return new VarveError("CORRUPTION", `no segment of ${path} has a readable header`, {
    hint: "that copy is damaged too: give another one",
  });
}
