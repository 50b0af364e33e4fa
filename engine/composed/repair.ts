import { createHash } from "node:crypto";
import type { RepairOptions, RepairReport, UnrepairedProblem } from "../api.ts";
import { callOf, signalOf } from "../call-options.ts";
import type { BlobStore, Digest } from "../ports/blob-store.ts";
import type { MetadataStore } from "../ports/metadata-store.ts";
import type { BlobProblem } from "./check-blobs.ts";
import type { OpenFolder } from "./repair-sources.ts";
import { isNoCopy, RepairSources } from "./repair-sources.ts";
import { damagedBlobs, told } from "./verify.ts";

/** Manifests tell of files once they are whole again: their root, their pieces, then the files. */
const ROUNDS_MAX = 4;

export interface RepairParts {
  metadata: MetadataStore;
  blobs: BlobStore;
  openFolder: OpenFolder;
}

/** Puts what is missing or damaged again, from stores that have it. What the database itself lacks is its own to repair. */
export async function repairBlobs(parts: RepairParts, options: RepairOptions): Promise<RepairReport> {
  const { metadata, blobs, openFolder } = parts;
  const { dryRun = false } = options;
  const call = callOf(options);
  const sources = await RepairSources.open(options.from, openFolder);
  try {
    const repaired = new Map<BlobProblem, BlobProblem>();
    let left = await damagedBlobs(metadata, blobs, call);
    for (let round = 0; round < ROUNDS_MAX && left.length > 0 && !sources.isEmpty; round++) {
      const mended = await mend(left, sources, blobs, dryRun);
      for (const problem of mended) repaired.set(problem, problem);
      if (dryRun) left = left.filter((problem) => !repaired.has(problem));
      if (dryRun || mended.length === 0) break;
      left = await damagedBlobs(metadata, blobs, call);
    }
    const rows = await metadata.check(signalOf(options));
    return reportOf(dryRun, [...repaired.values()], left, rows, sources.isEmpty);
  } finally {
    await sources.close();
  }
}

function reportOf(
  dryRun: boolean,
  mended: BlobProblem[],
  left: BlobProblem[],
  rows: string[],
  hadNoSource: boolean,
): RepairReport {
  const still = new Set(left.map(({ message }) => message));
  const reason = hadNoSource
    ? "a sound copy would have to come from another store, and none was given"
    : "no copy that was given has it sound";
  const notRepaired: UnrepairedProblem[] = [
    ...left.map((problem) => ({ ...told(problem), reason })),
    ...rows.map((message) => ({
      kind: "index" as const,
      message,
      reason: "the database has to be repaired by its own means, from a backup of it",
    })),
  ];
  return {
    ok: notRepaired.length === 0,
    dryRun,
    repaired: mended.filter(({ message }) => !still.has(message)).map(told),
    notRepaired,
    quarantined: [],
    indexRebuilt: false,
  };
}

/** Gives those that a sound copy was found of. */
async function mend(
  problems: readonly BlobProblem[],
  sources: RepairSources,
  blobs: BlobStore,
  dryRun: boolean,
): Promise<BlobProblem[]> {
  const mended: BlobProblem[] = [];
  for (const problem of problems) {
    for await (const copy of sources.copies(problem)) {
      // Read through first, so that a damaged copy goes only where a sound one comes.
      if (!(await isSound(copy, problem.digest))) continue;
      if (!dryRun) {
        await blobs.remove([problem.digest], Number.POSITIVE_INFINITY);
        await blobs.putPieces(copy());
      }
      mended.push(problem);
      break;
    }
  }
  return mended;
}

async function isSound(copy: () => AsyncIterable<Uint8Array>, digest: Digest): Promise<boolean> {
  const hash = createHash("sha256");
  try {
    for await (const piece of copy()) hash.update(piece);
  } catch (error) {
    if (isNoCopy(error)) return false;
    throw error;
  }
  return hash.digest().equals(digest);
}
