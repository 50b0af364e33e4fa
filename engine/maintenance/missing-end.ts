import type { Catalog } from "../index/catalog.ts";
import type { LogPosition } from "../log/segment.ts";
import { LOST_MAX } from "./gap.ts";
import type { Home } from "./home.ts";

/**
 * Where the log ends before what is known to have been there, the numbers of what is missing are not given again: the
 * next segment says that it goes on behind them, which keeps the loss in sight for good.
 * @param known the newest operation that was acknowledged, or on the disk
 * @returns where the log goes on, which is `end` when nothing is missing
 */
export function endAfterLoss(home: Home, catalog: Catalog, end: LogPosition, known: number): LogPosition {
  if (end.sequence >= known) return end;
  const message = `the log ends at operation ${end.sequence}, but ${known} were there`;
  home.onProblem({ kind: "missing", segment: end.segment, offset: end.offset, message });
  const skipped = { ...end, sequence: known };
  catalog.transact(() => {
    catalog.gaps.note({ after: known, lost: LOST_MAX });
    catalog.setApplied(skipped);
  });
  return skipped;
}
