import type { Catalog } from "../index/catalog.ts";
import { shortLog } from "../log/scan.ts";
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
  home.onProblem(shortLog(end, known));
  const skipped = { ...end, sequence: known };
  catalog.transact(() => {
    catalog.gaps.note({ after: known, lost: LOST_MAX });
    catalog.setApplied(skipped);
  });
  return skipped;
}
