import type { CompactOptions, CompactReport, DamageProblem } from "../api.ts";
import { digestText } from "../blob/digest.ts";
import { signalOf } from "../call-options.ts";
import { type TakenCompactOptions, takeCompactOptions } from "../compact.ts";
import { throwIfAborted } from "../errors.ts";
import type { BlobStore, Digest, ListedBlob } from "../ports/blob-store.ts";
import type { MetadataCompactReport, MetadataStore } from "../ports/metadata-store.ts";
import { BlobGraph } from "./blob-graph.ts";

const REMOVED_AT_A_TIME = 1_000;

export interface CompactParts {
  metadata: MetadataStore;
  blobs: BlobStore;
  /** What was put more lately may belong to a save that is under way. */
  graceMilliseconds: number;
}

/** What was given back on either side. */
export interface CompactedParts {
  values: CompactReport;
  metadata: MetadataCompactReport;
}

/**
 * Removes the blobs that nothing needs, and that were put longer ago than the grace time; then what the metadata store itself
 * needs no more. What is deleted is forgotten first, so that nobody brings it back while its bytes go. Whatever is committed after
 * that needs blobs that were put lately, or that a version which was not deleted needs too.
 */
export async function compactParts(parts: CompactParts, options: CompactOptions): Promise<CompactedParts> {
  const { historyBefore, ...taken } = takeCompactOptions(options);
  const { metadata } = parts;
  const call = signalOf(taken);
  // As it is now: what is committed meanwhile is not forgotten.
  const before =
    historyBefore instanceof Date ? await metadata.sequenceAt(historyBefore.getTime(), call) : historyBefore;
  const { sequence } = await metadata.counts(call);
  const values = await compactBlobs(parts, taken, sequence);
  const history = before === undefined ? {} : { historyBefore: Math.min(before, sequence) };
  return { values, metadata: await metadata.compact({ ...taken, ...history }) };
}

/** What it says of the log it says of the place for values. */
export function reportOf({ values, metadata }: CompactedParts): CompactReport {
  return {
    ...values,
    segments: values.segments + metadata.segments,
    records: values.records + metadata.records,
    freedBytes: values.freedBytes + metadata.freedBytes,
    waitingBytes: values.waitingBytes + metadata.waitingBytes,
    skipped: [...values.skipped, ...metadata.skipped],
  };
}

async function compactBlobs(
  parts: CompactParts,
  { dryRun, signal, onProgress }: Omit<TakenCompactOptions, "historyBefore">,
  sequence: number,
): Promise<CompactReport> {
  const call = signalOf({ signal });
  const { blobs, graceMilliseconds } = parts;
  const putBefore = (await blobs.now(call)) - graceMilliseconds - blobs.capabilities.putAtSlackMilliseconds;
  if (!dryRun) await parts.metadata.forget(sequence, call);
  const { graph, skipped } = await neededBlobs(parts, dryRun, call);
  const isKept = skipped.length > 0;
  const removal = new Removal(blobs, putBefore, isKept ? "keep" : dryRun ? "count" : "remove", call);
  const before = await blobs.space();
  for await (const blob of blobs.list(call)) {
    throwIfAborted(signal);
    await removal.look(blob, graph.listed(blob));
    onProgress?.({ phase: "looking at values", done: removal.looked, unit: "records" });
  }
  await removal.end();
  const collected = dryRun ? 0 : await blobs.collect(putBefore, call);
  const after = dryRun ? before : await blobs.space();
  const bytesBefore = before ?? removal.bytes;
  // A place that knows what it takes gives the room of what was removed back as it collects.
  const freedBytes = dryRun || before === undefined ? removal.freedBytes + collected : collected;
  return {
    dryRun,
    segments: 0,
    blobs: removal.removed,
    records: 0,
    freedBytes,
    logBytesBefore: bytesBefore,
    logBytesAfter: after ?? bytesBefore - freedBytes,
    waitingBytes: removal.waitingBytes,
    skipped,
  };
}

/** @param dryRun what is deleted would be forgotten, and so needs nothing */
async function neededBlobs(
  { metadata, blobs }: CompactParts,
  dryRun: boolean,
  call: { signal?: AbortSignal },
): Promise<{ graph: BlobGraph; skipped: DamageProblem[] }> {
  const graph = new BlobGraph(blobs);
  const skipped: DamageProblem[] = [];
  for await (const value of metadata.values(call)) {
    throwIfAborted(call.signal);
    if (dryRun && value.deleted) continue;
    const { problem } = await graph.add(value);
    // Which files it has nobody knows, so that none may go.
    if (problem) {
      skipped.push({
        kind: "blob",
        message: `the manifest ${digestText(value.digest)} of a directory can't be read: ${problem.message}`,
      });
    }
  }
  return { graph, skipped };
}

/** Whether what nothing needs stays all the same, is only counted, or goes. */
type RemovalMode = "keep" | "count" | "remove";

/** Removes what nothing needs while it is listed. */
class Removal {
  readonly #blobs: BlobStore;
  readonly #putBefore: number;
  readonly #mode: RemovalMode;
  readonly #call: { signal?: AbortSignal };
  #dead: ListedBlob[] = [];
  looked = 0;
  removed = 0;
  /** Of all that are there. */
  bytes = 0;
  freedBytes = 0;
  /** Of what nothing needs, and was put too lately. */
  waitingBytes = 0;

  constructor(blobs: BlobStore, putBefore: number, mode: RemovalMode, call: { signal?: AbortSignal }) {
    this.#blobs = blobs;
    this.#putBefore = putBefore;
    this.#mode = mode;
    this.#call = call;
  }

  async look(blob: ListedBlob, isNeeded: boolean): Promise<void> {
    this.looked++;
    this.bytes += blob.ownBytes;
    if (isNeeded) return;
    if (blob.putAt >= this.#putBefore) this.waitingBytes += blob.ownBytes;
    else if (this.#dead.push(blob) === REMOVED_AT_A_TIME) await this.end();
  }

  async end(): Promise<void> {
    const dead = this.#dead;
    this.#dead = [];
    const digests = dead.map(({ digest }) => digest);
    const gone = new Set((await this.#remove(digests)).map(digestText));
    for (const { digest, ownBytes } of dead) {
      if (gone.has(digestText(digest))) {
        this.removed++;
        this.freedBytes += ownBytes;
      } else this.waitingBytes += ownBytes;
    }
  }

  async #remove(digests: readonly Digest[]): Promise<readonly Digest[]> {
    if (this.#mode === "keep") return [];
    if (this.#mode === "count" || digests.length === 0) return digests;
    return this.#blobs.remove(digests, this.#putBefore, this.#call);
  }
}
