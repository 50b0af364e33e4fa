import type { PlaceOfBlob, Span } from "../artifact.ts";
import { nodeKey } from "../artifact-key.ts";
import { digestAt } from "../chunk/node.ts";
import { chunksWithin } from "../chunk/range.ts";
import type { EngineCore } from "../engine.ts";
import { isCorruption, throwIfAborted, VarveError } from "../errors.ts";
import { behindBlob } from "../log/neighbours.ts";
import type { RecordPlace } from "../log/reader.ts";
import { isRetired } from "../log/reader.ts";
import { goneSince } from "../not-found.ts";
import type { Run } from "./runs.ts";
import { RUN_BYTES_MAX, runsOf } from "./runs.ts";

/** More would be in memory twice while it is decoded: larger values are for streams. */
export const LOADED_BYTES_MAX = 1024 * 1024 * 1024;
/** Runs that are read at the same time, on other threads, while the first is used. */
const AHEAD = 3;
/** For so long the event loop waits for look-ups. */
const TURN_MILLISECONDS = 3;

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

export interface ReadingOptions {
  signal?: AbortSignal | undefined;
  /** Memory that a run is read into: it is asked for in order, and must be nobody else's when the run is given out. */
  memoryFor?: ((run: Run) => Buffer) | undefined;
}

/** Not of Buffer's shared pool: each piece is its user's, who may give its memory away. */
const ownMemory = ({ length }: Run): Buffer => Buffer.allocUnsafeSlow(length);

/** The same few buffers again and again: what is in one is gone when the next run is asked for. */
export function reusedMemory(): (run: Run) => Buffer {
  const buffers: Buffer[] = [];
  let asked = 0;
  return ({ length }) => {
    const at = asked++ % AHEAD;
    buffers[at] ??= Buffer.allocUnsafeSlow(RUN_BYTES_MAX);
    return buffers[at].subarray(0, length);
  };
}

/** The wanted bytes of a value in chunks, some neighbours at a time. */
export async function* chunksIn(
  core: EngineCore,
  value: ChunkedValue,
  span: Span,
  { signal, memoryFor = ownMemory }: ReadingOptions = {},
): AsyncGenerator<Uint8Array> {
  // From here on what is looked up stays in its place, whatever is deleted and compacted meanwhile.
  const release = core.holdEpoch();
  try {
    const runs = await findRuns(core, value, span, signal);
    const reading: Promise<Buffer | undefined>[] = [];
    let next = 0;
    for (const run of runs) {
      while (next < runs.length && reading.length < AHEAD)
        reading.push(readRun(core, runs[next++]!, memoryFor));
      const together = await reading.shift()!;
      throwIfAborted(signal);
      if (together) yield together.subarray(run.start, run.end);
      else yield* chunkByChunk(core, run, signal);
    }
  } finally {
    release();
  }
}

/** Undefined where they can't be read so, for whatever reason: then each chunk is asked for by itself. */
async function readRun(
  core: EngineCore,
  run: Run,
  memoryFor: (run: Run) => Buffer,
): Promise<Buffer | undefined> {
  const bytes = memoryFor(run);
  if (!run.place) return undefined;
  const { segment, offset } = run.place;
  const { digests, lengths } = run;
  try {
    await core.reader.readNeighbours({ segment, offset, digests, lengths }, bytes);
    return bytes;
  } catch {
    return undefined;
  }
}

async function* chunkByChunk(
  core: EngineCore,
  { digests, lengths, place: first, start, end }: Run,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let place = first;
  for (let i = 0, at = 0; i < lengths.length; i++) {
    const length = lengths[i]!;
    const bytes = await core.blobByDigest(digestAt(digests, i), place);
    if (bytes.length !== length) throw wrongLength(bytes.length, length);
    throwIfAborted(signal);
    yield bytes.subarray(Math.max(start - at, 0), Math.min(end - at, length));
    at += length;
    place = place && {
      ...place,
      offset: behindBlob(place.offset, length),
      payloadLength: lengths[i + 1] ?? 0,
    };
  }
}

/** @throws ABORTED */
async function findRuns(
  core: EngineCore,
  { root, place, placeOf, size }: ChunkedValue,
  span: Span,
  signal?: AbortSignal,
): Promise<Run[]> {
  const read = async (digest: Buffer) => {
    throwIfAborted(signal);
    return core.blobByDigest(digest, digest.equals(root) ? place : placeOf?.(digest));
  };
  const find = (digest: Buffer) => {
    const found = core.catalog.blob(digest)?.place ?? placeOf?.(digest);
    if (!found && !core.row(nodeKey(root))) throw goneSince();
    return found;
  };
  const runs: Run[] = [];
  let turnAt = performance.now();
  try {
    for await (const chunks of chunksWithin({ digest: root, size }, read, span.start, span.end)) {
      runs.push(...runsOf(chunks, span, find));
      if (performance.now() - turnAt < TURN_MILLISECONDS) continue;
      await new Promise<void>((resolve) => setImmediate(resolve));
      turnAt = performance.now();
    }
  } catch (error) {
    throw orGone(core, root, error);
  }
  return runs;
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
  // What is wanted whole is read to where it belongs.
  let begun = 0;
  const memoryFor = (run: Run) => {
    const at = begun;
    begun += run.end - run.start;
    return begun - at < run.length ? ownMemory(run) : Buffer.from(bytes.buffer, at, run.length);
  };
  let done = 0;
  for await (const piece of chunksIn(core, value, span, { signal, memoryFor })) {
    if (piece.buffer !== bytes.buffer) bytes.set(piece, done);
    done += piece.length;
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
