import type { Stats } from "node:fs";
import { link, mkdir, open, readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../../engine/main.ts";
import type { FolderSyncs } from "./folder-syncs.ts";
import type { Layout } from "./layout.ts";
import { hex, isShard, removedDigest } from "./layout.ts";
import { forEachOf, isCode, unlessMissing } from "./system.ts";

/**
 * There are no locks: some file systems have none that work. A blob is taken away under another name first, and looked at there:
 * who has put it again before that has changed its time, and it is given back; who comes later finds it gone, and writes it.
 */

const WIDTH = 8;
/** Its folder may be removed for being empty right before it is named. */
const TRIES = 10;

/** Whether a blob is gone that was put before a moment. */
export async function removeBlob(
  layout: Layout,
  syncs: FolderSyncs,
  digest: Digest,
  putBefore: number,
): Promise<boolean> {
  const path = layout.pathOf(digest);
  const found = await unlessMissing(stat(path));
  if (!found) return true;
  if (found.mtimeMs >= putBefore) return false;
  const removed = layout.newRemoved(digest);
  if ((await unlessMissing(rename(path, removed).then(() => true))) === undefined) return true;
  if (await isPutSince(removed, putBefore)) {
    await giveBack(layout, syncs, digest, removed);
    return false;
  }
  await rm(removed, { force: true });
  return true;
}

/** Of the file, rather than what a network file system remembers of it: to open it asks anew. */
async function isPutSince(path: string, putBefore: number): Promise<boolean> {
  const file = await unlessMissing(open(path, "r"));
  if (!file) return false;
  try {
    return (await file.stat()).mtimeMs >= putBefore;
  } finally {
    await file.close();
  }
}

/** Its own name again, unless somebody has put it meanwhile. It loses the other one only when it has this one, on the disk. */
async function giveBack(layout: Layout, syncs: FolderSyncs, digest: Digest, removed: string): Promise<void> {
  const path = layout.pathOf(digest);
  const shard = layout.shardOf(digest);
  for (let tries = 1; ; tries++) {
    try {
      await nameAgain(removed, path);
      break;
    } catch (error) {
      if (tries === TRIES || !isCode(error, "ENOENT")) throw error;
      // Others give it back too; or there is no folder to name it in.
      if (!(await unlessMissing(stat(removed)))) return;
      await makeShard(shard, syncs);
    }
  }
  await syncs.shard(shard);
  await rm(removed, { force: true });
}

async function nameAgain(removed: string, path: string): Promise<void> {
  try {
    await link(removed, path);
  } catch (error) {
    if (isCode(error, "ENOENT")) throw error;
    // No links: then in the place of what may be there, which has the same bytes.
    if (!isCode(error, "EEXIST")) await rename(removed, path);
  }
}

/**
 * Where to look for a blob that is not in its place: who was removing it has died, or is about to give it back.
 * @param syncs of who may give it back; others read it where it is
 */
export async function placesOfRemoved(
  layout: Layout,
  digest: Digest,
  syncs: FolderSyncs | undefined,
): Promise<string[]> {
  const begin = `removed-${hex(digest)}-`;
  const names = (await unlessMissing(readdir(layout.temporary))) ?? [];
  const found = names.filter((name) => name.startsWith(begin)).map((name) => join(layout.temporary, name));
  // Others may have given it back since.
  if (!syncs) return [...found, layout.pathOf(digest)];
  for (const removed of found) await giveBack(layout, syncs, digest, removed);
  return [layout.pathOf(digest)];
}

/** What interrupted calls have left behind. Gives the bytes that came free. */
export async function collectLeft(layout: Layout, syncs: FolderSyncs, before: number): Promise<number> {
  let freed = 0;
  await forEachOf(await readdir(layout.temporary), WIDTH, async (name) => {
    const path = join(layout.temporary, name);
    const found = await unlessMissing(stat(path));
    if (!found?.isFile() || lastTouched(found) >= before) return;
    const digest = removedDigest(name);
    // Nobody knows whether it was put again before who removed it died.
    if (digest) return giveBack(layout, syncs, digest, path);
    if (await isDeleted(path)) freed += found.size;
  });
  return freed;
}

/** Files that are open, or of another user, are left to who has them. */
async function isDeleted(path: string): Promise<boolean> {
  try {
    await rm(path, { force: true });
    return true;
  } catch (error) {
    if (isCode(error, "EBUSY", "EPERM", "EACCES")) return false;
    throw error;
  }
}

/** A rename changes the second one only. */
const lastTouched = ({ mtimeMs, ctimeMs }: Stats): number => Math.max(mtimeMs, ctimeMs);

export async function makeShard(path: string, syncs: FolderSyncs): Promise<void> {
  await mkdir(path, { recursive: true });
  syncs.isMade(path);
}

/** Folders without a blob; who is about to put one makes its folder again. */
export async function removeEmptyShards({ shards }: Layout): Promise<void> {
  for (const name of await readdir(shards)) {
    if (!isShard(name)) continue;
    await rmdir(join(shards, name)).catch((error: unknown) => {
      if (!isCode(error, "ENOTEMPTY", "EEXIST", "ENOENT", "ENOTDIR", "EBUSY")) throw error;
    });
  }
}
