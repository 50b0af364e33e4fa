import type { CallOptions } from "../api.ts";
import { digestText } from "../blob/digest.ts";
import { CallGuard } from "../call-guard.ts";
import { WHOLE_BYTES_MAX } from "../chunk/chunks.ts";
import type { EngineCore } from "../engine.ts";
import { readOnlyError, VarveError } from "../errors.ts";
import type { Row } from "../index/rows.ts";
import { bytesInChunks, chunksIn } from "../large/chunk-reader.ts";
import { putPart } from "../large/part.ts";
import type { WrittenBytes } from "../large/save-large.ts";
import { saveLarge } from "../large/save-large.ts";
import { checksum } from "../log/checksum.ts";
import { nodeFileSystem } from "../log/file.ts";
import { logFolder } from "../maintenance/home.ts";
import { readIdentity } from "../maintenance/identity.ts";
import type { CoreHandle, OpenOptions } from "../open.ts";
import { openCore } from "../open.ts";
import type { BlobFacts, BlobSpan, BlobStore, Digest, ListedBlob } from "../ports/blob-store.ts";
import type { Transaction } from "../transaction.ts";
import type { BlobContent } from "./blob-rows.ts";
import { blobKey, putBlobRow, readBlobRow } from "./blob-rows.ts";
import { collectDead, listBlobs, removeBlobs } from "./log-blobs-space.ts";

const APPLICATION = "valuelog";
/** A put of what is there already is noted in the log no oftener. */
const PUT_AT_SLACK_MILLISECONDS = 60_000;
const PIECE_BYTES = 1024 * 1024;
const STORE_ID = /^[0-9a-f]{32}$/;

export interface LogBlobsOptions extends Omit<OpenOptions, "application" | "familyOf"> {
  durability?: "durable" | "buffered";
}

/**
 * Opens the log of values in a home, making it when there is none.
 * @throws as `openStore`; CONFIG where the home is that of an artifact store with metadata
 */
export async function openLogBlobs(home: string, options: LogBlobsOptions = {}): Promise<LogBlobs> {
  const { durability, storeId, ...rest } = options;
  if (storeId !== undefined && !STORE_ID.test(storeId)) throw noStoreId(storeId);
  const given = { ...rest, ...(storeId !== undefined && { storeId }) };
  const handle = await openCore(home, { application: APPLICATION, ...given });
  return new LogBlobs(handle, { durable: durability !== "buffered", readOnly: options.readOnly ?? false });
}

/** Whose values are in a home, as `LogBlobs.storeId` will say; undefined when there is no log. Opens nothing for long. */
export function storeIdOfLog(home: string): string | undefined {
  const files = nodeFileSystem;
  if (!files.exists(logFolder(home))) return undefined;
  return readIdentity({ files, folder: home, application: APPLICATION })?.storeId;
}

/**
 * Blobs in the log of a home, without any metadata beside them: each is needed by a row under its digest. Those above 1 MiB are in
 * chunks, as the values of the embedded store are, so that blobs with parts in common share them.
 */
export class LogBlobs implements BlobStore {
  readonly capabilities = {
    name: "log",
    sharesChunks: true,
    isRemote: false,
    putAtSlackMilliseconds: PUT_AT_SLACK_MILLISECONDS,
    // All that are under way are one write.
    putsAtOnce: 1_000,
  };
  readonly #handle: CoreHandle;
  readonly #core: EngineCore;
  readonly #durable: boolean;
  readonly #readOnly: boolean;
  readonly #calls: CallGuard;

  constructor(handle: CoreHandle, { durable, readOnly }: { durable: boolean; readOnly: boolean }) {
    this.#handle = handle;
    this.#core = handle.core;
    this.#durable = durable;
    this.#readOnly = readOnly;
    this.#calls = new CallGuard("log of values", () => this.#core.heal());
  }

  get location(): string {
    return this.#core.folder;
  }

  /** A log is one store's from its first segment on. */
  storeId(): Promise<string> {
    return this.#calls.read(undefined, () => this.#core.identity.storeId);
  }

  bind(storeId: string): Promise<void> {
    return this.#calls.run(undefined, async () => {
      const { storeId: own } = this.#core.identity;
      if (storeId !== own) throw othersValues(this.location, own);
    });
  }

  now(options?: CallOptions): Promise<number> {
    return this.#calls.read(options, () => this.#core.now());
  }

  put(bytes: Uint8Array, digest: Digest, options: CallOptions = {}): Promise<void> {
    return this.#change(options, () => {
      if (bytes.length > WHOLE_BYTES_MAX) return this.#putLarge(bytes, digest, options);
      return this.#putSmall(bytes, Buffer.from(digest));
    });
  }

  /** One batch; all that are put at the same time go to the disk together. */
  #putSmall(bytes: Uint8Array, digest: Buffer): Promise<void> {
    const { salt } = this.#core;
    const blob = { digest, bytes, salt, checksum: checksum(bytes, salt) };
    const content = { size: bytes.length, reference: digest, isChunked: false };
    const run = (transaction: Transaction) => {
      transaction.putBlob(blob);
      putBlobRow(transaction, digest, content, PUT_AT_SLACK_MILLISECONDS);
    };
    return this.#core.commit({ run, bytes: bytes.length, durable: this.#durable });
  }

  async #putLarge(bytes: Uint8Array, digest: Digest, options: CallOptions): Promise<void> {
    await this.#save({ from: bytes, isForeign: true }, options, (written) => {
      if (!written.digest.equals(digest)) throw otherBytes(digest);
    });
  }

  putPieces(pieces: AsyncIterable<Uint8Array>, options: CallOptions = {}): Promise<BlobFacts> {
    return this.#change(options, () => this.#save({ from: pieces, isForeign: false }, options));
  }

  #save(
    value: { from: Uint8Array | AsyncIterable<Uint8Array>; isForeign: boolean },
    options: CallOptions,
    check?: (written: WrittenBytes) => void,
  ): Promise<BlobFacts> {
    const settings = { durable: this.#durable, room: () => undefined };
    const refer = (written: WrittenBytes) => {
      check?.(written);
      return (transaction: Transaction) => putWritten(transaction, written);
    };
    return saveLarge({ core: this.#core, settings, value, refer }, options);
  }

  get(digest: Digest, size: number, span?: BlobSpan, options?: CallOptions): Promise<Uint8Array> {
    return this.#calls.read(options, async () => {
      const { row, content } = await this.#find(digest, size);
      const { start, end } = span ?? { start: 0, end: size };
      if (content.isChunked)
        return bytesInChunks(this.#core, chunked(row, content), { start, end }, options?.signal);
      // Those of a small one may be in the cache: a copy is given out.
      return this.#core.decodedBlob(
        row,
        (memory, from) => new Uint8Array(memory.subarray(from + start, from + end)),
      );
    });
  }

  async *pieces(
    digest: Digest,
    size: number,
    span: BlobSpan = { start: 0, end: size },
    options?: CallOptions,
  ): AsyncGenerator<Uint8Array> {
    const begin = async function* (this: LogBlobs): AsyncGenerator<Uint8Array> {
      const { row, content } = await this.#find(digest, size);
      if (content.isChunked) {
        const { signal } = options ?? {};
        if (span.start < span.end) yield* chunksIn(this.#core, chunked(row, content), span, { signal });
        return;
      }
      const bytes = (await this.#core.blob(row)).subarray(span.start, span.end);
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
    };
    yield* this.#calls.iterate(options, () => begin.call(this));
  }

  sizeOf(digest: Digest, options?: CallOptions): Promise<number | undefined> {
    return this.#calls.read(options, async () => {
      const key = blobKey(digest);
      const row = this.#core.row(key);
      if (!row) return undefined;
      await this.#core.settle(row);
      return readBlobRow(key, row)?.size;
    });
  }

  list(options?: CallOptions): AsyncIterable<ListedBlob> {
    return this.#calls.iterateAll(options, () => listBlobs(this.#core));
  }

  remove(digests: readonly Digest[], putBefore: number, options: CallOptions = {}): Promise<Digest[]> {
    return this.#change(options, () => removeBlobs(this.#core, digests, putBefore, this.#durable, options));
  }

  /** What interrupted calls left behind is told from what runs by whether its process is there still, not by its age. */
  collect(_before: number, options: CallOptions = {}): Promise<number> {
    return this.#change(options, () => collectDead(this.#core, options));
  }

  space(): Promise<number> {
    return this.#calls.read(undefined, () => {
      const { logBytes, indexBytes } = this.#core.fileSpace();
      return logBytes + indexBytes;
    });
  }

  close(): Promise<void> {
    return this.#calls.close(() => this.#handle.release());
  }

  /** @throws NOT_FOUND, CORRUPTION */
  async #find(digest: Digest, size: number): Promise<{ row: Row; content: BlobContent }> {
    const key = blobKey(digest);
    const row = this.#core.row(key);
    if (!row) throw notThere(digest);
    await this.#core.settle(row);
    const content = readBlobRow(key, row);
    if (!content) throw damaged(digest, "the record that tells where it is can't be read");
    if (content.size !== size) throw damaged(digest, `it has ${content.size} bytes instead of ${size}`);
    return { row, content };
  }

  #change<T>(options: CallOptions, action: () => Promise<T>): Promise<T> {
    return this.#calls.run(options, () => {
      if (this.#readOnly) throw readOnlyError();
      return action();
    });
  }
}

function chunked(row: Row, { reference, size }: BlobContent) {
  return { root: reference, place: row.blob, size };
}

/** Under the lock, when all but the last part is written. */
function putWritten(transaction: Transaction, { blob, isChunked, digest, size }: WrittenBytes): BlobFacts {
  putPart(transaction, blob);
  const content = { size, reference: blob.digest, isChunked };
  putBlobRow(transaction, digest, content, PUT_AT_SLACK_MILLISECONDS);
  return { digest, size };
}

function notThere(digest: Digest): VarveError {
  return new VarveError("NOT_FOUND", `there is no blob ${digestText(digest)}`, {
    hint: "its bytes may have been removed; `varve verify` lists what is missing",
  });
}

function damaged(digest: Digest, what: string): VarveError {
  return new VarveError("CORRUPTION", `the blob ${digestText(digest)} is damaged: ${what}`, {
    hint: "saving the same bytes again repairs it; other values stay readable",
  });
}

function otherBytes(digest: Digest): VarveError {
  return new VarveError("CONFLICT", `the bytes are not those of ${digestText(digest)} any more`, {
    hint: "leave bytes above 1 MiB unchanged until the promise settles, or save a copy of them",
  });
}

function othersValues(location: string, own: string): VarveError {
  return new VarveError("CONFIG", `the values in ${location} are those of another store (${own})`, {
    hint: "give the database that belongs to them, or another home",
  });
}

function noStoreId(storeId: string): VarveError {
  return new VarveError("CONFIG", `not the id of a store: ${JSON.stringify(storeId)}`, {
    hint: "it is 32 hexadecimal digits",
  });
}
