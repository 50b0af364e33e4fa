import { mkdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { fromSystemError } from "../../../engine/main.ts";
import { missingFolder, noFolder } from "./failures.ts";
import { FolderBlobs } from "./folder-blobs.ts";
import { FolderSyncs } from "./folder-syncs.ts";
import { Layout } from "./layout.ts";
import { readOwner } from "./owner.ts";
import { isCode, unlessMissing } from "./system.ts";

const MIN_FREE_SPACE = 64 * 1024 * 1024;

export interface FolderBlobsOptions {
  /** Make the folder where it is not there. Default: true. */
  create?: boolean;
  readOnly?: boolean;
  /** What was put is on the disk before that is told. Without it nothing is, after `close` either. Default: true. */
  durable?: boolean;
  /** Bytes of the disk to leave free. Default: 64 MiB. */
  minFreeSpace?: number;
}

/**
 * Opens a folder as a place for blobs: plain files, which other machines and other tools may read too.
 * @throws NOT_FOUND where there is none and none is to be made, CONFIG for what is no folder, NOT_SUPPORTED for a newer format
 */
export async function openFolderBlobs(path: string, options: FolderBlobsOptions = {}): Promise<FolderBlobs> {
  const layout = new Layout(resolve(path));
  const { durable = true, readOnly = false, create = true, minFreeSpace = MIN_FREE_SPACE } = options;
  const syncs = new FolderSyncs(durable);
  try {
    const found = await unlessMissing(stat(layout.folder));
    if (found && !found.isDirectory()) throw noFolder(layout.folder);
    if (!found && (readOnly || !create)) throw missingFolder(layout.folder);
    if (!readOnly) await makeFolders(layout, syncs);
    await readOwner(layout);
  } catch (error) {
    throw fromSystemError(error, `opening ${layout.folder}`);
  }
  return new FolderBlobs(layout, syncs, { durable, readOnly, minFreeSpace });
}

/** Names are on the disk before anything is acknowledged that needs them. */
async function makeFolders(layout: Layout, syncs: FolderSyncs): Promise<void> {
  const first = await mkdir(layout.shards, { recursive: true });
  await mkdir(layout.temporary, { recursive: true });
  await syncs.folder(layout.folder);
  if (first === undefined) return;
  const above = dirname(first);
  for (let path = dirname(layout.shards); path.length >= above.length; path = dirname(path)) {
    await syncs.folder(path).catch((error: unknown) => {
      // One that was there before may not be ours to read, and then not to sync either.
      if (!isCode(error, "EACCES", "EPERM")) throw error;
    });
    if (path === dirname(path)) return;
  }
}
