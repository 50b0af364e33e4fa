import { nodeFileSystem } from "../../engine/log/file.ts";
import { RecordKind } from "../../engine/log/format.ts";
import type { ScannedBatch, ScannedRecord } from "../../engine/log/scan.ts";
import type { LogPosition } from "../../engine/log/segment.ts";
import { listSegments, segmentPath } from "../../engine/log/segment.ts";
import { HandmadeLog, identity } from "./support.ts";

/** Four segments: of batches 1–3, 4–6, 7–9 and 10. */
export function fourSegments(): HandmadeLog {
  const log = new HandmadeLog();
  for (let i = 0; i < 9; i++) {
    if (i === 3 || i === 6) log.roll();
    log.add(`value ${i}`);
  }
  log.roll();
  log.add("value 9");
  return log;
}

/** No blob of an even sequence, and nothing at all of batches 2, 6 and 9: 6 and 9 are last ones. */
export const some = ({ kind }: ScannedRecord, sequence: number) =>
  ![2, 6, 9].includes(sequence) && (kind !== RecordKind.blob || sequence % 2 === 1);

export const texts = (batches: readonly ScannedBatch[]) =>
  batches.flatMap(({ header, records }) =>
    records.map(({ kind, payload }) => `${header.sequence} ${kind} ${payload ?? "blob"}`),
  );

export const filePath = (log: HandmadeLog, id: number) => segmentPath(log.folder, id);
export const ids = (log: HandmadeLog) => listSegments(nodeFileSystem, log.folder, identity);

/** What is read from a position on: sequences, and what is told. */
export function readFrom(log: HandmadeLog, from: LogPosition): { sequences: number[]; problems: string[] } {
  const { batches, problems } = log.scan(from);
  return {
    sequences: batches.map(({ header }) => header.sequence),
    problems: problems.map(({ message }) => message),
  };
}
