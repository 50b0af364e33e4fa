import { fromSystemError, VarveError } from "../errors.ts";
import type { FileSystem, LogFile } from "./file.ts";
import type { SegmentHeader } from "./format.ts";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "./format.ts";
import { segmentGeneration, segmentNumber, segmentPath, segmentText } from "./segment-id.ts";

/** What tells one store's segments from another's. */
export interface LogIdentity {
  storeId: string;
  application: string;
}

/** @throws CORRUPTION for a damaged or foreign file, NOT_SUPPORTED for a newer format. */
export function readSegmentHeader(
  file: LogFile,
  path: string,
  id: number,
  identity?: LogIdentity,
): SegmentHeader {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const header = decodeSegmentHeader(bytes.subarray(0, file.read(bytes, 0)), path);
  if (!isHeaderOf(header, id) || (identity !== undefined && header.storeId !== identity.storeId)) {
    throw new VarveError("CORRUPTION", `${path} is a segment of another store or another place in the log`, {
      hint: "move the file out of the store's log folder, and put back the segment that belongs there",
      details: { segment: segmentNumber(id), offset: 0, file: path },
    });
  }
  return header;
}

function isHeaderOf({ number, generation, rewritten }: SegmentHeader, id: number): boolean {
  if (number !== segmentNumber(id) || generation !== segmentGeneration(id)) return false;
  return rewritten ? generation > 0 && rewritten.lastNumber >= number : generation === 0;
}

/** As `readSegmentHeader`, of a segment that is not open. @throws CORRUPTION too where there is none */
export function readHeaderOf(
  files: FileSystem,
  folder: string,
  id: number,
  identity?: LogIdentity,
): SegmentHeader {
  const path = segmentPath(folder, id);
  try {
    const file = files.open(path, "read");
    try {
      return readSegmentHeader(file, path, id, identity);
    } finally {
      file.close();
    }
  } catch (error) {
    throw fromSegmentFailure(error, path, id);
  }
}

/** What says that there is no such file: nothing to open, or a folder or a link to itself in its place. */
const NO_FILE = new Set(["ENOENT", "EISDIR", "ELOOP", "ENOTDIR", "ENXIO"]);

/** Why a segment could not be opened, as an error of ours. */
export function fromSegmentFailure(error: unknown, path: string, id: number): VarveError {
  if (!NO_FILE.has((error as NodeJS.ErrnoException)?.code ?? ""))
    return fromSystemError(error, `opening ${path}`);
  return new VarveError("CORRUPTION", `${segmentText(id)} of the log is missing (${path})`, {
    hint: "put the file back from a backup; what lies in other segments stays readable",
    details: { segment: segmentNumber(id), offset: 0 },
    cause: error,
  });
}
