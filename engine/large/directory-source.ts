import type { ByteRange, CallOptions, Directory } from "../api.ts";
import { checkedRange } from "../artifact.ts";
import type { CallGuard } from "../call-guard.ts";
import { decodeNode, referencesOf } from "../chunk/node.ts";
import type { DirectoryContents } from "../directory/contents.ts";
import { StoredDirectory } from "../directory/directory.ts";
import type { FileContent } from "../directory/entry.ts";
import { Manifest } from "../directory/manifest.ts";
import type { ManifestNode } from "../directory/node.ts";
import type { EngineCore } from "../engine.ts";
import type { RecordPlace } from "../log/reader.ts";
import type { ChunkedValue } from "./chunk-reader.ts";
import { bytesInChunks, chunksIn, orGone } from "./chunk-reader.ts";

/** The media type of a tree of files that was saved as one artifact. */
export const MEDIA_TYPE_DIRECTORY = "application/vnd.varve.directory";

type Calls = Pick<CallGuard, "read" | "iterate">;

/** @param before where it lay in the state that is read; @throws CORRUPTION */
export async function loadNode(
  core: EngineCore,
  digest: Uint8Array,
  before?: RecordPlace,
): Promise<ManifestNode> {
  const node = decodeNode(await core.blobByDigest(Buffer.from(digest), before));
  return { references: referencesOf(node), content: node.content };
}

/** A saved directory, read as it is asked for. @param value whose root is that of the manifest */
export async function openDirectory(core: EngineCore, calls: Calls, value: ChunkedValue): Promise<Directory> {
  const contents = new StoredContents(core, calls, value);
  const load = (digest: Uint8Array) => calls.read(undefined, () => contents.node(digest));
  return new StoredDirectory(new Manifest(await contents.node(value.root), load), contents);
}

/** Files are blobs, or values in chunks. */
class StoredContents implements DirectoryContents {
  readonly #core: EngineCore;
  readonly #calls: Calls;
  readonly #tree: ChunkedValue;

  constructor(core: EngineCore, calls: Calls, tree: ChunkedValue) {
    this.#core = core;
    this.#calls = calls;
    this.#tree = tree;
  }

  async node(digest: Uint8Array): Promise<ManifestNode> {
    try {
      return await loadNode(this.#core, digest, this.#before(digest));
    } catch (error) {
      throw orGone(this.#core, this.#tree.root, error);
    }
  }

  bytes(file: FileContent, range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    const span = checkedRange(range, file.size);
    return this.#calls.read(options, async () => {
      if (file.root) return bytesInChunks(this.#core, this.#inChunks(file, file.root), span, options?.signal);
      const bytes = await this.#blob(file.digest);
      return new Uint8Array(bytes.subarray(span.start, span.end));
    });
  }

  async *stream(file: FileContent, range?: ByteRange, options?: CallOptions): AsyncGenerator<Uint8Array> {
    const { root } = file;
    if (!root) return yield await this.bytes(file, range, options);
    const span = checkedRange(range, file.size);
    yield* this.#calls.iterate(options, () =>
      chunksIn(this.#core, this.#inChunks(file, root), span, { signal: options?.signal }),
    );
  }

  async #blob(digest: Uint8Array): Promise<Buffer> {
    try {
      return await this.#core.blobByDigest(Buffer.from(digest), this.#before(digest));
    } catch (error) {
      throw orGone(this.#core, this.#tree.root, error);
    }
  }

  #inChunks({ size }: FileContent, root: Uint8Array): ChunkedValue {
    return { root: Buffer.from(root), place: this.#before(root), placeOf: this.#tree.placeOf, size };
  }

  #before(digest: Uint8Array): RecordPlace | undefined {
    const { root, place, placeOf } = this.#tree;
    return root.equals(digest) ? place : placeOf?.(Buffer.from(digest));
  }
}
