import type { CallOptions, CompactOptions, CompactReport, DamageProblem } from "./api.ts";
import { OPERATION_BYTES } from "./commit.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import { forgetVersions } from "./forget.ts";
import type { LogProblem } from "./log/scan.ts";
import { segmentNumber } from "./log/segment.ts";
import type { CoreCompact } from "./maintenance/compact/parts.ts";

export interface TakenCompactOptions extends CallOptions {
  dryRun: boolean;
  deadShare: number;
  historyBefore: number | Date | undefined;
}

/** Forgets history, where that is asked for, and gives the space of what nothing needs any more back. */
export async function compactStore(
  core: EngineCore,
  options: CompactOptions,
  durable: boolean,
): Promise<CompactReport> {
  const taken = takeCompactOptions(options);
  const historyBefore = await operationOf(core, taken);
  const { dryRun, signal } = taken;
  const forgotten =
    historyBefore === undefined
      ? undefined
      : await forgetVersions(core, historyBefore, { dryRun, durable, bytes: OPERATION_BYTES, signal });
  return toldCompact(await core.compact({ ...coreOptions(taken), historyBefore, forgotten }));
}

/** The same for an engine, in which nothing has to be forgotten before. */
export async function compactWith(core: EngineCore, options: CompactOptions): Promise<CompactReport> {
  const taken = takeCompactOptions(options);
  const historyBefore = await operationOf(core, taken);
  return toldCompact(await core.compact({ ...coreOptions(taken), historyBefore }));
}

function coreOptions({ dryRun, deadShare, signal, onProgress }: TakenCompactOptions) {
  return { dryRun, deadShare, signal, onProgress };
}

/** @throws INVALID_ARGUMENT */
function takeCompactOptions(options: CompactOptions): TakenCompactOptions {
  const { dryRun = false, deadShare = 0, historyBefore, ...rest } = options;
  const wrong = (what: string, hint: string) => new VarveError("INVALID_ARGUMENT", what, { hint });
  if (typeof dryRun !== "boolean") throw wrong("`dryRun` is not true or false", "give one of the two");
  if (!(typeof deadShare === "number" && deadShare >= 0 && deadShare <= 1))
    throw wrong(`not a share: ${String(deadShare)}`, "give `deadShare` as a number from 0 to 1");
  const isMoment = historyBefore instanceof Date && !Number.isNaN(historyBefore.getTime());
  const isOperation = Number.isSafeInteger(historyBefore) && (historyBefore as number) >= 0;
  if (historyBefore !== undefined && !isMoment && !isOperation)
    throw wrong("`historyBefore` is no operation and no moment", "give a sequence number or a Date");
  return { ...rest, dryRun, deadShare, historyBefore };
}

/** None that is yet to come: what a second call would forget, a first one does not say that it forgets. */
async function operationOf(
  core: EngineCore,
  { historyBefore, signal }: TakenCompactOptions,
): Promise<number | undefined> {
  if (historyBefore === undefined) return undefined;
  if (historyBefore instanceof Date) return core.sequenceAt(historyBefore.getTime(), signal);
  const snapshot = await core.reading(() => core.snapshot());
  const newest = snapshot.sequence;
  snapshot.close();
  return Math.min(historyBefore, newest);
}

function toldCompact({ skipped, ...report }: CoreCompact): CompactReport {
  return { ...report, skipped: skipped.map(toldProblem) };
}

function toldProblem({ kind, segment, offset, message }: LogProblem): DamageProblem {
  return { kind, segment: segmentNumber(segment), offset, message };
}
