import { VarveError } from "../../errors.ts";
import { readBatch } from "../../log/batch.ts";
import type { FileSystem } from "../../log/file.ts";
import type { SegmentHeader } from "../../log/format.ts";
import { encodeSegmentHeader, RecordKind, SEGMENT_HEADER_BYTES } from "../../log/format.ts";
import type { OpenSegment } from "../../log/reader.ts";
import { Window } from "../../log/window.ts";
import type { Pace } from "../pace.ts";
import { DamagedSource, PayloadPieces } from "./source.ts";

/** Reads a segment that was written without its name again, with all its checksums. @throws IO when it is not whole */
export async function readBack(
  files: FileSystem,
  path: string,
  id: number,
  header: SegmentHeader,
  pace: Pace,
): Promise<void> {
  const file = files.open(path, "read");
  try {
    const segment: OpenSegment = { id, path, file, header, busy: 0 };
    if (!(await isWhole(segment, pace))) throw notReadBack(path);
  } catch (error) {
    throw error instanceof DamagedSource ? notReadBack(path) : error;
  } finally {
    file.close();
  }
}

async function isWhole(segment: OpenSegment, pace: Pace): Promise<boolean> {
  const { file, header } = segment;
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  file.read(bytes, 0);
  const size = file.size();
  if (!bytes.equals(encodeSegmentHeader(header)) || size !== header.rewritten!.bytes) return false;
  const window = new Window(file, size);
  const pieces = new PayloadPieces(pace);
  let chain = header.previousChain;
  let offset = SEGMENT_HEADER_BYTES;
  while (offset < size) {
    const batch = readBatch(window, segment, offset, "views", false);
    if (!batch?.sound || batch.header.previousChain !== chain) return false;
    for (const record of batch.records) {
      if (record.kind === RecordKind.blob) await pieces.checksum(segment, record, header.salt);
      if (pace.isDue()) await pace.turn();
    }
    chain = batch.header.chain;
    offset = batch.end.offset;
  }
  return true;
}

function notReadBack(path: string): VarveError {
  return new VarveError("IO", `${path} was not read back as it was written`, {
    hint: "check the disk; nothing was changed",
  });
}
