import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { BlobSpan, CallOptions, Digest } from "../../../engine/main.ts";
import { throwIfAborted, VarveError } from "../../../engine/main.ts";
import { hex } from "./layout.ts";

const PIECE_BYTES = 1024 * 1024;
/** More would have to be in memory at once. */
const GIVEN_BYTES_MAX = 1024 * 1024 * 1024;

/** A blob that is open to be read. */
export interface OpenBlob {
  file: FileHandle;
  path: string;
  digest: Digest;
  size: number;
}

/** @throws CORRUPTION when it has another length than it should have */
export async function checkLength({ file, path, size }: OpenBlob): Promise<void> {
  const found = await file.stat();
  if (!found.isFile()) throw damaged(path, "it is no file");
  if (found.size !== size) throw damaged(path, `it has ${found.size} bytes instead of ${size}`);
}

export async function readSpan(blob: OpenBlob, span: BlobSpan, options?: CallOptions): Promise<Uint8Array> {
  const length = span.end - span.start;
  if (length > GIVEN_BYTES_MAX) throw tooLong(length);
  const bytes = new Uint8Array(length);
  let at = 0;
  const into = (piece: number) => bytes.subarray(at, at + piece);
  for await (const piece of pieces(blob, span, into, options)) at += piece.length;
  return bytes;
}

export function piecesOfSpan(
  blob: OpenBlob,
  span: BlobSpan,
  options?: CallOptions,
): AsyncGenerator<Uint8Array> {
  return pieces(blob, span, (length) => new Uint8Array(length), options);
}

/**
 * Where all is asked for it is compared with the digest, before the last piece is given.
 * @param memory for so many bytes
 */
async function* pieces(
  blob: OpenBlob,
  { start, end }: BlobSpan,
  memory: (length: number) => Uint8Array,
  options?: CallOptions,
): AsyncGenerator<Uint8Array> {
  const digest = start === 0 && end === blob.size ? createHash("sha256") : undefined;
  for (let at = start; at < end; ) {
    throwIfAborted(options?.signal);
    const piece = memory(Math.min(PIECE_BYTES, end - at));
    await readAll(blob, piece, at);
    at += piece.length;
    digest?.update(piece);
    if (at === end) compare(blob, digest?.digest());
    yield piece;
  }
  if (start === end) compare(blob, digest?.digest());
}

async function readAll({ file, path }: OpenBlob, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw damaged(path, "it became shorter while it was read");
    done += bytesRead;
  }
}

function compare({ digest, path }: OpenBlob, actual: Buffer | undefined): void {
  if (actual && !actual.equals(digest))
    throw damaged(path, `its bytes have the digest ${actual.toString("hex")}`);
}

function damaged(path: string, what: string): VarveError {
  return new VarveError("CORRUPTION", `${path} is damaged: ${what}`, {
    hint: "put it back from a copy (`sha256sum` must give its name), or save the same bytes again once it is removed",
    details: { file: path },
  });
}

function tooLong(bytes: number): VarveError {
  return new VarveError("NOT_SUPPORTED", `${bytes} bytes are more than are put in memory at once`, {
    hint: `up to ${GIVEN_BYTES_MAX} bytes are; read it in pieces, or a span`,
  });
}

export function notThere(path: string, digest: Digest): VarveError {
  return new VarveError("NOT_FOUND", `there is no blob sha256:${hex(digest)}`, {
    hint: `its bytes may have been removed; they would be in ${path}`,
    details: { file: path },
  });
}
