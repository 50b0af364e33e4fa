import { createHash } from "node:crypto";
import { lstat, mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { CallOptions } from "../api.ts";
import { signalOf } from "../call-options.ts";
import { isByteSource, piecesOf } from "../chunk/source.ts";
import { fromSystemError, throwIfAborted } from "../errors.ts";
import type { BackendValue } from "../ports/storage-backend.ts";
import type { TakenValue } from "../save.ts";
import { comparedPieces } from "./check.ts";
import { MODEL_FILE } from "./kept.ts";
import { changedWhileSaved, endedEarly } from "./refusals.ts";

/** A value that is one file, ready to be read as often as the backend needs. */
export interface ModelValue {
  value: BackendValue;
  /** To be called when nobody reads it any more. */
  release(): Promise<void>;
}

type Pieces = (options?: CallOptions) => AsyncIterable<Uint8Array>;

const PIECE_BYTES = 1024 * 1024;
const NOTHING_TO_RELEASE = async () => {};

/**
 * Takes the digest in a first pass, as the backend wants to know it before it is sent any bytes. What can be read only once is
 * put into a temporary file by that.
 */
export async function modelValue({ from, mediaType }: TakenValue, options: CallOptions): Promise<ModelValue> {
  if (from instanceof Uint8Array)
    return valueFrom(() => slicesOf(from), mediaType, options, NOTHING_TO_RELEASE);
  if (!isByteSource(from) && typeof from.file === "string" && (await isFile(from.file))) {
    const { file } = from;
    return valueFrom((call) => piecesOf({ file }, signalOf(call)), mediaType, options, NOTHING_TO_RELEASE);
  }
  return spooled({ from, mediaType, isForeign: false }, options);
}

async function isFile(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.isFile() ?? false;
}

async function spooled({ from, mediaType }: TakenValue, options: CallOptions): Promise<ModelValue> {
  const folder = await mkdtemp(join(tmpdir(), "varve-"));
  const release = () => rm(folder, { recursive: true, force: true });
  try {
    const file = join(folder, MODEL_FILE);
    const pieces = piecesOf(from as Exclude<typeof from, Uint8Array>, signalOf(options));
    await writeAll(file, pieces);
    if (!pieces.hasEnded) throw endedEarly();
    return await valueFrom((call) => piecesOf({ file }, signalOf(call)), mediaType, options, release);
  } catch (error) {
    await release();
    throw fromSystemError(error, "putting the bytes of a stream into a temporary file");
  }
}

async function writeAll(path: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for await (const piece of pieces) await file.writeFile(piece);
  } finally {
    await file.close();
  }
}

async function valueFrom(
  pieces: Pieces,
  mediaType: string,
  options: CallOptions,
  release: ModelValue["release"],
): Promise<ModelValue> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const piece of pieces(options)) {
    throwIfAborted(options.signal);
    hash.update(piece);
    size += piece.length;
  }
  const digest = hash.digest();
  const file = { path: MODEL_FILE, size, digest };
  const value: BackendValue = {
    ...{ kind: "file", digest, size, mediaType, files: [file] },
    pieces: (_, call) => comparedPieces(pieces(call), file, () => changedWhileSaved("the model")),
  };
  return { value, release };
}

/** The event loop goes on between them. */
async function* slicesOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const { length } = bytes;
  for (let at = 0; at < length; at += PIECE_BYTES) {
    // Of memory that was transferred away nothing is left: that it is shorter is found behind the last piece.
    yield bytes.slice(at, at + PIECE_BYTES);
    await nextTurn();
  }
}
