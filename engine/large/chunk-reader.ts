import type { Span } from "../artifact.ts";
import { nodeKey } from "../artifact-record.ts";
import { chunksWithin } from "../chunk/range.ts";
import type { EngineCore } from "../engine.ts";
import { isCorruption, throwIfAborted, VarveError } from "../errors.ts";
import type { RecordPlace } from "../log/reader.ts";
import { isRetired } from "../log/reader.ts";
import { goneSince } from "../not-found.ts";

/** More would be in memory twice while it is decoded: larger values are for streams. */
export const LOADED_BYTES_MAX = 1024 * 1024 * 1024;
/** Chunks that are read at the same time: some on other threads, while the first is used. */
const AHEAD = 4;

/** A value in chunks. */
export interface ChunkedValue {
  /** The digest of the root of its lists. */
  root: Buffer;
  /** Where that lay when the value was looked up. */
  place?: RecordPlace | undefined;
  size: number;
}

/** A chunk, and which part of it is wanted. */
interface Wanted extends Span {
  digest: Buffer;
  /** Of the whole chunk. */
  length: number;
  /** Where it lay when it was looked up: it stays there. */
  place: RecordPlace | undefined;
}

/** The wanted bytes of a value in chunks, chunk by chunk. */
export async function* chunksIn(
  core: EngineCore,
  value: ChunkedValue,
  span: Span,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // From here on what is looked up stays in its place, whatever is deleted and compacted meanwhile.
  const release = core.holdEpoch();
  try {
    const wanted = await findChunks(core, value, span, signal);
    const reading: Promise<Uint8Array>[] = [];
    let next = 0;
    for (let at = 0; at < wanted.length; at++) {
      while (next < wanted.length && next < at + AHEAD) reading.push(readChunk(core, wanted[next++]!));
      // Of the others nobody waits when this one fails.
      for (const each of reading) each.catch(() => {});
      yield await reading.shift()!;
      throwIfAborted(signal);
    }
  } finally {
    release();
  }
}

async function readChunk(
  core: EngineCore,
  { digest, length, place, start, end }: Wanted,
): Promise<Uint8Array> {
  const bytes = await core.blobByDigest(digest, place);
  if (bytes.length !== length) throw wrongLength(bytes.length, length);
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}

/** @throws ABORTED */
async function findChunks(
  core: EngineCore,
  { root, place, size }: ChunkedValue,
  { start, end }: Span,
  signal?: AbortSignal,
): Promise<Wanted[]> {
  const read = async (digest: Buffer) => {
    throwIfAborted(signal);
    return core.blobByDigest(digest, digest.equals(root) ? place : undefined);
  };
  const wanted: Wanted[] = [];
  try {
    for await (const chunk of chunksWithin({ digest: root, size }, read, start, end)) {
      const { digest, offset, length } = chunk;
      const place = core.catalog.blob(digest)?.place;
      if (!place && !core.row(nodeKey(root))) throw goneSince();
      wanted.push({
        digest,
        length,
        place,
        start: Math.max(start - offset, 0),
        end: Math.min(end - offset, length),
      });
    }
  } catch (error) {
    if (isCorruption(error) && !isRetired(error) && !core.row(nodeKey(root))) throw goneSince(error);
    throw error;
  }
  return wanted;
}

export async function bytesInChunks(
  core: EngineCore,
  value: ChunkedValue,
  span: Span,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const length = span.end - span.start;
  if (length > LOADED_BYTES_MAX) throw tooLarge(length);
  const bytes = new Uint8Array(length);
  let at = 0;
  for await (const piece of chunksIn(core, value, span, signal)) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** All of a value's bytes, to be decoded. @throws NOT_SUPPORTED above 1 GiB */
export function wholeValue(core: EngineCore, value: ChunkedValue): Promise<Uint8Array> {
  return bytesInChunks(core, value, { start: 0, end: value.size });
}

function tooLarge(bytes: number): VarveError {
  return new VarveError("NOT_SUPPORTED", `${bytes} bytes are more than are put in memory at once`, {
    hint: `up to ${LOADED_BYTES_MAX} bytes are; use \`stream()\` or \`writeTo(path)\` of the artifact, or a range`,
  });
}

function wrongLength(actual: number, expected: number): VarveError {
  return new VarveError("CORRUPTION", `a chunk of the value has ${actual} bytes instead of ${expected}`, {
    hint: "`varve verify` lists all damage; other artifacts stay readable",
  });
}
