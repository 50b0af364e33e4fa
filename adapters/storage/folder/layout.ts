import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Digest } from "../../../engine/main.ts";

/** Where things lie in a folder of blobs: README.md shows it. */

const SHARD = /^[0-9a-f]{2}$/;
const BLOB = /^[0-9a-f]{64}$/;
const REMOVED = /^removed-([0-9a-f]{64})-/;

export class Layout {
  readonly folder: string;
  /** One folder for each first byte of a digest. */
  readonly shards: string;
  /** On the same file system, so that what is whole gets its name by a rename. */
  readonly temporary: string;
  readonly ownerFile: string;

  constructor(folder: string) {
    this.folder = folder;
    this.shards = join(folder, "blobs", "sha256");
    this.temporary = join(folder, "tmp");
    this.ownerFile = join(folder, "varve.json");
  }

  shardOf(digest: Digest): string {
    return join(this.shards, hex(digest).slice(0, 2));
  }

  pathOf(digest: Digest): string {
    return join(this.shardOf(digest), hex(digest));
  }

  /** A name that nobody else has. */
  newTemporary(kind: "put" | "clock" | "owner"): string {
    return join(this.temporary, `${kind}-${randomName()}`);
  }

  /** Where a blob is while it is removed. */
  newRemoved(digest: Digest): string {
    return join(this.temporary, `removed-${hex(digest)}-${randomName()}`);
  }
}

const randomName = () => randomBytes(10).toString("hex");

export const isShard = (name: string): boolean => SHARD.test(name);

/** The digest that a file in a shard is named by. */
export function digestIn(shard: string, name: string): Buffer | undefined {
  return BLOB.test(name) && name.startsWith(shard) ? Buffer.from(name, "hex") : undefined;
}

/** The blob that was being removed. */
export function removedDigest(name: string): Buffer | undefined {
  const digest = REMOVED.exec(name)?.[1];
  return digest === undefined ? undefined : Buffer.from(digest, "hex");
}

export function hex(digest: Digest): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString("hex");
}
