import type { ByteRange, CallOptions, Directory } from "../api.ts";
import type { Span, ValueSource } from "../artifact.ts";
import { checkedRange } from "../artifact.ts";
import type { CallGuard } from "../call-guard.ts";
import { signalOf } from "../call-options.ts";
import type { CodecRegistry } from "../codec/codec.ts";
import type { DirectoryContents } from "../directory/contents.ts";
import { StoredDirectory } from "../directory/directory.ts";
import type { FileContent } from "../directory/entry.ts";
import { latin1 } from "../directory/format.ts";
import { VarveError } from "../errors.ts";
import { LOADED_BYTES_MAX, tooLarge } from "../large/chunk-reader.ts";
import type { BackendPlace } from "../ports/storage-backend.ts";
import { writeFileAtomically } from "../write-file.ts";
import { checkedPieces, type Expected } from "./check.ts";
import type { BackendConnection } from "./connection.ts";
import { decodeKept, type Kept, type KeptFolder, type KeptVersion, MODEL_FILE } from "./kept.ts";
import { manifestOf } from "./manifest.ts";
import { changedThere, noBytes, removedThere } from "./refusals.ts";

type Calls = Pick<CallGuard, "read" | "iterate">;

/** A file of a version, as its row tells of it. */
interface WantedFile extends Expected {
  path: string;
}

/** Reads the values that a backend keeps. Whatever is given was compared with the digest. */
export class KeptValues implements ValueSource<KeptVersion> {
  readonly #connection: BackendConnection;
  readonly #codecs: CodecRegistry;
  readonly #calls: Calls;

  constructor(connection: BackendConnection, codecs: CodecRegistry, calls: Calls) {
    this.#connection = connection;
    this.#codecs = codecs;
    this.#calls = calls;
  }

  async decode(version: KeptVersion, options?: CallOptions): Promise<unknown> {
    const kept = decodeKept(version);
    if (kept.folder) return this.#directory(version, kept, kept.folder);
    const bytes = await this.#whole(version, kept, options);
    return this.#codecs.forStored(version.mediaType).decode(bytes);
  }

  value(version: KeptVersion, options?: CallOptions): Promise<unknown> {
    return this.#calls.read(options, () => this.decode(version, options));
  }

  bytes(version: KeptVersion, span: Span, options?: CallOptions): Promise<Uint8Array> {
    return this.#calls.read(options, async () => {
      const { place } = fileOf(version);
      return collected(span, this.filePieces(version, place, onlyFile(version), span, options));
    });
  }

  async *pieces(version: KeptVersion, span: Span, options?: CallOptions): AsyncGenerator<Uint8Array> {
    const { place } = fileOf(version);
    const total = span.end - span.start;
    let done = 0;
    const pieces = this.#calls.iterate(options, () =>
      this.filePieces(version, place, onlyFile(version), span, options),
    );
    for await (const piece of pieces) {
      done += piece.length;
      options?.onProgress?.({ phase: "reading", done, total, unit: "bytes" });
      yield piece;
    }
  }

  async writeTo(version: KeptVersion, path: string, options?: CallOptions): Promise<void> {
    const kept = decodeKept(version);
    if (kept.folder) return this.#directory(version, kept, kept.folder).writeTo(path, options);
    return writeFileAtomically(path, this.pieces(version, { start: 0, end: version.size }, options));
  }

  /** What a span of a file has, compared with the digest of all of it. @throws CORRUPTION, NOT_FOUND */
  async *filePieces(
    version: Pick<KeptVersion, "name" | "version">,
    place: BackendPlace,
    file: WantedFile,
    span: Span,
    options?: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    if (span.start === span.end && file.size > 0) return;
    const ref = `${version.name}:${version.version}`;
    const backend = await this.#connection.of(place);
    try {
      const pieces = backend.pieces(place, file.path, signalOf(options));
      yield* checkedPieces(pieces, file, span, () => changedThere(ref, file.path));
    } catch (error) {
      throw isNotFound(error) ? removedThere(ref, error) : error;
    }
  }

  async #whole(version: KeptVersion, { place }: Kept, options?: CallOptions): Promise<Uint8Array> {
    const span = { start: 0, end: version.size };
    return collected(span, this.filePieces(version, place, onlyFile(version), span, options));
  }

  #directory(version: KeptVersion, { place }: Kept, folder: KeptFolder): Directory {
    const { manifest, digest } = manifestOf(folder);
    if (Buffer.compare(digest, version.digest) !== 0) throw otherList(version);
    const pieces: FilePieces = (file, span, options) => this.filePieces(version, place, file, span, options);
    return new StoredDirectory(manifest, new KeptContents(folder, pieces, this.#calls));
  }
}

type FilePieces = (file: WantedFile, span: Span, options?: CallOptions) => AsyncGenerator<Uint8Array>;

/** Files of a folder, each by the first path that has those bytes. */
class KeptContents implements DirectoryContents {
  readonly #paths = new Map<string, string>();
  readonly #pieces: FilePieces;
  readonly #calls: Calls;

  constructor({ files }: KeptFolder, pieces: FilePieces, calls: Calls) {
    for (const { digest, path } of files) {
      const key = latin1(digest);
      if (!this.#paths.has(key)) this.#paths.set(key, path);
    }
    this.#pieces = pieces;
    this.#calls = calls;
  }

  bytes(file: FileContent, range?: ByteRange, options?: CallOptions): Promise<Uint8Array> {
    const span = checkedRange(range, file.size);
    return this.#calls.read(options, () => collected(span, this.#pieces(this.#wanted(file), span, options)));
  }

  stream(file: FileContent, range?: ByteRange, options?: CallOptions): AsyncIterable<Uint8Array> {
    const span = checkedRange(range, file.size);
    return this.#calls.iterate(options, () => this.#pieces(this.#wanted(file), span, options));
  }

  #wanted({ digest, size }: FileContent): WantedFile {
    return { path: this.#paths.get(latin1(digest))!, digest, size };
  }
}

/** @throws INVALID_ARGUMENT for a folder */
function fileOf(version: KeptVersion): Kept {
  const kept = decodeKept(version);
  if (kept.folder) throw noBytes();
  return kept;
}

function onlyFile({ digest, size }: KeptVersion): WantedFile {
  return { path: MODEL_FILE, digest, size };
}

async function collected(span: Span, pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const size = span.end - span.start;
  if (size > LOADED_BYTES_MAX) throw tooLarge(size);
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function otherList({ name, version }: KeptVersion): VarveError {
  return new VarveError(
    "CORRUPTION",
    `the list of files of ${name}:${version} is not the one that was saved`,
    {
      hint: "put the metadata back from a backup",
      details: { ref: `${name}:${version}` },
    },
  );
}

export function isNotFound(error: unknown): boolean {
  return error instanceof VarveError && error.code === "NOT_FOUND";
}
