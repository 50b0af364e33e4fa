import type { Catalog } from "../index/catalog.ts";
import type { EnvironmentRange } from "../index/lmdb.ts";
import type { RawEntry } from "../index/raw-entry.ts";
import type { Pace } from "./pace.ts";

/** To visit so many takes a fraction of a millisecond. */
const ROWS_PER_SLICE = 512;

/**
 * Goes over a range of an index as it lies there, some rows at a time, and gives way between them. Without a snapshot it is
 * of no one moment: what is there all the while is visited. The index must stay open: see `retaining`.
 */
export async function eachSlice(
  catalog: Catalog,
  pace: Pace,
  range: EnvironmentRange,
  visit: (entry: RawEntry) => void,
  behindSlice?: () => Promise<void> | undefined,
): Promise<void> {
  for (let from = range; ; ) {
    const last = catalog.visit({ ...from, limit: ROWS_PER_SLICE }, visit);
    await behindSlice?.();
    if (!last) return;
    if (pace.isDue()) {
      await pace.turn();
      catalog.refresh();
    }
    from = { ...range, start: last, exclusiveStart: true };
  }
}

/** The index stays open during `action`, whatever others replace it by. */
export async function retaining<T>(catalog: Catalog, action: () => Promise<T>): Promise<T> {
  catalog.retain();
  try {
    return await action();
  } finally {
    await catalog.release();
  }
}
