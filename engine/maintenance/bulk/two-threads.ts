import type { LogReader } from "../../log/reader.ts";
import type { LogPosition } from "../../log/segment.ts";
import type { Part, PartOptions, Stretch } from "./part.ts";
import { PartReader } from "./part.ts";
import type { Pieces } from "./pieces.ts";
import { MergedHere } from "./pieces.ts";
import type { PartRead } from "./second-reader.ts";
import { SecondReader } from "./second-reader.ts";
import { removeWaiting } from "./sorted.ts";
import { isJoint, middleOf } from "./split.ts";

/** Some 100,000 artifacts, which take one thread half a second: another one has begun within a tenth of that. */
const TWO_THREADS_BYTES = 128 * 1024 * 1024;
/** No thread has so many runs. */
export const RUNS_MAX = 1_000_000;

type Options = Omit<PartOptions, "firstRun">;

/** What a stretch of the log means to a new index. */
export interface Sorting extends PartRead {
  pieces: Pieces;
}

/**
 * Sorts what a stretch of the log has. Where that is worth it another thread reads the second half of it: what comes of it
 * is the same as from one reading, since the first half has to end at the very position from which the other was read.
 * Then that thread merges both halves, while this one puts what comes of it into the index.
 */
export function readSorted(
  reader: LogReader,
  stretch: Stretch,
  options: Options,
  bytesMin = TWO_THREADS_BYTES,
): Sorting {
  const middle = middleOf(reader, stretch.ids, bytesMin);
  if (!middle) return mergedHere(readAll(reader, stretch, options));
  const behind = { ...stretch, from: middle };
  const second = SecondReader.start(reader, behind, { ...options, firstRun: RUNS_MAX });
  if (!second) return mergedHere(readAll(reader, stretch, options));
  let isMerging = false;
  try {
    const first = readAll(reader, upTo(middle, stretch), options);
    if (isJoint(first.result.position, middle)) {
      const other = second.finish();
      if (!other) return bothMergedHere(first, readAll(reader, behind, options, 2 * RUNS_MAX));
      second.merge(first);
      isMerging = true;
      return { ...joined(first, other), pieces: second };
    }
  } finally {
    if (!isMerging) second.close();
  }
  // There is damage, or what is there is not the log's.
  removeWaiting(options.scratchFolder);
  return mergedHere(readAll(reader, stretch, options));
}

function readAll(reader: LogReader, stretch: Stretch, options: Options, firstRun = 0): Part {
  const part = new PartReader(reader, { ...options, firstRun });
  return part.end(part.read(stretch));
}

/** That the log goes on behind it is known, so all of it was durable. */
function upTo(middle: LogPosition, { ids, from }: Stretch): Stretch {
  return { ids: ids.filter((id) => id <= middle.segment), from, durableSequence: 0, until: middle };
}

function mergedHere({ result, gaps, rows, blobs }: Part): Sorting {
  return { result, gaps, pieces: new MergedHere({ rows, blobs }) };
}

function bothMergedHere(first: Part, second: Part): Sorting {
  const rows = [...first.rows, ...second.rows];
  const blobs = [...first.blobs, ...second.blobs];
  return mergedHere({ ...joined(first, second), rows, blobs });
}

function joined(first: PartRead, second: PartRead): PartRead {
  const { position, torn, problems, batches } = second.result;
  return {
    result: {
      position,
      torn,
      problems: [...first.result.problems, ...problems],
      batches: first.result.batches + batches,
    },
    gaps: [...first.gaps, ...second.gaps],
  };
}
