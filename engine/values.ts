import type { CallOptions, Directory } from "./api.ts";
import type { Span, StoredValue, ValueSource } from "./artifact.ts";
import { isChunked, isElsewhere, isPlain } from "./artifact-record.ts";
import type { KeptVersion } from "./backend/kept.ts";
import { noBytes } from "./backend/refusals.ts";
import type { KeptValues } from "./backend/values.ts";
import type { CallGuard } from "./call-guard.ts";
import { decodeValueWithin } from "./codec/cbor.ts";
import type { CodecRegistry } from "./codec/codec.ts";
import type { EngineCore } from "./engine.ts";
import type { Row } from "./index/rows.ts";
import type { ChunkedValue } from "./large/chunk-reader.ts";
import { bytesInChunks, chunksIn, reusedMemory, wholeValue } from "./large/chunk-reader.ts";
import { MEDIA_TYPE_DIRECTORY, openDirectory } from "./large/directory-source.ts";
import { keptElsewhere } from "./refusals.ts";
import { writeFileAtomically } from "./write-file.ts";

const PIECE_BYTES = 64 * 1024;

/** Reads the values of versions: whole or in parts, decoded or as bytes. */
export class Values implements ValueSource {
  readonly #core: EngineCore;
  readonly #codecs: CodecRegistry;
  readonly #calls: Pick<CallGuard, "read" | "iterate">;
  readonly #kept: KeptValues | undefined;

  /**
   * @param calls how calls are counted, and tried again where that helps
   * @param kept those that a storage backend keeps
   */
  constructor(
    core: EngineCore,
    codecs: CodecRegistry,
    calls: Pick<CallGuard, "read" | "iterate">,
    kept?: KeptValues,
  ) {
    this.#core = core;
    this.#codecs = codecs;
    this.#calls = calls;
    this.#kept = kept;
  }

  /** Structured data in one blob. */
  decodePlain(row: Row): unknown {
    return this.#core.decodedBlob(row, decodeValueWithin);
  }

  async decode(stored: StoredValue, options?: CallOptions): Promise<unknown> {
    const { row, mediaType } = stored;
    if (isElsewhere(row)) return this.#elsewhere(stored, (kept, version) => kept.decode(version, options));
    if (isDirectory(stored)) return this.#directory(stored);
    if (isPlain(row)) return this.decodePlain(row);
    const codec = this.#codecs.forStored(mediaType);
    return codec.decode(
      isChunked(row)
        ? await wholeValue(this.#core, chunkedValue(stored), options?.signal)
        : await this.#core.blob(row),
    );
  }

  value(stored: StoredValue, options?: CallOptions): Promise<unknown> {
    return this.#calls.read(options, () => this.decode(stored, options));
  }

  #directory(stored: StoredValue): Promise<Directory> {
    return openDirectory(this.#core, this.#calls, chunkedValue(stored));
  }

  bytes(stored: StoredValue, span: Span, options?: CallOptions): Promise<Uint8Array> {
    if (isElsewhere(stored.row))
      return this.#elsewhere(stored, (kept, version) => kept.bytes(version, span, options));
    return this.#calls.read(options, async () => {
      if (isDirectory(stored)) throw noBytes();
      if (isChunked(stored.row))
        return bytesInChunks(this.#core, chunkedValue(stored), span, options?.signal);
      const bytes = await this.#core.blob(stored.row);
      // A copy, since the bytes of a large blob may be shared by all who read it.
      return new Uint8Array(bytes.subarray(span.start, span.end));
    });
  }

  async *pieces(stored: StoredValue, span: Span, options?: CallOptions): AsyncGenerator<Uint8Array> {
    if (isElsewhere(stored.row))
      return yield* this.#elsewhere(stored, (kept, version) => kept.pieces(version, span, options));
    yield* told(this.#pieces(stored, span, options), span, options);
  }

  /** @param isReused whether a piece may be gone when the next is asked for */
  async *#pieces(
    stored: StoredValue,
    span: Span,
    options?: CallOptions,
    isReused = false,
  ): AsyncGenerator<Uint8Array> {
    if (isDirectory(stored)) throw noBytes();
    if (isChunked(stored.row)) {
      const { signal } = options ?? {};
      // Memory of its own each time that it begins: what was begun before may still be read.
      yield* this.#calls.iterate(options, () =>
        chunksIn(this.#core, chunkedValue(stored), span, {
          signal,
          memoryFor: isReused ? reusedMemory() : undefined,
        }),
      );
      return;
    }
    const bytes = await this.bytes(stored, span, options);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.slice(at, at + PIECE_BYTES);
  }

  async writeTo(stored: StoredValue, path: string, options?: CallOptions): Promise<void> {
    if (isElsewhere(stored.row))
      return this.#elsewhere(stored, (kept, version) => kept.writeTo(version, path, options));
    if (isDirectory(stored)) {
      const directory = await this.#calls.read(options, () => this.#directory(stored));
      return directory.writeTo(path, options);
    }
    const span = { start: 0, end: stored.size };
    return writeFileAtomically(path, told(this.#pieces(stored, span, options, true), span, options));
  }

  /** @throws CONFIG where the store does not know where it is */
  #elsewhere<T>(stored: StoredValue, read: (kept: KeptValues, version: KeptVersion) => T): T {
    if (!this.#kept || !stored.kept) throw keptElsewhere();
    return read(this.#kept, stored.kept);
  }
}

/** The pieces of a span, each told to who follows. */
async function* told(
  pieces: AsyncGenerator<Uint8Array>,
  { start, end }: Span,
  options?: CallOptions,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const piece of pieces) {
    done += piece.length;
    options?.onProgress?.({ phase: "reading", done, total: end - start, unit: "bytes" });
    yield piece;
  }
}

function isDirectory({ row, mediaType }: StoredValue): boolean {
  return isChunked(row) && mediaType === MEDIA_TYPE_DIRECTORY;
}

function chunkedValue({ row, placeOf, size }: StoredValue): ChunkedValue {
  return { root: row.references[0]!, place: row.blob, placeOf, size };
}
