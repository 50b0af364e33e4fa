import type { CallOptions, CompactReport, PruneOptions, PrunePolicy, PruneReport } from "./api.ts";
import { checkNames, flag, invalid, printed } from "./argument.ts";
import { callOf } from "./call-options.ts";
import { compactStore } from "./compact.ts";
import type { EngineCore } from "./engine.ts";
import { VarveError } from "./errors.ts";
import { PruneApply } from "./prune-apply.ts";
import type { PrunePlan } from "./prune-plan.ts";
import { planPrune, prunedVersions } from "./prune-plan.ts";
import { takePolicy } from "./prune-policy.ts";

/** Plans what a policy lets go and, unless only that is asked for, deletes it and frees its bytes. */
export async function pruneStore(
  core: EngineCore,
  policy: PrunePolicy,
  options: PruneOptions,
  durable: boolean,
): Promise<PruneReport> {
  checkPruneOptions(options);
  const now = core.now();
  const taken = takePolicy(policy, now);
  const plan = await core.reading(() => planPrune(core, taken, now, options));
  const planned: PruneReport = {
    dryRun: options.dryRun === true,
    versions: prunedVersions(plan),
    protected: plan.protected,
    plannedBytes: plan.plannedBytes,
    deadBytes: plan.scan.deadBytes,
    freedBytes: 0,
    logBytes: plan.logBytes,
  };
  if (options.dryRun) return planned;
  if (options.confirm && !(await options.confirm(planned))) return { ...planned, dryRun: true };
  const apply = new PruneApply(core, taken, plan);
  await apply.run(durable, options);
  const report = { ...planned, ...withoutLeft(core, plan, planned, apply.left) };
  if (options.compact === false) return { ...report, logBytes: core.fileSpace().logBytes };
  const { freedBytes, logBytesAfter } = await compactAfter(options, (call) =>
    compactStore(core, call, durable),
  );
  return { ...report, freedBytes, logBytes: logBytesAfter };
}

/** What of the plan was done, where others changed something in between. */
function withoutLeft(
  core: EngineCore,
  plan: PrunePlan,
  planned: PruneReport,
  left: ReadonlySet<number>,
): Pick<PruneReport, "versions" | "protected" | "plannedBytes"> {
  if (left.size === 0) return planned;
  const victims = plan.victims.filter((victim) => !left.has(victim));
  // What nodes name is as it was: nothing was compacted yet.
  const going = plan.scan.candidates.letGo(plan.scan.release, core);
  for (const victim of victims) going.add(victim);
  return {
    versions: prunedVersions({ ...plan, victims }),
    protected: [...planned.protected, ...[...left].map((victim) => plan.scan.candidates.ref(victim))],
    plannedBytes: going.bytes,
  };
}

/** Compacts behind the deletions, which stand whatever comes of it. */
export async function compactAfter(
  { signal, onProgress }: CallOptions,
  compact: (call: CallOptions) => Promise<CompactReport>,
): Promise<CompactReport> {
  try {
    return await compact(callOf({ signal, onProgress }));
  } catch (error) {
    if (!(error instanceof VarveError)) throw error;
    throw new VarveError(error.code, `the versions were deleted, but not compacted away: ${error.message}`, {
      hint: `\`compact\` frees their bytes later${error.hint ? `; ${error.hint}` : ""}`,
      cause: error,
      ...(error.details && { details: error.details }),
      ...(error.outcome && { outcome: error.outcome }),
    });
  }
}

const OPTIONS = ["dryRun", "force", "confirm", "compact", "signal", "onProgress"];

export function checkPruneOptions(options: PruneOptions): void {
  const more = "; what goes is said by the policy, the argument before";
  checkNames(options, OPTIONS, "prune has no option", more);
  for (const option of ["dryRun", "force", "compact"] as const) flag(options[option], option);
  if (options.confirm === undefined || typeof options.confirm === "function") return;
  throw invalid(`confirm must be a function, not ${printed(options.confirm)}`, "it is asked with the plan");
}
