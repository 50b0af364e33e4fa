import type { PlaceOfBlob, Span } from "../artifact.ts";
import { nodeKey } from "../artifact-key.ts";
import { chunksWithin } from "../chunk/range.ts";
import type { EngineCore } from "../engine.ts";
import { isCorruption, throwIfAborted, VarveError } from "../errors.ts";
import { DIGEST_BYTES, RecordKind, recordBytes } from "../log/format.ts";
import type { RecordPlace } from "../log/reader.ts";
import { isRetired } from "../log/reader.ts";
import { goneSince } from "../not-found.ts";

/** More would be in memory twice while it is decoded: larger values are for streams. */
export const LOADED_BYTES_MAX = 1024 * 1024 * 1024;
/** Chunks that lie one behind the other are read together, up to so many bytes: each read is a way to another thread. */
const RUN_BYTES_MAX = 1024 * 1024;
/** Runs that are read at the same time, on other threads, while the first is used. */
const AHEAD = 3;

/** A value in chunks. */
export interface ChunkedValue {
  /** The digest of the root of its lists. */
  root: Buffer;
  /** Where that lay when the value was looked up. */
  place?: RecordPlace | undefined;
  /** Where what it consists of lay then. */
  placeOf?: PlaceOfBlob | undefined;
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
    const runs = runsOf(await findChunks(core, value, span, signal));
    const reading: Promise<Uint8Array[] | undefined>[] = [];
    let next = 0;
    for (const run of runs) {
      while (next < runs.length && reading.length < AHEAD) reading.push(readRun(core, runs[next++]!));
      const together = await reading.shift()!;
      for (const [i, chunk] of run.entries()) {
        yield wantedOf(chunk, together ? together[i]! : await core.blobByDigest(chunk.digest, chunk.place));
        throwIfAborted(signal);
      }
    }
  } finally {
    release();
  }
}

/** Neighbours in one segment, as most chunks of a value are. */
function runsOf(wanted: readonly Wanted[]): Wanted[][] {
  const runs: Wanted[][] = [];
  let bytes = 0;
  for (const chunk of wanted) {
    const run = runs.at(-1);
    bytes += chunk.length;
    if (run && bytes <= RUN_BYTES_MAX && liesBehind(run.at(-1)!, chunk)) run.push(chunk);
    else {
      runs.push([chunk]);
      bytes = chunk.length;
    }
  }
  return runs;
}

function liesBehind({ place: a }: Wanted, { place: b }: Wanted): boolean {
  if (!a || !b || a.segment !== b.segment) return false;
  return a.offset + recordBytes(DIGEST_BYTES, a.payloadLength) === b.offset;
}

/** Undefined where one of them can't be read so, for whatever reason: then each is asked for by itself. */
async function readRun(core: EngineCore, run: readonly Wanted[]): Promise<Uint8Array[] | undefined> {
  const places = run.map(({ place }) => place).filter((place) => place !== undefined);
  if (places.length < run.length) return undefined;
  const digests = run.map(({ digest }) => digest);
  try {
    return await core.reader.readNeighbours(places, RecordKind.blob, digests);
  } catch {
    return undefined;
  }
}

function wantedOf({ length, start, end }: Wanted, bytes: Uint8Array): Uint8Array {
  if (bytes.length !== length) throw wrongLength(bytes.length, length);
  return start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end);
}

/** @throws ABORTED */
async function findChunks(
  core: EngineCore,
  { root, place, placeOf, size }: ChunkedValue,
  { start, end }: Span,
  signal?: AbortSignal,
): Promise<Wanted[]> {
  const read = async (digest: Buffer) => {
    throwIfAborted(signal);
    return core.blobByDigest(digest, digest.equals(root) ? place : placeOf?.(digest));
  };
  const wanted: Wanted[] = [];
  try {
    for await (const chunk of chunksWithin({ digest: root, size }, read, start, end)) {
      const { digest, offset, length } = chunk;
      const place = core.catalog.blob(digest)?.place ?? placeOf?.(digest);
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
    throw orGone(core, root, error);
  }
  return wanted;
}

/** What to throw: a part of what nothing refers to any more is not damaged, but was deleted and compacted away. */
export function orGone(core: EngineCore, root: Buffer, error: unknown): unknown {
  const isGone = isCorruption(error) && !isRetired(error) && !core.row(nodeKey(root));
  return isGone ? goneSince(error) : error;
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
export function wholeValue(core: EngineCore, value: ChunkedValue, signal?: AbortSignal): Promise<Uint8Array> {
  return bytesInChunks(core, value, { start: 0, end: value.size }, signal);
}

export function tooLarge(bytes: number): VarveError {
  return new VarveError("NOT_SUPPORTED", `${bytes} bytes are more than are put in memory at once`, {
    hint: `up to ${LOADED_BYTES_MAX} bytes are; use \`stream()\` or \`writeTo(path)\` of the artifact, or a range`,
  });
}

function wrongLength(actual: number, expected: number): VarveError {
  return new VarveError("CORRUPTION", `a chunk of the value has ${actual} bytes instead of ${expected}`, {
    hint: "`varve verify` lists all damage; other artifacts stay readable",
  });
}
