import type { CallOptions, CompactOptions, CompactReport } from "./api.ts";
import { checkNames, flag, invalid, printed } from "./argument.ts";
import type { EngineCore } from "./engine.ts";
import { forgetVersions, noteHorizon } from "./forget.ts";
import { Release, releaseDead } from "./large/release.ts";
import { sweepNodes } from "./large/sweep.ts";
import type { CompactCoreOptions } from "./maintenance/compact/parts.ts";
import { mergePlaces } from "./verify.ts";

export interface TakenCompactOptions extends CallOptions {
  dryRun: boolean;
  deadShare: number;
  historyBefore: number | Date | undefined;
}

const OPTIONS = ["dryRun", "deadShare", "historyBefore", "signal", "onProgress"];

/** What is done before a compaction, so that what nothing needs is dead by then. */
type Before = (
  taken: TakenCompactOptions,
  historyBefore: number | undefined,
) => Promise<Pick<CompactCoreOptions, "forgotten" | "alsoDead">>;

/** Forgets history, where that is asked for, and gives the space of what nothing needs any more back. */
export function compactStore(
  core: EngineCore,
  options: CompactOptions,
  durable: boolean,
): Promise<CompactReport> {
  return compactWith(core, options, async ({ dryRun, signal }, historyBefore) => {
    if (historyBefore && !dryRun) await noteHorizon(core, historyBefore, durable);
    const forgotten =
      historyBefore === undefined
        ? []
        : await forgetVersions(core, historyBefore, { dryRun, durable, signal });
    if (dryRun) return { forgotten, alsoDead: await deadWithNodes(core, signal) };
    await sweepNodes(core, signal);
    return { forgotten };
  });
}

async function deadWithNodes(
  core: EngineCore,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const snapshot = await core.reading(() => core.snapshot());
  try {
    const release = new Release(snapshot);
    await releaseDead(core, snapshot, release, signal);
    return release.gone;
  } finally {
    snapshot.close();
  }
}

/** @param before in an engine nothing has to be done before */
export async function compactWith(
  core: EngineCore,
  options: CompactOptions,
  before?: Before,
): Promise<CompactReport> {
  const taken = takeCompactOptions(options);
  const historyBefore = await operationOf(core, taken);
  const done = await core.compact({ ...taken, historyBefore, ...(await before?.(taken, historyBefore)) });
  return { ...done, skipped: mergePlaces(done.skipped) };
}

/** @throws INVALID_ARGUMENT */
export function takeCompactOptions(options: CompactOptions): TakenCompactOptions {
  checkNames(options, OPTIONS, "compact has no option");
  const { deadShare = 0, historyBefore, ...rest } = options;
  if (!(typeof deadShare === "number" && deadShare >= 0 && deadShare <= 1))
    throw invalid(`not a share: ${printed(deadShare)}`, "give `deadShare` as a number from 0 to 1");
  const isMoment = historyBefore instanceof Date && !Number.isNaN(historyBefore.getTime());
  const isOperation = Number.isSafeInteger(historyBefore) && (historyBefore as number) >= 0;
  if (historyBefore !== undefined && !isMoment && !isOperation)
    throw invalid("`historyBefore` is no operation and no moment", "give a sequence number or a Date");
  return { ...rest, dryRun: flag(options.dryRun, "dryRun") ?? false, deadShare, historyBefore };
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
