import type { ByteRange, CallOptions, Directory } from "../api.ts";
import { checkedRange } from "../artifact.ts";
import type { CallGuard } from "../call-guard.ts";
import type { DirectoryContents } from "../directory/contents.ts";
import { StoredDirectory } from "../directory/directory.ts";
import type { FileContent } from "../directory/entry.ts";
import { Manifest } from "../directory/manifest.ts";
import { LOADED_BYTES_MAX, tooLarge } from "../large/chunk-reader.ts";
import type { Digest } from "../ports/blob-store.ts";
import type { VersionBlobs } from "./version-blobs.ts";

type Calls = Pick<CallGuard, "read" | "iterate">;

/** A saved directory, read as it is asked for. @param root that of its manifest */
export async function openDirectory(blobs: VersionBlobs, calls: Calls, root: Digest): Promise<Directory> {
  const load = (digest: Uint8Array) => calls.read(undefined, () => blobs.node(digest));
  return new StoredDirectory(new Manifest(await blobs.node(root), load), new BlobContents(blobs, calls));
}

/** Every file is one blob, of whatever size: the lists of chunks that its manifest names are not kept here. */
class BlobContents implements DirectoryContents {
  readonly #blobs: VersionBlobs;
  readonly #calls: Calls;

  constructor(blobs: VersionBlobs, calls: Calls) {
    this.#blobs = blobs;
    this.#calls = calls;
  }

  bytes({ digest, size }: FileContent, range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    const span = checkedRange(range, size);
    return this.#calls.read(options, async () => {
      if (span.end - span.start > LOADED_BYTES_MAX) throw tooLarge(span.end - span.start);
      return this.#blobs.get(digest, size, span, options);
    });
  }

  stream({ digest, size }: FileContent, range?: ByteRange, options?: CallOptions): AsyncIterable<Uint8Array> {
    const span = checkedRange(range, size);
    return this.#calls.iterate(options, () => this.#blobs.pieces(digest, size, span, options));
  }
}
