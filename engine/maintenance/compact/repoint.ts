import { isCorruption } from "../../errors.ts";
import type { Catalog } from "../../index/catalog.ts";
import { samePlace } from "../../index/change.ts";
import { RecordKind } from "../../log/format.ts";
import type { LogReader, RecordPlace } from "../../log/reader.ts";
import type { ScannedBatch, ScannedRecord } from "../../log/scan.ts";
import type { Pace } from "../pace.ts";
import { ROWS_PER_HOLD } from "./condemn.ts";
import { eachBlob, eachRow } from "./pages.ts";
import type { CompactorLock, CompactParts } from "./parts.ts";
import { SourceScan } from "./source.ts";

/** A record of an old file, and where it is in the new one; undefined where it was left out. */
interface Move {
  kind: RecordKind;
  key: Buffer;
  from: RecordPlace;
  to: RecordPlace | undefined;
}

export interface RepointParts {
  parts: CompactParts;
  lock: CompactorLock;
  reader: LogReader;
  /** Segments in effect, ascending. */
  ids: readonly number[];
  pace: Pace;
}

/**
 * Turns the rows of the index from old files to the one that stands for them now. The files are read side by side, so it
 * can be done again by whoever comes after a process that died half-way.
 */
export async function repoint(
  { parts, lock, reader, ids, pace }: RepointParts,
  old: readonly number[],
  id: number,
): Promise<void> {
  const behind = ids.filter((each) => each > id);
  const from = new SourceScan(reader, [...old, ...behind], old.at(-1)!, pace, true);
  const to = new SourceScan(reader, [id, ...behind], id, pace, true);
  let moves: Move[] = [];
  const flush = async () => {
    const some = moves;
    moves = [];
    await lock.hold(() => applyMoves(parts.catalog(), some));
  };
  try {
    let next = await to.next();
    for (let batch = await from.next(); batch; batch = await from.next()) {
      while (next && next.header.sequence < batch.header.sequence) next = await to.next();
      const twin = next?.header.sequence === batch.header.sequence ? next : undefined;
      for (const [record, moved] of pairs(batch, twin)) {
        // A batch may have thousands.
        if (pace.isDue()) await pace.turn();
        if (!isAt(parts.catalog(), record)) continue;
        moves.push(moveOf(record, moved));
        if (moves.length >= ROWS_PER_HOLD) await flush();
      }
    }
    if (moves.length > 0) await flush();
  } finally {
    from.close();
    to.close();
  }
}

/** From the last one on: of several records of one key the later ones stay. */
function* pairs(
  { records }: ScannedBatch,
  twin: ScannedBatch | undefined,
): Generator<[ScannedRecord, ScannedRecord | undefined]> {
  const found: [ScannedRecord, ScannedRecord | undefined][] = [];
  let left = twin?.records.length ?? 0;
  for (let i = records.length - 1; i >= 0; i--) {
    const record = records[i]!;
    const other = left > 0 ? twin!.records[left - 1] : undefined;
    const isSame = other !== undefined && isCopy(record, other);
    if (isSame) left--;
    found.push([record, isSame ? other : undefined]);
  }
  // Blobs come before what refers to them, whose rows are told where they are.
  yield* found.reverse();
}

function isCopy(a: ScannedRecord, b: ScannedRecord): boolean {
  return a.kind === b.kind && a.payloadLength === b.payloadLength && a.key.equals(b.key);
}

/** Whether the index names this record, as far as can be told outside of the lock. */
function isAt(catalog: Catalog, record: ScannedRecord): boolean {
  if (record.kind === RecordKind.delete) return false;
  const { key } = record;
  const row = record.kind === RecordKind.blob ? catalog.blobRows.known(key) : catalog.row(key);
  return row !== undefined && samePlace(row.place, record);
}

function moveOf(record: ScannedRecord, moved: ScannedRecord | undefined): Move {
  const { kind, segment, offset, payloadLength } = record;
  const to = moved && { segment: moved.segment, offset: moved.offset, payloadLength };
  return { kind, key: Buffer.from(record.key), from: { segment, offset, payloadLength }, to };
}

/** Under the lock. What has no new place is left to `findStranded`. */
function applyMoves(catalog: Catalog, moves: readonly Move[]): void {
  catalog.transact(() => {
    for (const { kind, key, from, to } of moves) {
      if (kind === RecordKind.blob) moveBlob(catalog, key, from, to);
      else if (to) moveRow(catalog, key, from, to);
    }
  });
}

function moveBlob(catalog: Catalog, digest: Buffer, from: RecordPlace, to: RecordPlace | undefined): void {
  const known = catalog.blobRows.known(digest);
  if (!known || !samePlace(known.place, from)) return;
  if (to) catalog.blobRows.set(digest, { ...known, place: to });
  else if (known.referenceCount === 0) catalog.blobRows.set(digest, undefined);
}

function moveRow(catalog: Catalog, key: Buffer, from: RecordPlace, to: RecordPlace): void {
  const row = catalog.row(key);
  if (!row || !samePlace(row.place, from)) return;
  const blob = row.blob && catalog.blob(row.references[0]!)?.place;
  catalog.movedRow(key, { ...row, place: to, blob });
}

/**
 * Goes over the whole index for what still names one of these files. Rows that only say where their blob was are told where
 * it is; a live blob is written again to the end of the log. Gives the files that must stay.
 */
export async function findStranded(
  { parts, lock, reader, pace }: RepointParts,
  ids: ReadonlySet<number>,
): Promise<Set<number>> {
  const kept = new Set<number>();
  await mendBlobs(parts, lock, reader, ids, pace, kept);
  const keys: Buffer[] = [];
  const mend = async (atLeast: number) => {
    while (keys.length >= atLeast) {
      const some = keys.splice(0, ROWS_PER_HOLD);
      await lock.hold(() => mendRows(parts.catalog(), some, ids));
      if (pace.isDue()) await pace.turn();
    }
  };
  await eachRow(
    parts,
    pace,
    (row) => {
      if (ids.has(row.segment)) kept.add(row.segment);
      else if (row.blobSegment !== undefined && ids.has(row.blobSegment)) keys.push(row.key());
    },
    () => (keys.length >= ROWS_PER_HOLD ? mend(ROWS_PER_HOLD) : undefined),
  );
  await mend(1);
  return kept;
}

function mendRows(catalog: Catalog, keys: readonly Buffer[], ids: ReadonlySet<number>): void {
  catalog.transact(() => {
    for (const key of keys) {
      const row = catalog.row(key);
      if (!row?.blob || !ids.has(row.blob.segment)) continue;
      catalog.movedRow(key, { ...row, blob: catalog.blob(row.references[0]!)?.place });
    }
  });
}

async function mendBlobs(
  parts: CompactParts,
  lock: CompactorLock,
  reader: LogReader,
  ids: ReadonlySet<number>,
  pace: Pace,
  kept: Set<number>,
): Promise<void> {
  const stranded: { digest: Buffer; place: RecordPlace }[] = [];
  await eachBlob(parts, pace, (row) => {
    if (ids.has(row.segment)) stranded.push({ digest: row.digest(), place: row.decoded().place });
  });
  for (const { digest, place } of stranded) {
    if (pace.isDue()) await pace.turn();
    const isDead = await lock.hold(() => {
      const catalog = parts.catalog();
      return catalog.transact(() => {
        moveBlob(catalog, digest, place, undefined);
        const known = catalog.blobRows.known(digest);
        return !known || !samePlace(known.place, place);
      });
    });
    if (isDead) continue;
    try {
      const bytes = await reader.read(place, RecordKind.blob, digest);
      await parts.writeBlob(Buffer.from(bytes));
    } catch (error) {
      if (!isCorruption(error)) throw error;
      kept.add(place.segment);
    }
  }
}
