import type { Catalog } from "../../index/catalog.ts";
import { samePlace } from "../../index/change.ts";
import type { RawBlobRow } from "../../index/raw-rows.ts";
import type { BlobRow } from "../../index/rows.ts";
import { DIGEST_BYTES } from "../../log/format.ts";
import type { RecordPlace } from "../../log/reader.ts";
import type { Pace } from "../pace.ts";
import type { HealedBlob } from "./decide.ts";
import { eachBlob, eachRow } from "./pages.ts";
import type { CompactorLock, CompactParts } from "./parts.ts";
import { startOver } from "./parts.ts";
import { PrefixSet } from "./prefix-set.ts";

/** Rows that are changed while the lock is held once: about a millisecond. */
export const ROWS_PER_HOLD = 128;

/** Which index and which log a decision was made for. */
export interface Ground {
  generation: number;
  logEpoch: number;
}

interface Candidate {
  digest: Buffer;
  place: RecordPlace;
}

/**
 * Blobs that the index calls dead, and that a row refers to all the same: they must not go.
 * @param ids the segments that are to be rewritten
 * @param deadBlobs about how many they are
 */
export async function findNeeded(
  parts: CompactParts,
  ids: ReadonlySet<number>,
  deadBlobs: number,
  pace: Pace,
): Promise<Set<string>> {
  const dead = new PrefixSet(deadBlobs);
  await eachBlob(parts, pace, (row) => {
    if (row.referenceCount === 0 && ids.has(row.segment)) dead.add(row.digestBytes, row.digestStart);
  });
  const needed = new Set<string>();
  if (dead.isEmpty) return needed;
  let suspects: Buffer[] = [];
  await eachRow(
    parts,
    pace,
    (row) => {
      if (row.weak) return;
      for (let i = 0, at = row.referencesStart; i < row.referenceCount; i++, at += DIGEST_BYTES)
        if (dead.has(row.valueBytes, at))
          suspects.push(Buffer.from(row.valueBytes.subarray(at, at + DIGEST_BYTES)));
    },
    (catalog) => {
      for (const digest of suspects)
        if (catalog.blobRows.known(digest)?.referenceCount === 0) needed.add(digest.toString("latin1"));
      suspects = [];
      return undefined;
    },
  );
  return needed;
}

/**
 * Nobody goes back to a dead blob of these segments from now on: what was deleted can't be brought back, and who saves
 * the same bytes writes them anew. Gives what that was decided on.
 */
export async function condemn(
  parts: CompactParts,
  lock: CompactorLock,
  ids: ReadonlySet<number>,
  needed: ReadonlySet<string>,
  pace: Pace,
): Promise<Ground> {
  const ground = await lock.hold(({ generation, logEpoch }) => ({ generation, logEpoch }));
  const isDead = (digest: Buffer, row: BlobRow) =>
    row.referenceCount === 0 && !needed.has(digest.toString("latin1"));
  await setCondemned(parts, lock, ids, pace, isDead, ground);
  return ground;
}

/** Takes that back, of blobs in these segments. */
export async function forgive(
  parts: CompactParts,
  lock: CompactorLock,
  ids: ReadonlySet<number>,
  pace: Pace,
): Promise<void> {
  await setCondemned(parts, lock, ids, pace, () => false);
}

/** Turns blobs of which the newer copy is damaged to the one that is whole. */
export async function turnToWhole(
  parts: CompactParts,
  lock: CompactorLock,
  healed: readonly HealedBlob[],
): Promise<void> {
  if (healed.length === 0) return;
  const wholes = new Map(healed.map(({ digest, whole }) => [digest.toString("latin1"), whole]));
  const candidates = healed.map(({ digest, damaged }) => ({ digest, place: damaged }));
  await lock.hold(() =>
    changeSome(parts.catalog(), candidates, (digest, row) => ({
      ...row,
      place: wholes.get(digest.toString("latin1"))!,
    })),
  );
}

/** Changes rows of blobs, some at a time under the lock, where they still lie where they were found. */
async function setCondemned(
  parts: CompactParts,
  lock: CompactorLock,
  ids: ReadonlySet<number>,
  pace: Pace,
  isToGo: (digest: Buffer, row: BlobRow) => boolean,
  ground?: Ground,
): Promise<void> {
  const changed = (digest: Buffer, row: BlobRow): BlobRow | undefined => {
    const condemned = isToGo(digest, row);
    return condemned === (row.condemned ?? false) ? undefined : { ...row, condemned };
  };
  const found: Candidate[] = [];
  const change = async (atLeast: number) => {
    while (found.length >= atLeast) {
      const some = found.splice(0, ROWS_PER_HOLD);
      await lock.hold((state) => {
        if (ground && !isGround(state, ground)) throw startOver();
        changeSome(parts.catalog(), some, changed);
      });
      if (pace.isDue()) await pace.turn();
      parts.catalog().refresh();
    }
  };
  const visit = (raw: RawBlobRow) => {
    // What somebody refers to is not condemned, and nobody condemns it.
    if (raw.referenceCount > 0 || !ids.has(raw.segment)) return;
    const [digest, row] = [raw.digest(), raw.decoded()];
    if (changed(digest, row)) found.push({ digest, place: row.place });
  };
  await eachBlob(parts, pace, visit, () =>
    found.length >= ROWS_PER_HOLD ? change(ROWS_PER_HOLD) : undefined,
  );
  await change(1);
}

function changeSome(
  catalog: Catalog,
  candidates: readonly Candidate[],
  changed: (digest: Buffer, row: BlobRow) => BlobRow | undefined,
): void {
  catalog.transact(() => {
    for (const { digest, place } of candidates) {
      const row = catalog.blobRows.known(digest);
      const next = row && samePlace(row.place, place) ? changed(digest, row) : undefined;
      if (next) catalog.blobRows.set(digest, next);
    }
  });
}

export function isGround(state: Ground, { generation, logEpoch }: Ground): boolean {
  return state.generation === generation && state.logEpoch === logEpoch;
}
