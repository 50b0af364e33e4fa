import { readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import type { FolderBlobsOptions } from "../../adapters/storage/folder/open.ts";
import { openFolderBlobs } from "../../adapters/storage/folder/open.ts";
import type { BlobStore } from "../../engine/main.ts";
import type { Sample } from "../conformance/blob-places.ts";
import { track } from "../helpers/stores.ts";

/** The files of a folder of blobs, past the port. */

export const HOUR = 3_600_000;

export async function open(folder: string, options: FolderBlobsOptions = {}): Promise<BlobStore> {
  return track(await openFolderBlobs(folder, { durable: false, ...options }));
}

export const nameOf = ({ digest }: Pick<Sample, "digest">) => Buffer.from(digest).toString("hex");
export const pathOf = (folder: string, one: Pick<Sample, "digest">) =>
  join(folder, "blobs/sha256", nameOf(one).slice(0, 2), nameOf(one));
export const temporaryIn = (folder: string) => readdirSync(join(folder, "tmp"));

export function age(path: string, milliseconds: number): void {
  const seconds = (Date.now() - milliseconds) / 1000;
  utimesSync(path, seconds, seconds);
}
