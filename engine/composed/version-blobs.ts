import type { CallOptions } from "../api.ts";
import { decodeNode, referencesOf } from "../chunk/node.ts";
import type { ManifestNode } from "../directory/node.ts";
import { VarveError } from "../errors.ts";
import { goneSince } from "../not-found.ts";
import type { BlobSpan, BlobStore, Digest } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";

/** The nodes of a manifest are blobs; nothing but themselves tells how long they are. @throws NOT_FOUND, CORRUPTION */
export async function readNode(blobs: BlobStore, digest: Digest): Promise<ManifestNode> {
  const size = await blobs.sizeOf(digest);
  if (size === undefined) {
    throw new VarveError("NOT_FOUND", "a part of the manifest of a directory is not there", {
      hint: "`varve verify` says what is missing, `varve repair` takes sound copies from elsewhere",
    });
  }
  const node = decodeNode(await blobs.get(digest, size));
  return { references: referencesOf(node), content: node.content };
}

/** The blobs of one version. What is missing of a version that was deleted, and collected, since it was looked up is no damage. */
export class VersionBlobs {
  readonly #metadata: MetadataStore;
  readonly #blobs: BlobStore;
  readonly #name: string;
  readonly #version: number;

  constructor(metadata: MetadataStore, blobs: BlobStore, of: { name: string; version: number }) {
    this.#metadata = metadata;
    this.#blobs = blobs;
    this.#name = of.name;
    this.#version = of.version;
  }

  async get(digest: Digest, size: number, span: BlobSpan, options?: CallOptions): Promise<Uint8Array> {
    if (span.start === span.end && size > 0) return new Uint8Array();
    try {
      return await this.#blobs.get(digest, size, partOf(span, size), options);
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  async *pieces(
    digest: Digest,
    size: number,
    span: BlobSpan,
    options?: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    if (span.start === span.end && size > 0) return;
    try {
      yield* this.#blobs.pieces(digest, size, partOf(span, size), options);
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  async node(digest: Digest): Promise<ManifestNode> {
    try {
      return await readNode(this.#blobs, digest);
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  async #explained(error: unknown): Promise<unknown> {
    if (!(error instanceof VarveError) || error.code !== "NOT_FOUND") return error;
    const record = await this.#metadata.at(this.#name, this.#version);
    if (!record || record.isForgotten) return goneSince(error);
    return missingBytes(`${this.#name}:${this.#version}`, this.#blobs.location, error);
  }
}

export function missingBytes(ref: string, location: string, cause?: unknown): VarveError {
  return new VarveError("CORRUPTION", `bytes of ${ref} are not in ${location}`, {
    hint: "`varve verify` lists all damage, `varve repair` takes sound copies from elsewhere; other artifacts stay readable",
    details: { ref },
    cause,
  });
}

/** Of all, the digest is compared. */
function partOf(span: BlobSpan, size: number): BlobSpan | undefined {
  return span.start === 0 && span.end === size ? undefined : span;
}
