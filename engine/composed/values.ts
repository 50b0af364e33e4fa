import type { CallOptions, Directory } from "../api.ts";
import type { Span } from "../artifact.ts";
import type { KeptVersion } from "../backend/kept.ts";
import { noBytes } from "../backend/refusals.ts";
import type { KeptValues } from "../backend/values.ts";
import type { CallGuard } from "../call-guard.ts";
import type { CodecRegistry } from "../codec/codec.ts";
import { LOADED_BYTES_MAX, tooLarge } from "../large/chunk-reader.ts";
import { MEDIA_TYPE_DIRECTORY } from "../large/directory-source.ts";
import type { BlobStore } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import { writeFileAtomically } from "../write-file.ts";
import type { BlobSource, StoredBlob } from "./artifact.ts";
import { openDirectory } from "./directory-source.ts";
import { VersionBlobs } from "./version-blobs.ts";

/** Reads the values of versions from blobs: whole or in parts, decoded or as bytes. */
export class BlobValues implements BlobSource {
  readonly #metadata: MetadataStore;
  readonly #blobs: BlobStore;
  readonly #codecs: CodecRegistry;
  readonly #calls: Pick<CallGuard, "read" | "iterate">;
  readonly #kept: KeptValues;

  /** @param calls how calls are counted, and tried again where that helps */
  constructor(
    metadata: MetadataStore,
    blobs: BlobStore,
    codecs: CodecRegistry,
    calls: Pick<CallGuard, "read" | "iterate">,
    kept: KeptValues,
  ) {
    this.#metadata = metadata;
    this.#blobs = blobs;
    this.#codecs = codecs;
    this.#calls = calls;
    this.#kept = kept;
  }

  async decode(stored: StoredBlob, options?: CallOptions): Promise<unknown> {
    if (isInBackend(stored)) return this.#kept.decode(stored, options);
    if (isDirectory(stored)) return this.#directory(stored);
    const { digest, size, mediaType } = stored;
    if (size > LOADED_BYTES_MAX) throw tooLarge(size);
    const bytes = await this.#of(stored).get(digest, size, { start: 0, end: size }, options);
    return this.#codecs.forStored(mediaType).decode(bytes);
  }

  value(stored: StoredBlob, options?: CallOptions): Promise<unknown> {
    return this.#calls.read(options, () => this.decode(stored, options));
  }

  bytes(stored: StoredBlob, span: Span, options?: CallOptions): Promise<Uint8Array> {
    if (isInBackend(stored)) return this.#kept.bytes(stored, span, options);
    return this.#calls.read(options, async () => {
      if (isDirectory(stored)) throw noBytes();
      if (span.end - span.start > LOADED_BYTES_MAX) throw tooLarge(span.end - span.start);
      return this.#of(stored).get(stored.digest, stored.size, span, options);
    });
  }

  async *pieces(stored: StoredBlob, span: Span, options?: CallOptions): AsyncGenerator<Uint8Array> {
    if (isInBackend(stored)) return yield* this.#kept.pieces(stored, span, options);
    if (isDirectory(stored)) throw noBytes();
    const total = span.end - span.start;
    let done = 0;
    const { digest, size } = stored;
    const pieces = this.#calls.iterate(options, () => this.#of(stored).pieces(digest, size, span, options));
    for await (const piece of pieces) {
      done += piece.length;
      options?.onProgress?.({ phase: "reading", done, total, unit: "bytes" });
      yield piece;
    }
  }

  async writeTo(stored: StoredBlob, path: string, options?: CallOptions): Promise<void> {
    if (isInBackend(stored)) return this.#kept.writeTo(stored, path, options);
    if (isDirectory(stored)) {
      const directory = await this.#calls.read(options, () => this.#directory(stored));
      return directory.writeTo(path, options);
    }
    return writeFileAtomically(path, this.pieces(stored, { start: 0, end: stored.size }, options));
  }

  #directory(stored: StoredBlob): Promise<Directory> {
    return openDirectory(this.#of(stored), this.#calls, stored.digest);
  }

  #of(stored: StoredBlob): VersionBlobs {
    return new VersionBlobs(this.#metadata, this.#blobs, stored);
  }
}

function isInBackend(stored: StoredBlob): stored is StoredBlob & KeptVersion {
  return stored.kept !== undefined;
}

export function isDirectory({ mediaType }: Pick<StoredBlob, "mediaType">): boolean {
  return mediaType === MEDIA_TYPE_DIRECTORY;
}
