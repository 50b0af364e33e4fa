import type { ByteRange, CallOptions, Directory } from "../api.ts";
import { checkedRange } from "../artifact.ts";
import type { CallGuard } from "../call-guard.ts";
import { decodeNode, digestAt } from "../chunk/node.ts";
import type { DirectoryContents } from "../directory/contents.ts";
import { StoredDirectory } from "../directory/directory.ts";
import type { FileContent } from "../directory/entry.ts";
import { Manifest } from "../directory/manifest.ts";
import type { ManifestNode } from "../directory/node.ts";
import type { EngineCore } from "../engine.ts";
import { bytesInChunks, chunksIn } from "./chunk-reader.ts";

/** The media type of a tree of files that was saved as one artifact. */
export const MEDIA_TYPE_DIRECTORY = "application/vnd.varve.directory";

type Calls = Pick<CallGuard, "read" | "iterate">;

/** @throws CORRUPTION */
export async function loadNode(core: EngineCore, digest: Uint8Array): Promise<ManifestNode> {
  const { count, digests, content } = decodeNode(await core.blobByDigest(Buffer.from(digest)));
  return { references: Array.from({ length: count }, (_, i) => digestAt(digests, i)), content };
}

/** A saved directory, read as it is asked for. @param root of its manifest */
export async function openDirectory(core: EngineCore, calls: Calls, root: Buffer): Promise<Directory> {
  const load = (digest: Uint8Array) => calls.read(undefined, () => loadNode(core, digest));
  return new StoredDirectory(new Manifest(await loadNode(core, root), load), new StoredContents(core, calls));
}

/** Files are blobs, or values in chunks. */
class StoredContents implements DirectoryContents {
  readonly #core: EngineCore;
  readonly #calls: Calls;

  constructor(core: EngineCore, calls: Calls) {
    this.#core = core;
    this.#calls = calls;
  }

  bytes(file: FileContent, range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    const span = checkedRange(range, file.size);
    return this.#calls.read(options, async () => {
      if (file.root) return bytesInChunks(this.#core, chunkedValue(file.root, file), span, options?.signal);
      const bytes = await this.#core.blobByDigest(Buffer.from(file.digest));
      return new Uint8Array(bytes.subarray(span.start, span.end));
    });
  }

  async *stream(file: FileContent, range?: ByteRange, options?: CallOptions): AsyncGenerator<Uint8Array> {
    const span = checkedRange(range, file.size);
    const { root } = file;
    if (!root) yield await this.bytes(file, range, options);
    else
      yield* this.#calls.iterate(options, () =>
        chunksIn(this.#core, chunkedValue(root, file), span, options?.signal),
      );
  }
}

function chunkedValue(root: Uint8Array, { size }: FileContent) {
  return { root: Buffer.from(root), size };
}
