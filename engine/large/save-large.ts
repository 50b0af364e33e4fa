import { stat } from "node:fs/promises";
import type { CallOptions } from "../api.ts";
import { chunksOf } from "../chunk/chunks.ts";
import { isByteSource } from "../chunk/source.ts";
import { OPERATION_BYTES } from "../commit.ts";
import type { EngineCore } from "../engine.ts";
import type { FoundVersion, SavePlan } from "../operations.ts";
import { saveVersion } from "../operations.ts";
import type { PlannedValue, TakenValue } from "../save.ts";
import type { Transaction } from "../transaction.ts";
import type { PreparedPart } from "./part.ts";
import { preparePart, sealWith } from "./part.ts";
import type { WriterSettings } from "./pinned-writer.ts";
import { PinnedWriter } from "./pinned-writer.ts";
import { isGoneMeanwhile } from "./pins.ts";
import type { StoredBytes } from "./store-chunks.ts";
import { storeChunks } from "./store-chunks.ts";

/** What is to be referred to: all else of the value is kept by it. */
export interface WrittenBytes extends StoredBytes {
  blob: PreparedPart;
}

export interface LargeSave<Saved> {
  core: EngineCore;
  settings: Omit<WriterSettings, "pinsAtOnce">;
  value: Pick<TakenValue, "from" | "isForeign">;
  /** Gives what puts the blob, and the row that refers to it, under the lock. */
  refer(written: WrittenBytes): (transaction: Transaction) => Saved;
}

/** By a version of an artifact. */
export function asVersion(
  mediaType: string,
  plan: (value: PlannedValue) => SavePlan,
): LargeSave<FoundVersion>["refer"] {
  return ({ blob: part, isChunked, digest, size }) => {
    const planned = plan({ part, mediaType, ...(isChunked && { chunked: { digest, size } }) });
    return (transaction) => saveVersion(transaction, planned);
  };
}

/**
 * Saves a value that is longer than one blob may be, or of which nobody knows how long it is: it is read, cut and written at
 * the same time, in memory of a fixed size. What was written of one that fails is compacted away.
 */
export async function saveLarge<Saved>(save: LargeSave<Saved>, options: CallOptions): Promise<Saved> {
  const { from } = save.value;
  const isRepeatable = from instanceof Uint8Array || (!isByteSource(from) && typeof from.file === "string");
  // A source that gives its bytes once, and for as long as it likes, can't begin again when what it had met goes meanwhile.
  if (!isRepeatable) return saveOnce(save, true, options);
  try {
    return await saveOnce(save, false, options);
  } catch (error) {
    if (!isGoneMeanwhile(error)) throw error;
    return saveOnce(save, true, options);
  }
}

async function saveOnce<Saved>(
  { core, settings, value: { from, isForeign }, refer }: LargeSave<Saved>,
  pinsAtOnce: boolean,
  { signal, onProgress }: CallOptions,
): Promise<Saved> {
  const total = onProgress && (await lengthOf(from));
  const onBytes = (done: number) =>
    onProgress?.({ phase: "saving", done, unit: "bytes", ...(total !== undefined && { total }) });
  const writer = new PinnedWriter(core, { ...settings, pinsAtOnce });
  try {
    const chunks = chunksOf(from, { signal, onBytes, seal: isForeign ? sealWith(core) : undefined });
    const stored = await storeChunks(chunks, (part) => writer.add(part));
    const bytes = stored.blob.bytes.length + OPERATION_BYTES;
    return await writer.finish(refer({ ...stored, blob: preparePart(core, stored.blob) }), bytes);
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** As far as it is known beforehand. */
export async function lengthOf(from: TakenValue["from"]): Promise<number | undefined> {
  if (from instanceof Uint8Array) return from.length;
  if (from instanceof Blob) return from.size;
  if (!("file" in from) || typeof from.file !== "string") return undefined;
  const found = await stat(from.file).catch(() => undefined);
  return found?.isFile() ? found.size : undefined;
}
