import { createHash } from "node:crypto";
import type { CallOptions, Digest } from "../../engine/main.ts";
import { VarveError } from "../../engine/main.ts";
import type { Artifacts } from "./protocol.ts";

/** One file of a model, on its way to MLflow. */
export interface Upload {
  path: string;
  size: number;
  digest: Digest;
  /** From the first byte on, each time. */
  pieces(options?: CallOptions): AsyncIterable<Uint8Array>;
}

/** Files that are sent at the same time: one of them may be many gigabytes, or a thousand bytes. */
const PARALLEL = 4;

/**
 * Sends the files that are not there yet, and the last one behind all others: who finds that finds a whole model. All are compared
 * with what MLflow then lists.
 * @throws CORRUPTION where MLflow has not what was sent
 */
export async function upload(
  artifacts: Artifacts,
  files: readonly Upload[],
  options: CallOptions,
): Promise<void> {
  const there = sizesOf(await artifacts.list(options));
  const last = files[files.length - 1]!;
  const missing = files.slice(0, -1).filter(({ path, size }) => there.get(path) !== size);
  await sendAll(artifacts, missing, options);
  await artifacts.put(last.path, last.size, () => last.pieces(options), options);
  const wrong = await firstDifference(artifacts, files, options);
  if (wrong === undefined) return;
  throw new VarveError("CORRUPTION", `MLflow has not kept ${wrong} as it was sent`, {
    hint: "look into the log of the MLflow server, and whether its disk is full; then save again",
    details: { path: wrong },
  });
}

/** The first file that is not there, or has another size. */
async function firstDifference(
  artifacts: Artifacts,
  files: readonly Upload[],
  options: CallOptions,
): Promise<string | undefined> {
  const there = sizesOf(await artifacts.list(options));
  return files.find(({ path, size }) => there.get(path) !== size)?.path;
}

/** Whether MLflow has all files, byte for byte: they are read, since a save that relies on them is told to be kept. */
export async function isKept(
  artifacts: Artifacts,
  files: readonly Upload[],
  options: CallOptions,
): Promise<boolean> {
  if ((await firstDifference(artifacts, files, options)) !== undefined) return false;
  for (const { path, digest } of files)
    if (!(await digestThere(artifacts, path, options))?.equals(digest)) return false;
  return true;
}

/** Nothing where it was removed meanwhile. */
async function digestThere(
  artifacts: Artifacts,
  path: string,
  options: CallOptions,
): Promise<Buffer | undefined> {
  const hash = createHash("sha256");
  try {
    for await (const piece of artifacts.get(path, options)) hash.update(piece);
  } catch (error) {
    if (error instanceof VarveError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
  return hash.digest();
}

/** A file without bytes is listed without a size. */
function sizesOf(listed: Awaited<ReturnType<Artifacts["list"]>>): Map<string, number> {
  return new Map(listed.map(({ path, size = 0 }) => [path, size]));
}

/** The first failure ends all that is on its way. */
async function sendAll(artifacts: Artifacts, files: readonly Upload[], options: CallOptions): Promise<void> {
  const failed = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, failed.signal]) : failed.signal;
  const call = { signal };
  const waiting = files.values();
  const send = async () => {
    for (const file of waiting) await artifacts.put(file.path, file.size, () => file.pieces(call), call);
  };
  let first: { error: unknown } | undefined;
  const senders = Array.from({ length: Math.min(PARALLEL, files.length) }, () =>
    send().catch((error: unknown) => {
      first ??= { error };
      failed.abort(error);
    }),
  );
  await Promise.all(senders);
  if (first) throw first.error;
}
