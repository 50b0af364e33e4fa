import type { CoreProblem } from "../verify/report.ts";
import type { SegmentMap, SegmentPlan } from "./segments.ts";

/** What the problems of a verification mean for a repair. */

/** Whether rows are damaged, or disagree with a log that is sound where they point. */
export function isIndexWrong(problems: readonly CoreProblem[]): boolean {
  const ofLog = problems.filter(({ key, kind }) => key === undefined && kind !== "index");
  const damaged = new Set(ofLog.map(({ segment }) => segment));
  const isShort = ofLog.some(({ kind }) => kind === "missing");
  return problems.some(({ kind, key, digest, segment }) => {
    // Where batches are lost, an index that was made of the rest lacks their blobs.
    if (kind === "index") return digest === undefined || ofLog.length === 0;
    return key !== undefined && segment !== undefined && !damaged.has(segment) && !isShort;
  });
}

/** Whether whole batches will still be missing from the log once the planned segments are in their places. */
export function staysDamaged(problems: readonly CoreProblem[], plans: readonly SegmentPlan[]): boolean {
  if (plans.some(({ merged }) => merged.problems.some(({ kind }) => kind === "batch"))) return true;
  return problems.some(({ kind, key, segment }) => {
    if (key || segment === undefined || (kind !== "batch" && kind !== "segment")) return false;
    const isPlanned = plans.some(({ number }) => number === segment);
    // That a segment does not go on where the one before ends is told of the later one.
    return !isPlanned && !(kind === "segment" && plans.some(({ number }) => number < segment));
  });
}

/** Whether a problem will be gone. */
export function isMended(
  { kind, segment, offset }: CoreProblem,
  plans: ReadonlyMap<number, SegmentPlan>,
  map: SegmentMap,
  newest: number,
): boolean {
  if (kind === "missing") return plans.has(newest);
  if (segment === undefined) return false;
  const before = kind === "segment" ? plans.get(map.previous(segment) ?? 0) : undefined;
  const plan = plans.get(segment) ?? before;
  if (!plan) return false;
  if (kind === "segment") return plan.merged.problems.every((left) => left.kind !== "batch");
  return !plan.merged.problems.some((left) => left.offset === offset);
}

/** The blobs that can't be read, each once. */
export function digestsOf(problems: readonly CoreProblem[]): Buffer[] {
  const byName = new Map<string, Buffer>();
  for (const { digest } of problems) if (digest) byName.set(digest.toString("latin1"), digest);
  return [...byName.values()];
}
