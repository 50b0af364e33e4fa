import { dirname } from "node:path";
import { VarveError } from "../../errors.ts";
import type { FileSystem } from "../../log/file.ts";
import { BATCH_HEADER_BYTES } from "../../log/format.ts";
import { LogReader } from "../../log/reader.ts";
import type { ScannedBatch } from "../../log/scan.ts";
import { entryPosition, scanLog, standingFor } from "../../log/scan.ts";
import type { LogIdentity, LogPosition } from "../../log/segment.ts";
import { segmentNumber, segmentText } from "../../log/segment.ts";
import type { Pace } from "../pace.ts";

/** Whether a backup is an earlier state of a log, or has something that the log has not. */

/** A log, and which of its segments are looked at. */
interface ComparedLog {
  files: FileSystem;
  folder: string;
  ids: readonly number[];
}

/** Where a backup ends, and the batch that ends there; none in a segment that was only begun. */
export interface BackupEnd {
  position: LogPosition;
  batch: { offset: number; length: number } | undefined;
}

/**
 * Undefined for a backup without a segment that can be read.
 * @throws CONFLICT when the backup has operations that are not in the log
 */
export async function checkedEnd(
  own: ComparedLog,
  backup: ComparedLog,
  identity: LogIdentity,
  pace: Pace,
): Promise<BackupEnd | undefined> {
  const ours = new LogReader(own.files, own.folder, identity);
  const theirs = new LogReader(backup.files, backup.folder, identity);
  try {
    const newest = await checkCommon(ours, theirs, own, backup, pace);
    if (newest === undefined) return undefined;
    const end = await endOf(theirs, newest, pace);
    if (!(await isIn(ours, own.ids, theirs, end, pace))) throw hasMore(backup.folder, end.position.sequence);
    return end;
  } finally {
    ours.close();
    theirs.close();
  }
}

/** Segments of one id are the same if they have the same salt. Gives the newest that can be read. */
async function checkCommon(
  ours: LogReader,
  theirs: LogReader,
  own: ComparedLog,
  backup: ComparedLog,
  pace: Pace,
): Promise<number | undefined> {
  const common = new Set(own.ids);
  let newest: number | undefined;
  for (const id of backup.ids) {
    const header = theirs.readableSegment(id)?.header;
    if (!header) continue;
    newest = id;
    const other = common.has(id) ? ours.readableSegment(id)?.header : undefined;
    if (other && other.salt !== header.salt) throw wentApart(backup.folder, id);
    if (pace.isDue()) await pace.turn();
  }
  return newest;
}

function* batchesOf(reader: LogReader, id: number): Generator<ScannedBatch> {
  for (const found of scanLog(reader, [id], entryPosition(reader.segment(id)), 0, undefined, "views"))
    if ("batch" in found) yield found.batch;
}

async function endOf(reader: LogReader, id: number, pace: Pace): Promise<BackupEnd> {
  const end: BackupEnd = { position: entryPosition(reader.segment(id)), batch: undefined };
  for (const { header, end: position } of batchesOf(reader, id)) {
    const length = BATCH_HEADER_BYTES + header.length;
    end.position = position;
    end.batch = { offset: position.offset - length, length };
    if (pace.isDue()) await pace.turn();
  }
  return end;
}

/** Whether the log has what the backup ends with; by the chain, then, all that is before it too. */
async function isIn(
  ours: LogReader,
  ids: readonly number[],
  theirs: LogReader,
  { position, batch }: BackupEnd,
  pace: Pace,
): Promise<boolean> {
  const { segment } = position;
  const own = ids.includes(segment) ? ours.readableSegment(segment) : undefined;
  if (own) {
    if (!batch) return true;
    const header = (reader: LogReader) => {
      const bytes = Buffer.alloc(BATCH_HEADER_BYTES);
      return bytes.subarray(0, reader.segment(segment).file.read(bytes, batch.offset));
    };
    return header(ours).equals(header(theirs));
  }
  const other = standingFor(ours, ids, segment);
  if (!other?.header.rewritten || position.sequence > other.header.rewritten.endSequence) return false;
  return areOfOneTime(batchesOf(ours, other.id), batchesOf(theirs, segment), pace);
}

/**
 * A rewritten segment has a chain of its own, and may lack batches; but those that it has kept their numbers and times,
 * which two homes that went apart don't share.
 */
async function areOfOneTime(
  ours: Generator<ScannedBatch>,
  theirs: Generator<ScannedBatch>,
  pace: Pace,
): Promise<boolean> {
  let own = ours.next();
  for (const { header } of theirs) {
    while (!own.done && own.value.header.sequence < header.sequence) own = ours.next();
    if (own.done) return true;
    if (own.value.header.sequence === header.sequence && own.value.header.time !== header.time) return false;
    if (pace.isDue()) await pace.turn();
  }
  return true;
}

/**
 * Tries every checksum of a rewritten segment, which is to take the place of others.
 * @throws CORRUPTION when it is damaged
 */
export async function checkSound(
  { files, folder }: Pick<ComparedLog, "files" | "folder">,
  identity: LogIdentity,
  id: number,
  pace: Pace,
): Promise<void> {
  const reader = new LogReader(files, folder, identity);
  try {
    const segment = reader.segment(id);
    const entry = entryPosition(segment);
    let end = entry.offset;
    for (const found of scanLog(reader, [id], entry)) {
      const isSound = "batch" in found && found.batch.records.every(({ sound }) => sound);
      if (!isSound) throw damaged(folder, id);
      end = found.batch.end.offset;
      if (pace.isDue()) await pace.turn();
    }
    if (end !== segment.header.rewritten!.bytes) throw damaged(folder, id);
  } finally {
    reader.close();
  }
}

const damaged = (folder: string, id: number) =>
  new VarveError("CORRUPTION", `${segmentText(id)} of the log in ${folder} is damaged`, {
    hint: "the backup has what it was made of, and was left as it is: `varve repair --from` the backup, then back up again",
    details: { segment: segmentNumber(id) },
  });

const OTHERWISE =
  "back up to another folder; if the store lost them, `varve repair --from` the backup brings them back";

function hasMore(folder: string, sequence: number): VarveError {
  return new VarveError(
    "CONFLICT",
    `the backup in ${dirname(folder)} ends with operation ${sequence}, which the store does not have: it was written to, or the store lost it`,
    { hint: OTHERWISE, details: { folder: dirname(folder), sequence } },
  );
}

function wentApart(folder: string, id: number): VarveError {
  return new VarveError(
    "CONFLICT",
    `${segmentText(id)} in ${dirname(folder)} is not the one that the store has: it was written to there, or the store was put back from another copy`,
    { hint: OTHERWISE, details: { folder: dirname(folder), segment: segmentNumber(id) } },
  );
}
