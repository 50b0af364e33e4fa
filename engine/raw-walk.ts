import type { CallOptions } from "./api.ts";
import { throwIfAborted } from "./errors.ts";
import type { EnvironmentRange } from "./index/lmdb.ts";
import type { RawEntry } from "./index/raw-entry.ts";
import { BLOBS_RANGE, RawBlobRow, RawRow } from "./index/raw-rows.ts";
import type { EngineSnapshot } from "./snapshot.ts";

/** Rows between two turns of the event loop: a millisecond or two. */
const ROWS_PER_TURN = 4096;

export interface WalkOptions extends CallOptions {
  /** Checksums of rows are not looked at: see {@link RawRow.unchecked}. */
  unchecked?: boolean;
}

/** Goes over rows as they lie in the index, with turns of the event loop, at each of which it gives how many were visited. */
export function visitRows(
  snapshot: EngineSnapshot,
  range: EnvironmentRange,
  visit: (row: RawRow) => void,
  options?: WalkOptions,
): AsyncGenerator<number> {
  const row = new RawRow();
  const each = options?.unchecked
    ? (entry: RawEntry) => visit(row.unchecked(entry))
    : (entry: RawEntry) => visit(row.at(entry));
  return visitAll(snapshot, range, each, options);
}

/** As `visitRows`, for all blobs in the order of their digests. */
export function visitBlobs(
  snapshot: EngineSnapshot,
  visit: (row: RawBlobRow) => void,
  options?: WalkOptions,
): AsyncGenerator<number> {
  const row = new RawBlobRow();
  const each = options?.unchecked
    ? (entry: RawEntry) => visit(row.unchecked(entry))
    : (entry: RawEntry) => visit(row.at(entry));
  return visitAll(snapshot, BLOBS_RANGE, each, options);
}

async function* visitAll(
  snapshot: EngineSnapshot,
  range: EnvironmentRange,
  visit: (entry: RawEntry) => void,
  options: CallOptions | undefined,
): AsyncGenerator<number> {
  let count = 0;
  const counted = (entry: RawEntry) => {
    count++;
    visit(entry);
  };
  let next: EnvironmentRange = { ...range, limit: ROWS_PER_TURN };
  for (;;) {
    const last = snapshot.visit(next, counted);
    yield count;
    if (!last) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    throwIfAborted(options?.signal);
    next = { ...range, start: last, exclusiveStart: true, limit: ROWS_PER_TURN };
  }
}
