import { VarveError } from "./errors.ts";
import type { Catalog } from "./index/catalog.ts";
import type { LockEnvironment } from "./index/lock.ts";
import { markUnclean } from "./index/mark.ts";
import type { SharedState } from "./index/shared-state.ts";
import type { LogReader } from "./log/reader.ts";
import type { LogPosition } from "./log/segment.ts";
import { LogWriter } from "./log/writer.ts";
import { catchUp } from "./maintenance/catch-up.ts";
import { logFolder } from "./maintenance/home.ts";
import type { Continuation } from "./maintenance/repair/end.ts";
import { distrustIndexes, goesOnOtherwise, sealLog } from "./maintenance/repair/end.ts";
import type { SegmentPlan } from "./maintenance/repair/segments.ts";
import { replaceSegment } from "./maintenance/repair/segments.ts";
import type { OwnLog } from "./maintenance/repair/sources.ts";
import type { CoreReport } from "./maintenance/verify/report.ts";
import type { VerifyCoreOptions } from "./maintenance/verify/verify-log.ts";
import type { PreparedBlob } from "./transaction.ts";
import type { Work } from "./work.ts";

/** The steps of a repair that change the log: each under the lock, and each leaving a store that works. */

/** What it needs of the engine. */
export interface RepairParts extends OwnLog {
  reader: LogReader;
  lock: LockEnvironment;
  lockWaitMax: number;
  catalog(): Catalog;
  refresh(): void;
  now(): number;
  verify(options: VerifyCoreOptions): Promise<CoreReport>;
  prepareBlob(bytes: Uint8Array): PreparedBlob;
  commit<T>(work: Work<T>): Promise<T>;
  /** Under the lock. */
  stateForWriting(): SharedState;
  indexFolder(): string;
  /** Under the lock. */
  rebuild(): void;
}

/** A segment that is written and only lacks its name. */
export interface ReadySegment {
  plan: SegmentPlan;
  path: string;
}

/**
 * The newest segment becomes one that nobody writes to any more.
 * @param further where a copy goes on behind `tail`
 * @returns whether the log ends there now, and lacks what the copy has
 */
export async function seal(
  parts: RepairParts,
  tail: LogPosition,
  further: Continuation | undefined,
): Promise<boolean> {
  let isFurther = false;
  await hold(parts, () => {
    const known = lockedState(parts);
    const state = { ...known, cutAtTail: false, logEpoch: known.logEpoch + 1 };
    const isSame = known.tail.segment === tail.segment && known.tail.chain === tail.chain;
    isFurther = further !== undefined && isSame && !goesOnOtherwise(parts, tail, further);
    // With a mark that cuts at the tail, catching up would end the log for good.
    const end = isFurther || known.cutAtTail ? known.tail : adoptedEnd(parts, known);
    if (end.segment !== tail.segment) {
      parts.lock.setState({ ...state, cutAtTail: known.cutAtTail, tail: end });
      return undefined;
    }
    const goal = isFurther ? further!.end : end;
    // More may be known to have been there than any copy has.
    const sequence = Math.max(goal.sequence, end.sequence);
    try {
      const begun = sealLog(parts, { ...goal, sequence }, parts.now());
      parts.lock.setState({ ...state, tail: begun });
      return undefined;
    } catch (error) {
      const syncFailed = error instanceof VarveError && error.outcome === "unknown";
      // A throw would take the mark back.
      if (syncFailed) parts.lock.setState({ ...known, syncFailed });
      return { error };
    }
  });
  return isFurther;
}

/** The end of the log, with what a process left that died before it could say so. */
function adoptedEnd(parts: RepairParts, state: SharedState): LogPosition {
  const { files, identity, reader } = parts;
  const folder = logFolder(parts.folder);
  const writer = new LogWriter(files, folder, identity);
  try {
    return catchUp({ files, folder, reader, writer, catalog: parts.catalog() }, state, parts.now());
  } finally {
    writer.close();
  }
}

/** @throws CONFLICT when the log is not the one any more that was planned for, by its epoch */
export async function replaceAll(
  parts: RepairParts,
  ready: readonly ReadySegment[],
  epoch: number,
  index: "kept" | "made anew",
  quarantined: string[],
): Promise<void> {
  await hold(parts, () => {
    const known = lockedState(parts);
    if (known.logEpoch !== epoch) throw changedMeanwhile();
    const state = { ...known, logEpoch: epoch + 1 };
    if (index === "made anew") distrustIndexes(parts.folder);
    try {
      for (const { plan, path } of ready) {
        const kept = replaceSegment(parts, plan, path, new Date(parts.now()));
        if (kept) quarantined.push(kept);
      }
      parts.lock.setState(state);
      if (index === "made anew") parts.rebuild();
      return undefined;
    } catch (error) {
      // What was replaced stays, so everybody is told; a throw would take that back.
      parts.lock.setState({ ...state, indexSuspect: true });
      return { error };
    }
  });
}

export async function makeIndexAnew(parts: RepairParts): Promise<void> {
  await hold(parts, () => {
    lockedState(parts);
    parts.rebuild();
    return undefined;
  });
}

/** @param action gives an error that is to be told without taking back what was stored before it */
async function hold(parts: RepairParts, action: () => { error: unknown } | undefined): Promise<void> {
  const failed = await parts.lock.holdWithin(parts.lockWaitMax, action);
  if (failed) throw failed.error;
  parts.refresh();
}

function lockedState(parts: RepairParts): SharedState {
  const state = { ...parts.stateForWriting() };
  if (state.syncFailed) throw inDoubt();
  if (!state.indexUnclean) markUnclean(parts.indexFolder());
  return { ...state, indexUnclean: true };
}

function inDoubt(): VarveError {
  return new VarveError("IO", "a sync of the log failed; what it was to make safe is in doubt", {
    hint: "check the disk, and repair again",
  });
}

function changedMeanwhile(): VarveError {
  return new VarveError("CONFLICT", "another process repaired or rewrote the log meanwhile", {
    hint: "nothing was replaced; verify, and repair again where something is left",
  });
}
