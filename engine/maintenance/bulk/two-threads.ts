import type { LogReader } from "../../log/reader.ts";
import type { LogPosition } from "../../log/segment.ts";
import type { Part, PartOptions, Stretch } from "./part.ts";
import { PartReader } from "./part.ts";
import { SecondReader } from "./second-reader.ts";
import { removeWaiting } from "./sorted.ts";
import { isJoint, middleOf } from "./split.ts";

/** Some 100,000 artifacts, which take one thread half a second: another one has begun within a tenth of that. */
const TWO_THREADS_BYTES = 128 * 1024 * 1024;
/** No thread has so many runs. */
export const RUNS_MAX = 1_000_000;

type Options = Omit<PartOptions, "firstRun">;

/**
 * Sorts what a stretch of the log has. Where that is worth it another thread reads the second half of it: what comes of it
 * is the same as from one reading, since the first half has to end at the very position from which the other was read.
 */
export function readSorted(
  reader: LogReader,
  stretch: Stretch,
  options: Options,
  bytesMin = TWO_THREADS_BYTES,
): Part {
  const middle = middleOf(reader, stretch.ids, bytesMin);
  if (!middle) return readAll(reader, stretch, options);
  const behind = { ...stretch, from: middle };
  const second = SecondReader.start(reader, behind, { ...options, firstRun: RUNS_MAX });
  if (!second) return readAll(reader, stretch, options);
  try {
    const first = readAll(reader, upTo(middle, stretch), options);
    if (isJoint(first.result.position, middle)) {
      const other = second.finish() ?? readAll(reader, behind, options, 2 * RUNS_MAX);
      return joined(first, other);
    }
  } finally {
    second.stop();
  }
  // There is damage, or what is there is not the log's.
  removeWaiting(options.scratchFolder);
  return readAll(reader, stretch, options);
}

function readAll(reader: LogReader, stretch: Stretch, options: Options, firstRun = 0): Part {
  const part = new PartReader(reader, { ...options, firstRun });
  return part.end(part.read(stretch));
}

/** That the log goes on behind it is known, so all of it was durable. */
function upTo(middle: LogPosition, { ids, from }: Stretch): Stretch {
  return { ids: ids.filter((id) => id <= middle.segment), from, durableSequence: 0, until: middle };
}

function joined(first: Part, second: Part): Part {
  const { position, torn, problems, batches } = second.result;
  return {
    result: {
      position,
      torn,
      problems: [...first.result.problems, ...problems],
      batches: first.result.batches + batches,
    },
    gaps: [...first.gaps, ...second.gaps],
    rows: [...first.rows, ...second.rows],
    blobs: [...first.blobs, ...second.blobs],
  };
}
