/** Makes rewritten segments by plain code, as compaction would: whole, and with what it is told left out. */
import { rmSync } from "node:fs";
import { checksum } from "../../engine/log/checksum.ts";
import { nodeFileSystem } from "../../engine/log/file.ts";
import { DIGEST_BYTES, FLAG_WEAK, RecordKind, SEGMENT_HEADER_BYTES } from "../../engine/log/format.ts";
import { GroupLayout } from "../../engine/log/layout.ts";
import { LogReader } from "../../engine/log/reader.ts";
import type { ScannedRecord } from "../../engine/log/scan.ts";
import { scanLog } from "../../engine/log/scan.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import {
  LOG_START,
  listSegments,
  nextRewrittenId,
  segmentPath,
  syncNames,
} from "../../engine/log/segment.ts";
import { RewrittenSegment } from "./rewritten-segment.ts";

interface RewriteOptions {
  /** Whether a record stays; batches without any go. Default: all stay. */
  keeps?: (record: ScannedRecord, sequence: number) => boolean;
  /** The files that it stands for stay where they are. */
  originals?: "kept" | "removed";
  files?: typeof nodeFileSystem;
}

/** Of the log in `folder`, rewrites the neighbours `ids` as one segment, and gives its id. */
export async function rewriteSegments(
  folder: string,
  ids: readonly number[],
  { keeps = () => true, originals = "removed", files = nodeFileSystem }: RewriteOptions = {},
): Promise<number> {
  const reader = new LogReader(files, folder);
  const { header } = reader.segment(ids[0]!);
  const { previousNumber, previousEnd, previousChain, previousSequence } = header;
  const start: LogPosition = {
    segment: ids[0]!,
    offset: SEGMENT_HEADER_BYTES,
    sequence: previousSequence,
    time: 0,
    chain: previousChain,
  };
  const batches = [];
  let end = start;
  const all = listSegments(files, folder).filter((id) => id >= ids[0]!);
  for (const found of scanLog(reader, all, start)) {
    if ("problem" in found) throw new Error(found.problem.message);
    if (!ids.includes(found.batch.end.segment)) break;
    batches.push(found.batch);
    end = found.batch.end;
  }
  const last = reader.segment(ids.at(-1)!);
  const rewritten = new RewrittenSegment(
    files,
    folder,
    {
      id: nextRewrittenId(files, folder, ids[0]!, last.id),
      previous: { previousNumber, previousEnd, previousChain, previousSequence },
      end: last.header.rewritten ?? { lastNumber: last.id, endChain: end.chain, endSequence: end.sequence },
    },
    header,
    2000,
  );
  const { salt } = rewritten.header;
  const pieces: Uint8Array[] = [];
  let position = rewritten.start;
  for (const batch of batches) {
    const { sequence, time, durableSequence } = batch.header;
    const layout = new GroupLayout(position, salt, durableSequence);
    layout.beginBatch();
    for (const record of batch.records) {
      if (!keeps(record, sequence)) continue;
      const { kind, flags, tag, referenceCount, key } = record;
      const payload = record.payload ?? reader.readSync(record, kind, key);
      const payloadChecksum = checksum(payload, salt);
      layout.addRecord({ kind, flags, tag, referenceCount, key, payload, payloadChecksum });
    }
    position = layout.endBatch(sequence, time);
    pieces.push(...layout.pieces());
  }
  await rewritten.write(pieces);
  reader.close();
  rewritten.publish();
  syncNames(files, folder);
  if (originals === "removed") for (const id of ids) rmSync(segmentPath(folder, id));
  return rewritten.id;
}

/** Leaves out blobs with these contents. */
export function withoutBlobs(...digests: readonly Buffer[]): (record: ScannedRecord) => boolean {
  return ({ kind, key }) => kind !== RecordKind.blob || !digests.some((digest) => digest.equals(key));
}

/** The blobs in the log that no row needs any more. */
export function deadBlobs(folder: string): Buffer[] {
  const reader = new LogReader(nodeFileSystem, folder);
  const blobs = new Map<string, Buffer>();
  const rows = new Map<string, Buffer[]>();
  for (const found of scanLog(reader, listSegments(nodeFileSystem, folder), LOG_START)) {
    if ("problem" in found) continue;
    for (const { kind, key, flags, referenceCount, payload } of found.batch.records) {
      if (kind === RecordKind.blob) blobs.set(key.toString("hex"), key);
      else
        rows.set(key.toString("hex"), (flags & FLAG_WEAK) === 0 ? digestsIn(payload!, referenceCount) : []);
    }
  }
  reader.close();
  for (const digest of [...rows.values()].flat()) blobs.delete(digest.toString("hex"));
  return [...blobs.values()];
}

function digestsIn(payload: Buffer, count: number): Buffer[] {
  return Array.from({ length: count }, (_, i) => payload.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES));
}
