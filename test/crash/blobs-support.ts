import { createCipheriv, createHash } from "node:crypto";
import { openFolderBlobs } from "../../adapters/storage/folder/open.ts";
import { openLogBlobs } from "../../engine/composed/log-blobs.ts";
import type { BlobStore } from "../../engine/main.ts";

export type BlobPlaceKind = "log" | "folder";

/** The argument of the program, as JSON. */
export interface BlobsProgramOptions {
  kind: BlobPlaceKind;
  folder: string;
  /** Where it writes what it was told. */
  told: string;
  seed: number;
}

/** From which the bytes can be made again. */
export interface BlobKey {
  seed: number;
  count: number;
  size: number;
}

/** A line of the file of what was told. */
export interface ToldOfBlob {
  told: "put";
  key: BlobKey;
}

export function openBlobs({
  kind,
  folder,
}: Pick<BlobsProgramOptions, "kind" | "folder">): Promise<BlobStore> {
  return kind === "log" ? openLogBlobs(folder) : openFolderBlobs(folder);
}

export function bytesOfKey({ seed, count, size }: BlobKey): Buffer {
  const key = createHash("sha256").update(`${seed} ${count}`).digest();
  return createCipheriv("aes-256-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(size));
}

export function digestOf(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest();
}
