import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { ListedBlob } from "../../../engine/main.ts";
import type { Layout } from "./layout.ts";
import { digestIn, isShard } from "./layout.ts";
import { unlessMissing } from "./system.ts";

const PAGE_BLOBS = 64;

/** All blobs in the order of their digests, page by page. Names of one shard are in memory at a time. */
export async function* listBlobs({ shards }: Layout): AsyncGenerator<ListedBlob[]> {
  const names = (await unlessMissing(readdir(shards))) ?? [];
  for (const shard of names.filter(isShard).sort()) {
    const folder = join(shards, shard);
    const blobs = ((await unlessMissing(readdir(folder))) ?? []).sort();
    for (let from = 0; from < blobs.length; from += PAGE_BLOBS) {
      const page = blobs.slice(from, from + PAGE_BLOBS).map((name) => listed(folder, shard, name));
      yield (await Promise.all(page)).filter((blob) => blob !== undefined);
    }
  }
}

/** Undefined for what is no blob. */
async function listed(folder: string, shard: string, name: string): Promise<ListedBlob | undefined> {
  const digest = digestIn(shard, name);
  if (!digest) return undefined;
  const found = await unlessMissing(stat(join(folder, name)));
  if (!found?.isFile()) return undefined;
  return { digest, size: found.size, putAt: found.mtimeMs, ownBytes: found.size };
}
