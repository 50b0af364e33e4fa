import type { CallOptions, Code, Environment } from "../api.ts";
import { endedEarly } from "../backend/refusals.ts";
import { contentDigest } from "../blob/digest.ts";
import { signalOf } from "../call-options.ts";
import { WHOLE_BYTES_MAX } from "../chunk/chunks.ts";
import type { ByteSource, FileSource } from "../chunk/source.ts";
import { piecesOf } from "../chunk/source.ts";
import { throwIfAborted } from "../errors.ts";
import { changedMeanwhile } from "../large/part.ts";
import { lengthOf } from "../large/save-large.ts";
import type { SaveOperation, Target, ValueFacts } from "../ports/metadata-store.ts";
import type { TakenOptions, TakenValue } from "../save.ts";
import type { KeptBlob, Puts } from "./puts.ts";

const PIECE_BYTES = 1024 * 1024;

/** A value whose bytes are put away, and that no version has yet. */
export interface KeptValue {
  facts: ValueFacts;
  kept: KeptBlob;
}

/** Puts values away, however they were given. */
export class ValueSaver {
  readonly #puts: Puts;

  constructor(puts: Puts) {
    this.#puts = puts;
  }

  /** Digests of small ones are made at the call. */
  keep(value: TakenValue, options: CallOptions = {}): Promise<KeptValue> {
    const { from, mediaType } = value;
    if (!(from instanceof Uint8Array) || from.length > WHOLE_BYTES_MAX)
      return this.#keepPieces(value, options);
    const { signal } = options;
    return this.#kept(this.#puts.whole(from, contentDigest(from), signalOf({ signal })), mediaType);
  }

  /** Read to the end while it is put, in memory of a fixed size. */
  async #keepPieces({ from, mediaType, isForeign }: TakenValue, options: CallOptions): Promise<KeptValue> {
    const { signal } = options;
    const pieces =
      from instanceof Uint8Array ? slicesOf(from, isForeign, signal) : sourcePieces(from, signal);
    const total = options.onProgress && (await lengthOf(from));
    const told = options.onProgress ? counted(pieces, total, options.onProgress) : pieces;
    return this.#kept(this.#puts.pieces(told, signalOf({ signal })), mediaType);
  }

  async #kept(putting: Promise<KeptBlob>, mediaType: string): Promise<KeptValue> {
    const kept = await putting;
    return { facts: { digest: kept.digest, size: kept.size, mediaType }, kept };
  }
}

export function saveOperation(
  name: string,
  value: ValueFacts,
  taken: TakenOptions<Target>,
  code: Code | undefined,
  environment: Environment,
): SaveOperation {
  const { content, inputs, ifVersion } = taken;
  return {
    ...{ kind: "save", name, value, backend: "varve", inputs, environment },
    ...(code && { code }),
    tags: content.tags ?? {},
    metadata: content.metadata ?? {},
    ...(ifVersion !== undefined && { ifVersion }),
  };
}

/** What was read of a source that was closed before its end must not pass for all of it. */
async function* sourcePieces(
  from: ByteSource | FileSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const pieces = piecesOf(from, { signal });
  yield* pieces;
  if (pieces.hasEnded) return;
  throw endedEarly();
}

/** Memory of the caller is copied piece by piece: what is put must be what its digest was made of. */
async function* slicesOf(
  bytes: Uint8Array,
  isForeign: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const { length } = bytes;
  for (let at = 0; at < length; at += PIECE_BYTES) {
    throwIfAborted(signal);
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    if (!isForeign) {
      yield piece;
      continue;
    }
    const copy = piece.slice();
    yield copy;
    // Also where the memory was transferred away.
    if (bytes.length !== length || Buffer.compare(piece, copy) !== 0) throw changedMeanwhile();
  }
}

async function* counted(
  pieces: AsyncIterable<Uint8Array>,
  total: number | undefined,
  onProgress: NonNullable<CallOptions["onProgress"]>,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const piece of pieces) {
    done += piece.length;
    onProgress({ phase: "saving", done, unit: "bytes", ...(total !== undefined && { total }) });
    yield piece;
  }
}
